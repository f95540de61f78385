"""A local SageMaker API as a process of its own, and short ways to talk to it.

All requests go through boto3, which knows the server by its endpoint URL alone.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from mlops_assets.objects import Objects, open_objects

ROLE = "arn:aws:iam::000000000000:role/test"
ENDED = ("Completed", "Failed", "Stopped")
SETTLED = ("InService", "Failed", "UpdateRollbackFailed")
PATIENCE = 60.0


def eventually(probe, *, within: float = PATIENCE):
    """The first true value of the probe."""
    deadline = time.monotonic() + within
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {probe}")
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class LocalApi:
    """One server over one home; start() may follow kill()."""

    def __init__(self, home: Path, *flags: str, program: tuple[str, ...] = ()) -> None:
        self.home = home
        self.flags = flags
        self.program = program or ("-m", "mlops_assets.sagemaker_local")
        self.objects: Objects = open_objects(f"dir:{home.parent / 'buckets'}")
        home.mkdir(parents=True, exist_ok=True)
        server = Path(__file__).with_name("model_server.py")
        images = {"plain": {"serve": [sys.executable, str(server)]}}
        (home / "images.json").write_text(json.dumps(images))
        self.start()

    def start(self) -> None:
        command = [sys.executable, *self.program, "--home", str(self.home), *self.flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, (self.home / "server.log").read_text()
        self.sm = self.client("sagemaker")
        self.runtime = self.client("sagemaker-runtime")
        self.logs = self.client("logs")
        self.cw = self.client("cloudwatch")

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
        )

    def end(self, *, kill: bool = False) -> None:
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def request(self, name: str, script: str = "", **changes: Any) -> dict[str, Any]:
        """A CreateTrainingJob request for a script of one's own, put into the bucket."""
        self.objects.write(f"s3://code/{name}/train.py", script.encode())
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://code/{name}"}
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": "any/image:1",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/train.py"],
            },
            "InputDataConfig": [{"ChannelName": "code", "DataSource": {"S3DataSource": source}}],
            "OutputDataConfig": {"S3OutputPath": "s3://out/models"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        } | changes

    def train(self, name: str, script: str, **changes: Any) -> dict[str, Any]:
        """Create a job, wait for its end, describe it."""
        self.sm.create_training_job(**self.request(name, script, **changes))
        return self.wait(name)

    def describe(self, name: str) -> dict[str, Any]:
        return self.sm.describe_training_job(TrainingJobName=name)

    def wait(self, name: str) -> dict[str, Any]:
        def ended():
            found = self.describe(name)
            return found if found["TrainingJobStatus"] in ENDED else None

        return eventually(ended)

    def wait_for_line(self, job: str, line: str) -> None:
        """Until the job has logged the line; one that ended without it tells how."""

        def logged():
            # Asked first: what it logged at its end counts as well.
            ended = self.describe(job)["TrainingJobStatus"] in ENDED
            lines = self.lines(job)
            if ended and line not in lines:
                raise AssertionError(f"{self.describe(job)} ended without {line!r}: {lines}")
            return line in lines

        eventually(logged)

    def lines(self, job: str) -> list[str]:
        group = "/aws/sagemaker/TrainingJobs"
        found = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=job)
        return [
            event["message"]
            for stream in found["logStreams"]
            for event in self.logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]

    def model(self, name: str, text: str, instances: int = 1, **config: Any) -> None:
        """A model and an endpoint configuration of the same name, served by image `plain`."""
        uri = self.archive(f"s3://models/{name}.tar.gz", {"model.txt": text})
        container = {"Image": "any/plain:1", "ModelDataUrl": uri}
        self.sm.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        variants = [self.variant(name, InitialInstanceCount=instances)]
        self.sm.create_endpoint_config(
            **{"EndpointConfigName": name, "ProductionVariants": variants} | config
        )

    @staticmethod
    def variant(model: str, name: str = "AllTraffic", **more: Any) -> dict[str, Any]:
        """A production variant of one instance."""
        right = {"VariantName": name, "ModelName": model, "InstanceType": "ml.m5.large"}
        return right | {"InitialInstanceCount": 1} | more

    def archive(self, uri: str, files: dict[str, str]) -> str:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
        self.objects.write(uri, buffer.getvalue())
        return uri

    def deploy(self, endpoint: str, config: str) -> dict[str, Any]:
        self.sm.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
        return self.settled(endpoint)

    def settled(self, endpoint: str) -> dict[str, Any]:
        def found():
            described = self.described(endpoint)
            return described if described["EndpointStatus"] in SETTLED else None

        return eventually(found)

    def described(self, endpoint: str) -> dict[str, Any]:
        return self.sm.describe_endpoint(EndpointName=endpoint)

    def update(self, endpoint: str, config: str, deployment: Any = None, **more: Any) -> None:
        """UpdateEndpoint, with a DeploymentConfig if one is given."""
        given = {} if deployment is None else {"DeploymentConfig": deployment}
        self.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=config, **given, **more)

    def error_alarm(self, name: str, endpoint: str, config: str, **changes: Any) -> None:
        """In ALARM when over a tenth of a configuration's requests in 10 s end in a 5xx."""
        dimensions = {
            "EndpointName": endpoint,
            "VariantName": "AllTraffic",
            "EndpointConfigName": config,
        }
        right = {
            "AlarmName": name,
            "Namespace": "AWS/SageMaker",
            "MetricName": "Invocation5XXErrors",
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            "Statistic": "Average",
            "Period": 10,
            "EvaluationPeriods": 1,
            "Threshold": 0.1,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
        self.cw.put_metric_alarm(**right | changes)

    def invoke(self, endpoint: str, body: bytes = b"1", **more: Any) -> str:
        reply = self.runtime.invoke_endpoint(
            EndpointName=endpoint, Body=body, ContentType="text/csv", **more
        )
        return reply["Body"].read().decode()


def clean_environment(monkeypatch: Any) -> None:
    """No AWS setting of the machine reaches the server."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
