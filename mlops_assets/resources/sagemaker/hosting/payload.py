"""Feature rows as an endpoint takes them: JSON values, null for missing."""

from collections.abc import Sequence
from typing import Any

import pandas as pd


def json_rows(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """One dict a row; NaN and NA become None, NumPy's scalars become Python's.

    >>> json_rows(pd.DataFrame({"x": [1.5, float("nan")], "c": ["a", None]}), ["x", "c"])
    [{'x': 1.5, 'c': 'a'}, {'x': None, 'c': None}]
    """
    plain = frame[list(columns)].astype(object).where(frame[list(columns)].notna(), None)
    return [
        {k: v.item() if hasattr(v, "item") else v for k, v in row.items()}
        for row in plain.to_dict("records")
    ]
