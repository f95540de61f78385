"""CreateProcessingJob.

Belongs here: what only this kind of job asks before it is accepted. Does not belong here: the other
operations (plain_jobs.py), what a running job does (processing_run.py), which requests are right
(processing_checks.py).
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.faults.faults import Faults
from mlops_assets.sagemaker_local.images import Images
from mlops_assets.sagemaker_local.plain_jobs import PROCESSING, NewRun, PlainJobs
from mlops_assets.sagemaker_local.processing.processing_checks import check_processing_job
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store


class ProcessingJobs(PlainJobs):
    """All processing jobs of one server."""

    def __init__(
        self, config: Config, store: Store, images: Images, faults: Faults, new_run: NewRun
    ) -> None:
        super().__init__(PROCESSING, config, store, faults, new_run, folder="processing")
        self._images = images

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateProcessingJob": self.create,
            "DescribeProcessingJob": self.describe,
            "ListProcessingJobs": self.list,
            "StopProcessingJob": self.stop,
        }

    def create(self, request: Document) -> Document:
        check_processing_job(request, most_instances=self._config.instances_per_job)
        application = request["AppSpecification"]
        if "ContainerEntrypoint" not in application:
            self._images.command(application["ImageUri"], "process")  # refused now, not later
        self.check_name(request)
        return self.enter(request)
