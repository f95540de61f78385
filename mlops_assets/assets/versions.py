"""The versions of one pipeline and its endpoint: naming them, and serving one of them at once.

Here: what commands and automations that change what serves have in common. Not here: why they do
(`rolling_back`, `cli.promote`), nor the states of versions (`resources.sagemaker.registry`).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops_assets.assets.serve import endpoint_spec
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import CHALLENGER
from mlops_assets.resources.sagemaker.hosting.endpoints import Deployment, deploy, serving_package
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.person import person
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.rollout import alarms
from mlops_assets.resources.sagemaker.session import SageMakerResource

# What is asked for is waited for: the endpoint is asked so often that asking adds no time.
_POLL_S = {True: 0.05, False: 1.0}


class NoSuchVersion(LookupError):
    """No version is meant; the message says which ones there are, or how one is named."""


@dataclass(frozen=True)
class Versions:
    """The versions of one pipeline, and its endpoint."""

    pipeline: MLPipeline
    sagemaker: SageMakerResource
    store: Store
    placement: Placement
    signing: Signing

    @cached_property
    def client(self) -> Any:
        return self.sagemaker.client()

    @cached_property
    def who(self) -> str:
        """Who asks: the name that the registry keeps."""
        return person(self.sagemaker)

    @property
    def group(self) -> str:
        return self.pipeline.slug

    def serving(self) -> ModelPackage | None:
        """What the endpoint serves, which the registry is made to say too."""
        arn = serving_package(self.client, self.group)
        promotion.reconcile(self.client, self.group, arn)
        return registry.describe(self.client, arn) if arn else None

    def challenger(self) -> ModelPackage | None:
        """The other side of an A/B test, while there is one."""
        arn = serving_package(self.client, self.group, CHALLENGER)
        return registry.describe(self.client, arn) if arn else None

    def chosen(self, wanted: str) -> ModelPackage:
        """By version or ARN.

        Raises:
            NoSuchVersion: there is none in this pipeline's group.
        """
        name = f"{self.group}/{int(wanted)}" if wanted.isdecimal() else wanted
        if not name.startswith("arn:") and not wanted.isdecimal():
            raise NoSuchVersion(f"{wanted!r} is neither a version, such as 3, nor an ARN")
        try:
            found = registry.describe(self.client, name)
        except registry.RegistryError as error:
            raise NoSuchVersion(f"{error}. The newest ones: mlops status") from None
        if found.group != self.group:
            raise NoSuchVersion(f"{wanted} is of group {found.group}, not of {self.group}")
        return found

    def serve(self, package: ModelPackage) -> Deployment:
        """Serve it at once, by the path of every deployment.

        Raises:
            DeploymentFailed: it does not serve; the message says what does.
        """
        spec = endpoint_spec(self.pipeline, self.store, self.placement, package.arn)
        return deploy(self.client, spec, poll_s=_POLL_S[self.sagemaker.is_local])

    def watch(self, deployment: Deployment) -> None:
        """Put up the alarms of what serves, and take down those of all that does not."""
        cloudwatch = self.sagemaker.cloudwatch()
        alarms.put(cloudwatch, deployment.alarms)
        alarms.take_down(cloudwatch, self.group, except_config=deployment.config_name)

    def trust(self, package: ModelPackage) -> None:
        """Raises Untrusted where the package's lineage, digest or signature does not hold."""
        registry.verify(self.client, self.store.open(), package, signer=self.signing)


def named(package: ModelPackage | None) -> str:
    """``version 3 (as of 2013-04)``."""
    if package is None:
        return "nothing"
    as_of = package.lineage.get("as_of")
    return f"version {package.version}" + (f" (as of {as_of})" if as_of else "")
