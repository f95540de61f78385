"""The columns of the lake's tables of captures and labels, and their types.

Here: what is in them, also where there is no row. Not here: how rows get there
(`captured_files`, `ground_truth`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import CHALLENGER, LIVE

ANSWERED = (LIVE, CHALLENGER)
"""Variants whose answers somebody got; a shadow's are seen by nobody."""

_TIME = "datetime64[us, UTC]"
CAPTURE: Mapping[str, str] = {
    "event_id": "str",
    "event_time": _TIME,
    "inference_time": _TIME,
    "variant": "str",
    "version": "int64",
    "prediction": "float64",
    "capture_file": "str",
    "capture_line": "int64",
    "left_out": "str",
}
"""Of ``captures``, before the features: ``version`` of the model package (0: not known);
``capture_line`` counts from 1; ``left_out``: features that the caller did not send, by comma."""
REFUSED: Mapping[str, str] = {
    "capture_file": "str",
    "capture_line": "int64",
    "event_id": "str",
    "inference_time": _TIME,
    "variant": "str",
    "version": "int64",
    "reason": "str",
}
LABEL: Mapping[str, str] = {
    "event_id": "str",
    "label": "float64",
    "known_at": _TIME,
    "label_file": "str",
    "provenance": "str",
}
"""Of ``ground_truth``; ``provenance``: who labelled, such as ``upload`` or ``queue:ada``."""
LABEL_REFUSED: Mapping[str, str] = {
    "label_file": "str",
    "label_line": "int64",
    "known_at": _TIME,
    "reason": "str",
}


def check_names(columns: Mapping[str, str], answers: Sequence[str] = ()) -> None:
    """Raise ValueError for a feature that is called like a column of ``captures``."""
    if taken := sorted({*CAPTURE, *answers} & columns.keys()):
        raise ValueError(
            f"features {taken} are called like columns of captured predictions: rename them, or "
            "capture nothing (endpoint.capture_share=0)"
        )


def typed_captures(
    frame: pd.DataFrame, features: Mapping[str, str], answers: Sequence[str] = ()
) -> pd.DataFrame:
    """Rows of ``captures`` with every column, in order and typed; no column where none is.

    Args:
        features: {feature column: dtype of the feature schema}.
        answers: the columns of class probabilities, `declaration.Label.answers`.
    """
    return typed(frame, {**CAPTURE, **dict.fromkeys(answers, "float64"), **features})


def typed_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``ground_truth`` with every column, in order and typed."""
    return typed(frame, LABEL)


def typed(frame: pd.DataFrame, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """A frame of exactly these columns; what it lacks is missing in every row.

    Whole numbers and booleans of which some are missing are of pandas' nullable types.

    >>> kinds = typed(pd.DataFrame({"n": [1, None]}), {"n": "int64", "c": "str"}).dtypes
    >>> [str(kind) for kind in kinds]
    ['Int64', 'str']
    """
    index = pd.RangeIndex(len(frame))
    return pd.DataFrame(
        {name: _column(frame.get(name), kind, index) for name, kind in dtypes.items()}, index=index
    )


def _column(values: pd.Series | None, kind: str, index: pd.Index) -> pd.Series:
    if values is None:
        values = pd.Series([None] * len(index), dtype=object)
    values = values.reset_index(drop=True)
    return values.astype(dtype_of(kind, missing=bool(values.isna().any())))


def dtype_of(kind: str, *, missing: bool = False) -> Any:
    """The dtype in which a column of this declared dtype is stored, with missing values or not."""
    lower = kind.lower()
    if lower.startswith(("int", "uint")):
        return "Int64" if missing else "int64"
    if lower.startswith("bool"):
        return "boolean" if missing else "bool"
    if lower.startswith("float32"):
        return "float32"
    if lower.startswith("float"):
        return "float64"
    if lower.startswith("datetime"):
        return _TIME if "," in kind or "tz" in lower else "datetime64[us]"
    return "str"
