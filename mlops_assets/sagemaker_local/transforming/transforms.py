"""CreateTransformJob.

Belongs here: what only this kind of job asks before it is accepted, and its fleet. Does not belong
here: the other operations (plain_jobs.py), what a running job does (transform_run.py), which
requests are right (transform_checks.py).
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import over_limit
from mlops_assets.sagemaker_local.faults.faults import Faults
from mlops_assets.sagemaker_local.fleet.fleet_spec import FleetSpec
from mlops_assets.sagemaker_local.fleet.models import Models
from mlops_assets.sagemaker_local.plain_jobs import TRANSFORM, NewRun, PlainJobs
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.transforming.transform_checks import check_transform_job


class TransformJobs(PlainJobs):
    """All transform jobs of one server."""

    def __init__(
        self, config: Config, store: Store, models: Models, faults: Faults, new_run: NewRun
    ) -> None:
        super().__init__(TRANSFORM, config, store, faults, new_run, folder="transforms")
        self._models = models

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateTransformJob": self.create,
            "DescribeTransformJob": self.describe,
            "ListTransformJobs": self.list,
            "StopTransformJob": self.stop,
        }

    def create(self, request: Document) -> Document:
        check_transform_job(request)
        name, count = request["TransformJobName"], request["TransformResources"]["InstanceCount"]
        self.check_name(request)
        if count > self._config.instances_per_endpoint:
            raise over_limit(
                f"{count} instances are more than the {self._config.instances_per_endpoint} that "
                "the local SageMaker API runs for a transform job"
            )
        variant = self._models.hosted(
            name, request["ModelName"], count, request.get("Environment", {})
        )
        # Resolved now: the model may be deleted while the job waits.
        return self.enter(request, Fleet=FleetSpec(name, name, (variant,)).document())
