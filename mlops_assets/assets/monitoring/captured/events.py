"""What names an event everywhere: in captures, in ground truth, in features.

Here: the event's id and time of feature rows, and what a caller sends so that its captured answer
is found by them. Not here: reading captures back (`resources.monitoring`).
"""

import hashlib
from typing import Any
from urllib.parse import quote

import pandas as pd

from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.attributes import render

LONGEST = 64
"""Characters of SageMaker's InferenceId."""
_DIGEST = 24
# Printable ASCII but for the space and for what means something in an id: / # %.
_PLAIN = "".join(map(chr, range(33, 127))).translate({ord(c): None for c in "/#%"})


def event_id(pipeline: MLPipeline, frame: pd.DataFrame) -> pd.Series:
    """The ids of rows of ``clean``, ``features`` or a request: the entity key's values as text,
    joined by ``/``.

    Whole numbers have the same text as 17, 17.0 and "17". What InferenceId cannot carry is
    percent-encoded; an id of more than 64 characters ends in a digest instead.

    Returns:
        (rows,) texts, with the frame's index.

    Raises:
        ValueError: a value of the key is missing.
    """
    parts = [_texts(frame[column], column) for column in pipeline.entity_key]
    ids = ["/".join(values) for values in zip(*parts, strict=True)]
    return pd.Series([_fitting(text) for text in ids], index=frame.index, dtype="str")


def event_time(pipeline: MLPipeline, frame: pd.DataFrame) -> pd.Series | None:
    """When the events of feature rows happen, in UTC; None for a pipeline without event time."""
    if pipeline.event_time is None:
        return None
    times = pd.to_datetime(frame[pipeline.event_time], utc=True)
    return times.dt.as_unit("us")


def invocations(pipeline: MLPipeline, frame: pd.DataFrame) -> list[dict[str, str]]:
    """What each row's request adds to InvokeEndpoint's parameters: InferenceId, and when the event
    happens in CustomAttributes."""
    ids, times = event_id(pipeline, frame), event_time(pipeline, frame)
    if times is None:
        return [{"InferenceId": each} for each in ids]
    return [
        {"InferenceId": each, "CustomAttributes": render(time)}
        for each, time in zip(ids, times, strict=True)
    ]


def _texts(values: pd.Series, column: str) -> list[str]:
    missing = values.isna().to_numpy()
    if missing.any():
        raise ValueError(
            f"entity key {column!r} is missing in row {int(missing.argmax())}: an event without "
            "its key cannot be found again"
        )
    return [_text(value) for value in values.tolist()]


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, pd.Timestamp):
        value = value.isoformat()
    return quote(str(value), safe=_PLAIN)


def _fitting(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{text[: LONGEST - _DIGEST - 1]}~{digest}"
