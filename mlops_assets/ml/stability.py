"""Is a model numerically stable? Inputs at and beyond the edge get a finite answer or a refusal.

Belongs here: making such inputs and judging the answers. Does not belong here: the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

Columns = Mapping[str, list[Any]]

NUMBERS: dict[str, float | None] = {
    "NaN": float("nan"),
    "missing": None,
    "infinity": float("inf"),
    "−infinity": float("-inf"),
    "1e308": 1e308,
    "−1e308": -1e308,
    "1e-308": 1e-308,
    "0": 0.0,
    "2^63": 2.0**63,
}
TEXTS: dict[str, str | None] = {
    "missing": None,
    "empty": "",
    "unseen": "\N{SNOWMAN} never seen",
    "long": "x" * 10_000,
}


def edge_cases(rows: pd.DataFrame) -> dict[str, Columns]:
    """{what was done to which column: the rows with it}, one column at a time, then all numbers.

    >>> cases = edge_cases(pd.DataFrame({"x": [1.0], "s": ["a"]}))
    >>> cases["x = NaN"]["s"], len(cases)
    (['a'], 22)
    """
    plain: dict[str, list[Any]] = {str(c): rows[c].astype(object).tolist() for c in rows.columns}
    numeric = {str(c) for c in rows.columns if pd.api.types.is_numeric_dtype(rows[c].dtype)}
    cases: dict[str, Columns] = {}
    for column in plain:
        edges: Mapping[str, Any] = NUMBERS if column in numeric else TEXTS
        for name, value in edges.items():
            cases[f"{column} = {name}"] = {**plain, column: [value] * len(rows)}
    for name, number in NUMBERS.items():
        changed: Columns = {column: [number] * len(rows) for column in numeric}
        cases[f"all numbers = {name}"] = {**plain, **changed}
    return cases


def unstable(
    answer: Callable[[Columns], np.ndarray],
    rows: pd.DataFrame,
    *,
    refusal: type[Exception],
    probability: bool,
) -> tuple[list[str], int]:
    """The edge cases that get another answer than a finite one, and how many were tried.

    Args:
        answer: the model, from columns of raw values.
        refusal: the error by which the model refuses an input, which is as good as an answer.
        probability: an answer must lie between 0 and 1.
    """
    cases = edge_cases(rows)
    found = []
    for name, columns in cases.items():
        try:
            answers = np.asarray(answer(columns), float)
        except refusal:
            continue
        finite = np.isfinite(answers).all()
        if not finite or (probability and ((answers < 0) | (answers > 1)).any()):
            found.append(name)
    return found, len(cases)
