"""A small AWS with an application of EMR Serverless, and runs of an asset that is one job of it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from mlops_assets.engines import EMRServerless
from mlops_assets.objects import Objects, open_objects
from mlops_assets.resources.emr.client import PipesEMRServerlessJobClient
from mlops_assets.resources.emr.requests import Application, SparkSpec, spark_request
from mlops_assets.resources.emr.session import EMRServerlessResource
from mlops_assets_tests.aws_server import aws_server, environment
from mlops_assets_tests.spark.emr_api import APPLICATION, ROLE, EMRServerlessApi, emr_serverless
from mlops_assets_tests.spark.emr_jobs import Submit

BUCKET = "lake-of-spark"
# The program's arguments are TASK ANSWER MESSAGE, as of mlops_assets.spark.program. No boto3: its
# import takes longer than all else.
PREAMBLE = """
import os, sys, time
from urllib.request import Request, urlopen
def write(uri, data):
    url = uri.replace("s3:/", os.environ["AWS_ENDPOINT_URL"])
    urlopen(Request(url, data, {"content-type": "text/plain"}, method="PUT")).close()
task, answer, said = sys.argv[1:]
"""
ANSWERS = PREAMBLE + 'print("all done"); write(answer, b"42")'


@dataclass(frozen=True)
class Emr:
    """The world: ``api`` says what was asked for, and what runs."""

    api: EMRServerlessApi
    resource: EMRServerlessResource

    def objects(self) -> Objects:
        return open_objects("s3")

    @property
    def client(self) -> PipesEMRServerlessJobClient:
        return PipesEMRServerlessJobClient(
            self.resource,
            self.objects,
            BUCKET,
            Application(application_id=APPLICATION, role_arn=ROLE),
            poll_interval=0.1,
        )

    def request(self, name: str, program: str) -> dict[str, Any]:
        """For a job of its own name that runs ``program``, and answers to its own URI."""
        folder = f"s3://{BUCKET}/processing/{name}"
        self.objects().write(f"{folder}/program.py", program.encode())
        spec = SparkSpec(
            name=name,
            program_uri=f"{folder}/program.py",
            arguments=(f"{folder}/task.json", f"{folder}/answer.json"),
            workers=EMRServerless(),
            max_runtime_s=600,
            tags={"mlops:pipeline": name},
        )
        return spark_request(spec, self.client.application)

    def run(self, request: dict[str, Any], **options: Any) -> dg.ExecuteInProcessResult:
        """Materialize an asset that is this job."""
        client = self.client

        @dg.asset(**options)
        def made(context: dg.AssetExecutionContext):
            return client.run(
                context=context, start_job_run_params=request
            ).get_materialize_result()

        return dg.materialize([made], raise_on_error=False)

    def named(self, request: dict[str, Any]) -> list[Any]:
        """The job runs of a request, first to last attempt."""
        name = request["JobRunName"]
        return [job for job in self.api.jobs if job.request["name"].startswith(name)]


@contextmanager
def emr_world(root: Path) -> Iterator[Emr]:
    with aws_server() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(url).items():
            patch.setenv(name, value)
        with emr_serverless(Submit([sys.executable, "-u", "-S"], dict(os.environ))) as (own, api):
            patch.setenv("AWS_ENDPOINT_URL_EMR_SERVERLESS", own)
            resource = EMRServerlessResource(
                application_id=APPLICATION, objects="s3", folder=f"s3://{BUCKET}/pipes"
            )
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            yield Emr(api, resource)
