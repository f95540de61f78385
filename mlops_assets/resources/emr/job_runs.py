"""EMR Serverless as `jobs.driver` wants a service: jobs by name, in its words for their states.

Here: the translation, and which job run a name stands for. Not here: what is asked (requests.py),
how a job is driven (`sagemaker.jobs`).

A job run has an id of AWS's choosing, and its name need not be unique. So that whoever asks twice
finds the first: the name, which follows from the request, is the client token of StartJobRun too;
the id is kept in an object; and where a process died before it wrote that, the job runs of the last
days are looked through.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.resources.emr.requests import LOG_GROUP, logging_of
from mlops_assets.resources.sagemaker.errors import found_or_none
from mlops_assets.resources.sagemaker.jobs.kinds import Describe, JobKind
from mlops_assets.resources.sagemaker.names import tag_list

JOB_RUN = JobKind(
    noun="Spark job",
    member="JobRun",
    clock="JobRun",
    create="start_job_run",
    describe="get_job_run",
    stop="cancel_job_run",
    log_group=LOG_GROUP,
    console="",
    cluster=(),
    service="EMR Serverless",
)
_STATUS = {
    "SUBMITTED": "InProgress",
    "QUEUED": "InProgress",
    "PENDING": "InProgress",
    "SCHEDULED": "InProgress",
    "RUNNING": "InProgress",
    "SUCCESS": "Completed",
    "FAILED": "Failed",
    "CANCELLING": "Stopping",
    "CANCELLED": "Stopped",
}
# Whoever asked for a job and died is started again sooner than that.
_LOOKED_THROUGH = dt.timedelta(days=2)
_GRACE_S = 15


@dataclass
class JobRuns:
    """The job runs of one application.

    Args:
        client: boto3's, of EMR Serverless.
        objects: the store behind ``folder``, an s3:// URI without a slash at its end.
    """

    client: Any
    application_id: str
    objects: Objects
    folder: str
    _seen: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def start_job_run(self, *, JobRunName: str, Tags: list[dict[str, str]], **params: Any) -> None:
        """StartJobRun, named by its token too: asked twice, AWS starts one."""
        overrides = {**params.pop("configurationOverrides", {}), **logging_of(JobRunName)}
        answer = self.client.start_job_run(
            **params,
            name=JobRunName,
            clientToken=JobRunName,
            configurationOverrides=overrides,
            tags={tag["Key"]: tag["Value"] for tag in Tags},
        )
        self._keep(JobRunName, answer["jobRunId"])

    def get_job_run(self, *, JobRunName: str) -> Describe:
        """The job as SageMaker would describe it.

        Raises:
            ClientError: ResourceNotFoundException, where there is none.
        """
        job = self._job(self._id(JobRunName))
        state, details = job["state"], job["stateDetails"]
        seen = self._seen.setdefault(JobRunName, [])
        if not seen or seen[-1]["Status"] != state:
            seen.append({"Status": state, "StatusMessage": details})
        found: Describe = {
            **job,
            "JobRunName": JobRunName,
            "JobRunArn": job["arn"],
            "JobRunStatus": _STATUS[state],
            "JobRunStartTime": job.get("startedAt"),
            "JobRunEndTime": job.get("endedAt"),
            "SecondaryStatus": details,
            "SecondaryStatusTransitions": list(seen),
            "Tags": tag_list(job.get("tags", {})),
        }
        if state == "FAILED":
            found["FailureReason"] = details.rstrip(".")
            found["ExitMessage"] = self._said(job)
        return found

    def named(self, name: str) -> Describe | None:
        """The job of this name; None where there is none."""
        return found_or_none(lambda: self.get_job_run(JobRunName=name))

    def cancel_job_run(self, *, JobRunName: str) -> None:
        self.client.cancel_job_run(
            applicationId=self.application_id,
            jobRunId=self._id(JobRunName),
            shutdownGracePeriodInSeconds=_GRACE_S,
        )

    def _job(self, job_run_id: str) -> dict[str, Any]:
        answer = self.client.get_job_run(applicationId=self.application_id, jobRunId=job_run_id)
        job: dict[str, Any] = answer["jobRun"]
        return job

    def _id(self, name: str) -> str:
        try:
            return self.objects.read(self._record(name)).decode()
        except ObjectNotFound:
            pass
        pages = self.client.get_paginator("list_job_runs").paginate(
            applicationId=self.application_id,
            createdAtAfter=dt.datetime.now(dt.UTC) - _LOOKED_THROUGH,
        )
        for page in pages:
            for job in page["jobRuns"]:
                if job.get("name") == name:
                    return self._keep(name, job["id"])
        code = {"Code": "ResourceNotFoundException", "Message": f"no job run is called {name}"}
        raise ClientError({"Error": code}, "ListJobRuns")

    def _keep(self, name: str, job_run_id: str) -> str:
        self.objects.write(self._record(name), job_run_id.encode())
        return job_run_id

    def _record(self, name: str) -> str:
        return f"{self.folder}/{name}/job-run-id"

    def _said(self, job: Mapping[str, Any]) -> str:
        """What the program left as its last word, at the URI that is its last argument."""
        uri = job["jobDriver"]["sparkSubmit"]["entryPointArguments"][-1]
        try:
            return self.objects.read(uri).decode(errors="replace")
        except (ObjectNotFound, ValueError):
            return ""
