"""A job run of the local EMR Serverless: spark-submit as a process group, its log in CloudWatch.

Here: from the request to a command, the states, the end. Not here: HTTP (emr_api.py).
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import boto3

from mlops_assets.resources.emr.requests import PYTHON

_DRIVER_ENV = "spark.emr-serverless.driverEnv."
ENDED = ("SUCCESS", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Submit:
    """How jobs are run here.

    Args:
        command: what the entry point and its arguments come after.
        environment: of the driver, in which AWS can be found.
        conf: of Spark, in place of what EMR sets itself; None: ``command`` takes no ``--conf``.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    conf: Mapping[str, str] | None = None

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )


@dataclass
class Job:
    """One job run; ``process`` is its driver's, the leader of a group of its own."""

    id: str
    request: dict[str, Any]
    state: str = "SUBMITTED"
    details: str = "Submitted"
    process: subprocess.Popen[bytes] | None = None
    cancelled: int = 0
    _born: float = field(default_factory=time.time)
    _times: dict[str, float] = field(default_factory=dict)
    _thread: threading.Thread | None = None

    @property
    def identity(self) -> dict[str, Any]:
        application = self.request["applicationId"]
        arn = (
            "arn:aws:emr-serverless:us-east-1:123456789012:"
            f"/applications/{application}/jobruns/{self.id}"
        )
        return {"applicationId": application, "jobRunId": self.id, "arn": arn}

    @property
    def _common(self) -> dict[str, Any]:
        return {
            "applicationId": self.request["applicationId"],
            "arn": self.identity["arn"],
            "name": self.request["name"],
            "createdBy": "arn:aws:sts::123456789012:assumed-role/x/y",
            "createdAt": self._born,
            "updatedAt": time.time(),
            "executionRole": self.request["executionRoleArn"],
            "state": self.state,
            "stateDetails": self.details[:256],
            "releaseLabel": "emr-spark-8.0.0",
        }

    @property
    def summary(self) -> dict[str, Any]:
        return {**self._common, "id": self.id}

    @property
    def described(self) -> dict[str, Any]:
        kept = ("jobDriver", "configurationOverrides", "tags", "executionTimeoutMinutes")
        found = {**self._common, "jobRunId": self.id, **self._times}
        found |= {name: self.request[name] for name in kept if name in self.request}
        if self.state in ENDED:
            found["billedResourceUtilization"] = {"vCPUHour": 0.5, "memoryGBHour": 2.0}
        return found

    def start(self, submit: Submit) -> None:
        self._thread = threading.Thread(target=self._run, args=(submit,))
        self._thread.start()

    def cancel(self, grace_s: int) -> None:
        """As AWS does: SIGTERM, and SIGKILL after the grace."""
        if self.state in ENDED:
            return
        self.cancelled += 1
        self.state, self.details = "CANCELLING", "Cancelled by the user"
        if self.process is None:
            return
        self._signal(signal.SIGTERM)
        killer = threading.Timer(grace_s, self._signal, [signal.SIGKILL])
        killer.daemon = True
        killer.start()

    def kill(self) -> None:
        """What a machine does that vanishes."""
        self._signal(signal.SIGKILL)

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, AttributeError):
            os.killpg(self.process.pid, number)  # type: ignore[union-attr]

    def _run(self, submit: Submit) -> None:
        with tempfile.TemporaryDirectory() as folder:
            log = _Log(submit, self)
            command, environment = self._command(submit, Path(folder))
            self.state, self.details = "SCHEDULED", "Workers are there"
            self._times["startedAt"] = time.time()
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            if self.state == "CANCELLING":
                self.kill()
            else:
                self.state, self.details = "RUNNING", "Running"
            assert self.process.stdout is not None
            log.copy(self.process.stdout)
            status = self.process.wait()
            self._signal(signal.SIGKILL)
        self._times["endedAt"] = time.time()
        if self.state == "CANCELLING":
            self.state = "CANCELLED"
        elif status:
            self.details = f"Job failed, please check complete logs. ExitCode: {status}."
            self.state = "FAILED"
        else:
            self.state, self.details = "SUCCESS", "Done"

    def _command(self, submit: Submit, folder: Path) -> tuple[list[str], dict[str, str]]:
        driver = self.request["jobDriver"]["sparkSubmit"]
        bucket, _, key = driver["entryPoint"].removeprefix("s3://").partition("/")
        program = folder / Path(key).name
        submit.client("s3").download_file(bucket, key, str(program))
        asked = shlex.split(driver["sparkSubmitParameters"])[1::2]
        # The application's image is this machine, with its Python.
        conf = dict(pair.replace(PYTHON, sys.executable).split("=", 1) for pair in asked)
        environment = dict(submit.environment)
        for name in [name for name in conf if name.startswith("spark.emr-serverless.")]:
            value = conf.pop(name)
            if name.startswith(_DRIVER_ENV):
                environment[name.removeprefix(_DRIVER_ENV)] = value
        options = []
        if submit.conf is not None:
            for name, value in {**conf, **submit.conf}.items():
                options += ["--conf", f"{name}={value}"]
        return [
            *submit.command, *options, str(program), *driver.get("entryPointArguments", ())
        ], environment  # fmt: skip


class _Log:
    """The driver's lines, to the stream that the request names, as they come."""

    def __init__(self, submit: Submit, job: Job) -> None:
        monitoring = job.request["configurationOverrides"]["monitoringConfiguration"]
        wanted = monitoring["cloudWatchLoggingConfiguration"]
        application = job.request["applicationId"]
        stream = f"{wanted['logStreamNamePrefix']}/applications/{application}/jobs/{job.id}"
        self._where = {
            "logGroupName": wanted["logGroupName"],
            "logStreamName": f"{stream}/SPARK_DRIVER/stdout",
        }
        self._client = submit.client("logs")
        with suppress(self._client.exceptions.ResourceAlreadyExistsException):
            self._client.create_log_group(logGroupName=wanted["logGroupName"])
        self._client.create_log_stream(**self._where)

    def copy(self, lines: IO[bytes]) -> None:
        for line in lines:
            now = int(time.time() * 1000)
            text = line.decode(errors="replace").rstrip() or " "
            self._client.put_log_events(
                **self._where, logEvents=[{"timestamp": now, "message": text}]
            )
