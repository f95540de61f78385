"""Captured answers, found again by the ids of our own requests."""

import base64
import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

from mlops_assets.objects import open_objects
from mlops_assets.resources.sagemaker.rollout.captured import answers, difference

SINCE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def record(inference_id: str | None, output: str, encoding: str = "JSON") -> str:
    metadata: dict[str, Any] = {"eventId": "e", "inferenceTime": "2026-01-01T00:00:00Z"} | (
        {"inferenceId": inference_id} if inference_id else {}
    )
    side = {"data": output, "encoding": encoding, "mode": "OUTPUT"}
    captured = {"endpointOutput": {**side, "observedContentType": "application/json"}}
    return json.dumps({"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"})


def test_answers_are_read_in_every_encoding_and_others_are_left_out(tmp_path: Path) -> None:
    """Guards against a comparison that stops at a line that is none of ours."""
    objects = open_objects(f"dir:{tmp_path}")
    body = json.dumps({"predictions": [0.25]})
    lines = [
        record("probe-1", body),
        record("probe-2", base64.b64encode(body.encode()).decode(), "BASE64"),
        record(None, body),
        record("probe-3", "no JSON"),
        "",
    ]
    objects.write("s3://lake/c/ep/live/2026/01/01/00/a.jsonl", "\n".join(lines).encode())
    objects.write("s3://lake/c/ep/live2/2026/01/01/00/a.jsonl", record("other", body).encode())
    found = answers(objects, "s3://lake/c/", "ep", "live", SINCE)
    assert {key: list(value) for key, value in found.items()} == {
        "probe-1": [0.25], "probe-2": [0.25],
    }  # fmt: skip
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    assert answers(objects, "s3://lake/c", "ep", "live", later) == {}


def test_the_difference_is_over_what_both_answered() -> None:
    assert difference({"a": [0.5], "b": [0.1]}, {"a": [0.75], "c": [9.0]}) == (0.25, 1)
    value, rows = difference({"a": [0.5]}, {"b": [0.5]})
    assert (math.isnan(value), rows) == (True, 0)
    assert difference({"a": [0.5, 0.5]}, {"a": [0.5]})[1] == 0
