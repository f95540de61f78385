"""Clients of EMR Serverless and of the logs of its jobs.

Here: how they are made, once, when they are first needed. Not here: any request.
"""

from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from mlops_assets.objects import open_objects
from mlops_assets.resources.emr.job_runs import JobRuns


class EMRServerlessResource(dg.ConfigurableResource):
    """One application of EMR Serverless, by boto3's default chain.

    Args:
        objects: the store that s3:// URIs live in, in the words of `open_objects`.
        folder: an s3:// folder for what is remembered of jobs.
        guard: what jobs may ask for at most (`jobs.guard.Guard`, as JSON); empty: anything.
    """

    application_id: str
    objects: str
    folder: str
    region: str = "us-east-1"
    guard: str = ""
    max_attempts: int = 5
    _clients: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def is_local(self) -> bool:
        return False

    def client(self) -> JobRuns:
        """The application's job runs, by name."""
        import boto3

        if "job_runs" not in self._clients:
            client = boto3.client("emr-serverless", region_name=self.region, config=self._config())
            objects = open_objects(self.objects)
            made = JobRuns(client, self.application_id, objects, self.folder)
            if self.guard:
                from mlops_assets.resources.emr.cost import watch
                from mlops_assets.resources.sagemaker.jobs.guard import Guard

                watch(Guard.from_json(self.guard), client, made.named)
            self._clients["job_runs"] = made
        job_runs: JobRuns = self._clients["job_runs"]
        return job_runs

    def logs(self) -> Any:
        """CloudWatch Logs, where drivers write."""
        import boto3

        if "logs" not in self._clients:
            self._clients["logs"] = boto3.client(
                "logs", region_name=self.region, config=self._config()
            )
        return self._clients["logs"]

    def _config(self) -> Any:
        from botocore.config import Config

        retries = {"mode": "adaptive", "total_max_attempts": self.max_attempts}
        return Config(retries=retries, connect_timeout=10, read_timeout=70, tcp_keepalive=True)
