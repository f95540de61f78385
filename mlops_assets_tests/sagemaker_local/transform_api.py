"""Short ways to run batch transform jobs against a local SageMaker API."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mlops_assets_tests.sagemaker_local.api import ENDED, ROLE, LocalApi, eventually

GROUP = "/aws/sagemaker/TransformJobs"


def model(api: LocalApi, name: str, *facts: str) -> str:
    """A model of that name on image `records`."""
    server = str(Path(__file__).with_name("record_server.py"))
    path = api.home / "images.json"
    images = json.loads(path.read_text()) | {"records": {"serve": [sys.executable, server]}}
    path.write_text(json.dumps(images))
    text = " ".join((name, *facts))
    uri = api.archive(f"s3://models/{name}.tar.gz", {"model.txt": text})
    container = {"Image": "any/records:1", "ModelDataUrl": uri}
    api.sm.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    return name


def request(name: str, model_name: str, **changes: Any) -> dict[str, Any]:
    """A CreateTransformJob request; ``source`` and ``output`` add to those members."""
    source, output = changes.pop("source", {}), changes.pop("output", {})
    where = {"S3DataType": "S3Prefix", "S3Uri": f"s3://inputs/{name}"}
    return {
        "TransformJobName": name,
        "ModelName": model_name,
        "TransformInput": {
            "DataSource": {"S3DataSource": where},
            "ContentType": "text/csv",
            "SplitType": "Line",
        }
        | source,
        "TransformOutput": {"S3OutputPath": f"s3://out/{name}", "AssembleWith": "Line"} | output,
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    } | changes


def wait(api: LocalApi, name: str) -> dict[str, Any]:
    def ended():
        found = api.sm.describe_transform_job(TransformJobName=name)
        return found if found["TransformJobStatus"] in ENDED else None

    return eventually(ended)


def transform(api: LocalApi, job: dict[str, Any], **objects: bytes) -> dict[str, Any]:
    """Put the objects where the job looks for them, run it, describe it."""
    for key, content in objects.items():
        api.objects.write(f"s3://inputs/{job['TransformJobName']}/{key}", content)
    api.sm.create_transform_job(**job)
    return wait(api, job["TransformJobName"])


def outputs(api: LocalApi, name: str) -> dict[str, bytes]:
    """The output objects by their keys below the job's output path."""
    root = f"s3://out/{name}/"
    return {
        info.uri.removeprefix(root): api.objects.read(info.uri) for info in api.objects.list(root)
    }


def requests(api: LocalApi, name: str, group: str = GROUP) -> list[dict[str, Any]]:
    """What a job's (or variant's) model servers printed of the requests they got."""
    found = api.logs.filter_log_events(logGroupName=group, logStreamNamePrefix=f"{name}/")
    lines = [event["message"] for event in found["events"]]
    return [json.loads(line) for line in lines if line.startswith("{")]
