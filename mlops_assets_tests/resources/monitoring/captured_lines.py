"""Captured records as the local SageMaker writes them, and files of them."""

import datetime as dt
import json
from typing import Any
from unittest.mock import sentinel

import pandas as pd

from mlops_assets.objects import Objects
from mlops_assets.resources.monitoring.capture_stage import Capturing
from mlops_assets.sagemaker_local.invoking.capture import Exchange, _Format

SETTINGS = {
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {
        "CsvContentTypes": ["text/csv"],
        "JsonContentTypes": ["application/json", "application/jsonlines"],
    },
}
FEATURES = {"depot": "str", "weight": "float64", "stops": "int64", "fragile": "bool"}
TOP, STAGE = "s3://lake/captures/p", "s3://lake/captured/p"
WHEN = dt.datetime(2024, 3, 1, 10, 0, tzinfo=dt.UTC)
ROW = {"depot": "north", "weight": 1.5, "stops": 3, "fragile": 1}


def day(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d}"


def capturing(**changes: Any) -> Capturing:
    given: dict[str, Any] = {
        "captures_uri": TOP,
        "staged_uri": STAGE,
        "endpoint": "p",
        "features": FEATURES,
        "partition_of": day,
    }
    return Capturing(**{**given, **changes})


def exchange(
    body: bytes,
    answer: bytes = b'{"predictions":[0.25]}',
    *,
    content_type: str = "application/json",
    answer_type: str = "application/json",
    inference_id: str | None = "e1",
    attributes: str | None = None,
    when: dt.datetime = WHEN,
) -> dict[str, Any]:
    """The record that data capture makes of a request."""
    headers = {"content-type": content_type}
    if inference_id:
        headers["x-amzn-sagemaker-inference-id"] = inference_id
    if attributes:
        headers["x-amzn-sagemaker-custom-attributes"] = attributes
    seen = Exchange("live", sentinel.meter, when.timestamp(), headers, body, answer_type, answer)
    return _Format(SETTINGS).record(seen)


def asked(
    *rows: dict[str, Any], answers: tuple[float, ...] | None = None, **how: Any
) -> dict[str, Any]:
    """A request of named rows as JSON, and its answer."""
    said = answers or tuple(0.25 for _ in rows)
    return exchange(
        json.dumps({"instances": list(rows)}).encode(),
        json.dumps({"predictions": list(said)}).encode(),
        **how,
    )


def lines(*records: dict[str, Any] | str) -> bytes:
    texts = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return "".join(f"{text}\n" for text in texts).encode()


def put(
    objects: Objects,
    name: str,
    *records: dict[str, Any] | str,
    folder: str = "v3/p/live",
    hour: str = "2024/03/01/10",
) -> str:
    """A captured file; its URI."""
    uri = f"{TOP}/{folder}/{hour}/{name}.jsonl"
    objects.write(uri, lines(*records))
    return uri
