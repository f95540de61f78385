"""Short ways to run processing jobs against a local SageMaker API."""

from __future__ import annotations

from typing import Any

from mlops_assets_tests.sagemaker_local.api import ENDED, ROLE, LocalApi, eventually

GROUP = "/aws/sagemaker/ProcessingJobs"
CODE = "/opt/ml/processing/input/code"


def source(name: str, uri: str, **changes: Any) -> dict[str, Any]:
    """A ProcessingInput; ``changes`` are of its S3Input."""
    s3 = {
        "S3Uri": uri,
        "LocalPath": f"/opt/ml/processing/input/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    return {"InputName": name, "S3Input": s3 | changes}


def target(name: str, uri: str, mode: str = "EndOfJob", **changes: Any) -> dict[str, Any]:
    """A ProcessingOutput; ``changes`` are of its S3Output."""
    path = f"/opt/ml/processing/output/{name}"
    s3 = {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}
    return {"OutputName": name, "S3Output": s3 | changes}


def request(api: LocalApi, name: str, script: str = "", **changes: Any) -> dict[str, Any]:
    """A CreateProcessingJob request for a script of one's own, put into the bucket.

    ``inputs``, ``outputs``, ``cluster`` and ``application`` add to those members.
    """
    api.objects.write(f"s3://code/{name}/process.py", script.encode())
    inputs = [source("code", f"s3://code/{name}"), *changes.pop("inputs", [])]
    outputs = changes.pop("outputs", [])
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    entrypoint = ["python", f"{CODE}/process.py"]
    application = {"ImageUri": "any/image:1", "ContainerEntrypoint": entrypoint}
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": application | changes.pop("application", {}),
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": outputs},
        "ProcessingResources": {"ClusterConfig": cluster | changes.pop("cluster", {})},
    } | changes


def describe(api: LocalApi, name: str) -> dict[str, Any]:
    return api.sm.describe_processing_job(ProcessingJobName=name)


def wait(api: LocalApi, name: str) -> dict[str, Any]:
    def ended():
        found = describe(api, name)
        return found if found["ProcessingJobStatus"] in ENDED else None

    return eventually(ended)


def process(api: LocalApi, name: str, script: str, **changes: Any) -> dict[str, Any]:
    """Create a job, wait for its end, describe it."""
    api.sm.create_processing_job(**request(api, name, script, **changes))
    return wait(api, name)


def lines(api: LocalApi, name: str) -> list[str]:
    """What a job printed, hosts in order."""
    found = api.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")
    return [
        event["message"]
        for stream in found["logStreams"]
        for event in api.logs.get_log_events(
            logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
    ]


def stored(api: LocalApi, prefix: str) -> dict[str, bytes]:
    """The objects below a prefix by the rest of their keys."""
    return {
        info.uri.removeprefix(f"{prefix}/"): api.objects.read(info.uri)
        for info in api.objects.list(prefix)
    }
