"""The endpoint operations: what an endpoint is to be, written down.

Belongs here: Create, Describe, List, Update, DeleteEndpoint, UpdateEndpointWeightsAndCapacities.
Does not belong here: bringing it about (endpoint_runs.py), what a request must not be
(endpoint_checks.py), what Describe shows (endpoint_views.py).
"""

from __future__ import annotations

import time

from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.deployment import endpoint_checks, endpoint_views
from mlops_assets.sagemaker_local.deployment.endpoint_runs import KIND, EndpointRuns, not_begun
from mlops_assets.sagemaker_local.errors import invalid, missing
from mlops_assets.sagemaker_local.fleet.fleet_spec import fleet_spec
from mlops_assets.sagemaker_local.fleet.models import Models
from mlops_assets.sagemaker_local.monitoring.alarms import Alarms
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store

_AT_REST = ("InService", "Failed", "UpdateRollbackFailed")


class Endpoints:
    """All endpoints of one server."""

    def __init__(
        self, config: Config, store: Store, models: Models, alarms: Alarms, runs: EndpointRuns
    ) -> None:
        self._config = config
        self._store = store
        self._models = models
        self._alarms = alarms
        self._runs = runs

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateEndpoint": self.create,
            "DescribeEndpoint": self.describe,
            "ListEndpoints": self.list,
            "UpdateEndpoint": self.update,
            "UpdateEndpointWeightsAndCapacities": self.update_weights,
            "DeleteEndpoint": self.delete,
        }

    def create(self, request: Document) -> Document:
        name, now = request["EndpointName"], time.time()
        arn = self._config.arn(KIND, name)
        if self._store.get(KIND, name) is not None:
            raise invalid(f'Cannot create already existing endpoint "{arn}".')
        target = self._models.fleet(name, request["EndpointConfigName"])
        deployment = request.get("DeploymentConfig")
        endpoint_checks.check_deployment(deployment, None, target, self._alarms)
        given_tags = tags.from_request(request)
        document = {
            "Arn": arn,
            "EndpointName": name,
            "EndpointArn": arn,
            "EndpointConfigName": target.config,
            "EndpointStatus": "Creating",
            "CreationTime": now,
            "LastModifiedTime": now,
            "LastDeploymentConfig": deployment,
            "Serving": None,
            "Rescale": None,
            "Target": target.document(),
            "Deployment": not_begun(None),
        }
        with self._store.transaction():
            self._store.put(KIND, name, document)
            self._store.set_tags(arn, given_tags)
        self._runs.submit(name)
        return {"EndpointArn": arn}

    def describe(self, request: Document) -> Document:
        document = self._existing(request["EndpointName"])
        return endpoint_views.description(document, self._runs.live(request["EndpointName"]))

    def list(self, request: Document) -> Document:
        found = listing.page(
            request,
            self._store.all(KIND),
            name="EndpointName",
            sorts={
                "CreationTime": "CreationTime",
                "Name": "EndpointName",
                "Status": "EndpointStatus",
            },
            equal={"StatusEquals": "EndpointStatus"},
        )
        return listing.summaries("Endpoints", found)

    def update(self, request: Document) -> Document:
        name = request["EndpointName"]
        document = self._at_rest(name)
        target = self._models.fleet(name, request["EndpointConfigName"])
        serving = fleet_spec(document["Serving"]) if document["Serving"] else None
        target = endpoint_checks.retained(request, serving, target)
        deployment = request.get("DeploymentConfig")
        if request.get("RetainDeploymentConfig") and deployment is None:
            deployment = document.get("LastDeploymentConfig")
        endpoint_checks.check_deployment(deployment, serving, target, self._alarms)
        if document["EndpointStatus"] == "UpdateRollbackFailed":
            endpoint_checks.check_all_at_once(deployment)
        self._store.update(
            KIND,
            name,
            EndpointStatus="Updating" if serving else "Creating",
            FailureReason=None,
            Target=target.document(),
            Deployment=not_begun(deployment),
            LastDeploymentConfig=deployment,
        )
        self._runs.submit(name)
        return {"EndpointArn": document["Arn"]}

    def update_weights(self, request: Document) -> Document:
        name = request["EndpointName"]
        document = self._at_rest(name)
        if not document["Serving"] or document["EndpointStatus"] != "InService":
            raise invalid(f'Cannot update endpoint "{document["Arn"]}": it is not InService.')
        wanted = endpoint_checks.rescaled(
            fleet_spec(document["Serving"]), request, self._config.instances_per_endpoint
        )
        self._store.update(
            KIND, name, EndpointStatus="Updating", FailureReason=None, Rescale=wanted.document()
        )
        self._runs.submit(name)
        return {"EndpointArn": document["Arn"]}

    def delete(self, request: Document) -> Document:
        name = request["EndpointName"]
        self._existing(name)
        self._store.update(KIND, name, EndpointStatus="Deleting")
        self._runs.remove(name)
        return {}

    def _at_rest(self, name: str) -> Document:
        document = self._existing(name)
        if document["EndpointStatus"] not in _AT_REST:
            raise invalid(f'Cannot update in-progress endpoint "{document["Arn"]}".')
        return document

    def _existing(self, name: str) -> Document:
        document = self._store.get(KIND, name)
        if document is None:
            raise missing("endpoint", self._config.arn(KIND, name))
        return document
