"""Models and endpoint configurations: names for what an endpoint will run.

Belongs here: their operations, and the resolution of a configuration to what hosting needs. Does
not belong here: running anything (hosting.py, endpoints.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import invalid, missing, over_limit, unsupported
from mlops_assets.sagemaker_local.fleet.config_checks import check_kind
from mlops_assets.sagemaker_local.fleet.fleet_spec import FleetSpec, VariantSpec
from mlops_assets.sagemaker_local.images import Images
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.packages import ModelPackages, model_data_url, must_exist
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store

MODEL, CONFIG = "model", "endpoint-config"
_NOUNS = {MODEL: "model", CONFIG: "endpoint configuration"}
_SORTS = {"CreationTime": "CreationTime", "Name": "Name"}
_VARIANT_REFUSED = ("InferenceAmiVersion", "ManagedInstanceScaling")
_CONFIG_REFUSED = ("ExplainerConfig",)


class Models:
    """Create, describe, list and delete; a name is free again once deleted."""

    def __init__(
        self,
        config: Config,
        store: Store,
        objects: Objects,
        images: Images,
        packages: ModelPackages,
    ) -> None:
        self._config = config
        self._store = store
        self._objects = objects
        self._images = images
        self._packages = packages

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateModel": self.create_model,
            "DescribeModel": lambda request: self.existing(MODEL, request["ModelName"]),
            "ListModels": lambda request: self._list(MODEL, "Models", request),
            "DeleteModel": lambda request: self._delete(MODEL, request["ModelName"]),
            "CreateEndpointConfig": self.create_config,
            "DescribeEndpointConfig": lambda request: self.existing(
                CONFIG, request["EndpointConfigName"]
            ),
            "ListEndpointConfigs": lambda request: self._list(CONFIG, "EndpointConfigs", request),
            "DeleteEndpointConfig": lambda request: self._delete(
                CONFIG, request["EndpointConfigName"]
            ),
        }

    def existing(self, kind: str, name: str) -> Document:
        """The document; ValidationException "Could not find …" if there is none."""
        document = self._store.get(kind, name)
        if document is None:
            raise missing(_NOUNS[kind], self._config.arn(kind, name))
        return document

    async def create_model(self, request: Document) -> Document:
        containers = [*request.get("Containers", [])]
        if "PrimaryContainer" in request:
            containers.append(request["PrimaryContainer"])
        if len(containers) != 1:
            raise unsupported(f"a model of {len(containers)} containers", "give PrimaryContainer")
        image, url, _ = self._container(containers[0])
        self._images.command(image, "serve")
        await must_exist(self._objects, url)
        arn = self._create(MODEL, request["ModelName"], request, {"Container": containers[0]})
        return {"ModelArn": arn}

    def create_config(self, request: Document) -> Document:
        for member in _CONFIG_REFUSED:
            if member in request:
                raise unsupported(member, "leave it out")
        _check_capture(request.get("DataCaptureConfig", {}))
        shadows = request.get("ShadowProductionVariants", [])
        if shadows and (len(shadows), len(request["ProductionVariants"])) != (1, 1):
            raise invalid("With ShadowProductionVariants there must be one variant of each kind")
        variants = [*request["ProductionVariants"], *shadows]
        names = [variant["VariantName"] for variant in variants]
        if len(set(names)) != len(names):
            raise invalid(f"ProductionVariants names a variant more than once: {sorted(names)}")
        for variant in variants:
            self._check_variant(variant)
        check_kind(request)
        total = sum(variant.get("InitialInstanceCount", 1) for variant in variants)
        if total > self._config.instances_per_endpoint:
            raise over_limit(
                f"{total} instances are more than the {self._config.instances_per_endpoint} that "
                "the local SageMaker API runs for an endpoint"
            )
        weights = (v.get("InitialVariantWeight", 1.0) for v in request["ProductionVariants"])
        if not sum(weights) > 0:
            raise invalid("the InitialVariantWeight of all variants together must be more than 0")
        return {
            "EndpointConfigArn": self._create(CONFIG, request["EndpointConfigName"], request, {})
        }

    def fleet(self, endpoint: str, config: str) -> FleetSpec:
        """What hosting needs to run ``config`` for ``endpoint``."""
        document = self.existing(CONFIG, config)
        capture = document.get("DataCaptureConfig", {})
        return FleetSpec(
            endpoint,
            config,
            tuple(self._variant(given) for given in document["ProductionVariants"]),
            tuple(self._variant(given) for given in document.get("ShadowProductionVariants", [])),
            capture if capture.get("EnableCapture") else None,
            document.get("AsyncInferenceConfig"),
        )

    def hosted(
        self, variant: str, model: str, instances: int, environment: Mapping[str, str]
    ) -> VariantSpec:
        """A variant of a model that no endpoint configuration has; ``environment`` goes first."""
        image, url, own = self._container(self.existing(MODEL, model)["Container"])
        limit = self._config.replica_start_limit
        return VariantSpec(variant, image, url, own | dict(environment), instances, 1.0, limit)

    def _variant(self, given: Document) -> VariantSpec:
        model = self.existing(MODEL, given["ModelName"])
        image, url, environment = self._container(model["Container"])
        limit = given.get("ContainerStartupHealthCheckTimeoutInSeconds")
        return VariantSpec(
            name=given["VariantName"],
            image=image,
            model_data_url=url,
            environment=environment,
            instances=given.get("InitialInstanceCount", 1),
            weight=given.get("InitialVariantWeight", 1.0),
            start_limit=limit or self._config.replica_start_limit,
            instance_type=given.get("InstanceType"),
            serverless=given.get("ServerlessConfig"),
        )

    def _check_variant(self, variant: Document) -> None:
        name = variant["VariantName"]
        for member in _VARIANT_REFUSED:
            if member in variant:
                raise unsupported(f"{member} of variant {name}", "leave it out")
        instances = (
            () if "ServerlessConfig" in variant else ("InstanceType", "InitialInstanceCount")
        )
        for member in ("ModelName", *instances):
            if member not in variant:
                raise invalid(f"variant {name} needs {member}")
        self.existing(MODEL, variant["ModelName"])

    def _container(self, container: Document) -> tuple[str, str | None, dict[str, str]]:
        """Image, model archive and environment, from the container or its model package."""
        if container.get("Mode", "SingleModel") != "SingleModel":
            raise unsupported("multi-model containers", "leave Mode out")
        environment = dict(container.get("Environment", {}))
        if "ModelPackageName" in container:
            packaged = self._packages.deployable(container["ModelPackageName"])
            environment = packaged.get("Environment", {}) | environment
            return packaged["Image"], model_data_url(packaged), environment
        if "Image" not in container:
            raise invalid("a container needs Image or ModelPackageName")
        return container["Image"], model_data_url(container), environment

    def _create(self, kind: str, name: str, request: Document, extra: dict[str, Any]) -> str:
        arn = self._config.arn(kind, name)
        if self._store.get(kind, name) is not None:
            raise invalid(f'Cannot create already existing {_NOUNS[kind]} "{arn}".')
        given_tags, now = tags.from_request(request), time.time()
        arn_member = "ModelArn" if kind == MODEL else "EndpointConfigArn"
        own = {"Arn": arn, arn_member: arn, "Name": name, "EnableNetworkIsolation": False}
        times = {"CreationTime": now, "LastModifiedTime": now}
        with self._store.transaction():
            self._store.put(kind, name, own | times | request | extra)
            self._store.set_tags(arn, given_tags)
        return arn

    def _list(self, kind: str, key: str, request: Document) -> Document:
        found = listing.page(request, self._store.all(kind), name="Name", sorts=_SORTS)
        return listing.summaries(key, found)

    def _delete(self, kind: str, name: str) -> Document:
        arn = self.existing(kind, name)["Arn"]
        with self._store.transaction():
            self._store.delete(kind, name)
            self._store.set_tags(arn, {})
        return {}


def _check_capture(settings: Document) -> None:
    if settings.get("EnableCapture"):
        s3_uri("DataCaptureConfig.DestinationS3Uri", settings["DestinationS3Uri"])
