"""Answers that data capture wrote, by inference id: how a shadow's are compared.

Here: finding the answers to requests of our own. Not here: the format of what is captured
(`resources.monitoring.capture_records`), what traffic says of a model (monitoring).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.resources.monitoring.capture_records import (
    BadRecord,
    parse_record,
    predictions,
)

if TYPE_CHECKING:
    from mlops_assets.objects import Objects


def answers(
    objects: Objects, capture_uri: str, endpoint: str, variant: str, since: dt.datetime
) -> dict[str, Any]:
    """{inference id: predictions} of a variant's captured requests that carried an id."""
    found: dict[str, Any] = {}
    for info in objects.list(f"{capture_uri.rstrip('/')}/{endpoint}/{variant}/"):
        if info.modified < since.timestamp():
            continue
        for line in objects.read(info.uri).splitlines():
            with suppress(BadRecord):
                record = parse_record(line)
                if record.inference_id and record.output is not None:
                    found[record.inference_id] = predictions(record.output)
    return found


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[float, int]:
    """Mean absolute difference over the ids that both have, and how many; NaN where none."""
    both = sorted(one.keys() & other.keys())
    differences = [
        float(np.mean(np.abs(np.subtract(one[key], other[key]))))
        for key in both
        if np.shape(one[key]) == np.shape(other[key])
    ]
    return (float(np.mean(differences)) if differences else float("nan")), len(differences)
