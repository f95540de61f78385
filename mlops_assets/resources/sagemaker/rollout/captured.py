"""Answers that data capture wrote, by inference id: how a shadow's are compared.

Here: reading SageMaker's capture files for requests of our own. Not here: writing them, or what
traffic says of a model (monitoring).
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mlops_assets.objects import Objects


def answers(
    objects: Objects, capture_uri: str, endpoint: str, variant: str, since: dt.datetime
) -> dict[str, Any]:
    """{inference id: predictions} of a variant's captured requests that carried an id."""
    found = {}
    for info in objects.list(f"{capture_uri.rstrip('/')}/{endpoint}/{variant}/"):
        if info.modified < since.timestamp():
            continue
        for record in _records(objects.read(info.uri)):
            inference_id = record["eventMetadata"].get("inferenceId")
            output = record["captureData"].get("endpointOutput")
            if inference_id and output:
                found[inference_id] = _predictions(output)
    return {key: value for key, value in found.items() if value is not None}


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[float, int]:
    """Mean absolute difference over the ids that both have, and how many; NaN where none."""
    both = sorted(one.keys() & other.keys())
    differences = [
        float(np.mean(np.abs(np.subtract(one[key], other[key]))))
        for key in both
        if np.shape(one[key]) == np.shape(other[key])
    ]
    return (float(np.mean(differences)) if differences else float("nan")), len(differences)


def _records(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.decode().splitlines():
        if line.strip():
            yield json.loads(line)


def _predictions(output: Mapping[str, str]) -> Any:
    data = output["data"]
    text = base64.b64decode(data).decode() if output["encoding"] == "BASE64" else data
    try:
        return np.array(json.loads(text)["predictions"], float)
    except (ValueError, KeyError, TypeError):
        return None
