"""Rows that claim the same key: which stay, which go, independent of their order.

Belongs here: uniqueness of a field or of a schema's key. Does not belong here: rules on single
rows (`rows_rules`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from mlops_assets.checks.rows_columns import Positions

REPEATS = "unique, repeats"
CONFLICTS = "unique, conflicts with"


def duplicates(
    frame: pd.DataFrame, key: Sequence[str], candidates: np.ndarray
) -> Iterator[tuple[str, Positions, Positions]]:
    """(rule, rows, the row each one clashes with) among the rows at positions `candidates`.

    Rows of one key that agree in every column are interchangeable: the first stays, the others
    repeat it. As soon as two of them differ, nobody can say which is true, and all of them go:
    so what is accepted does not depend on the order of the rows.
    """
    keys = frame[list(key)] if len(candidates) == len(frame) else frame[list(key)].iloc[candidates]
    keys = _comparable(keys)
    later = keys.duplicated().to_numpy()
    if not later.any():
        return
    if len(key) == 1:  # looking a few values up is cheaper than hashing all of them again
        shared = keys[key[0]].isin(keys.loc[later, key[0]]).to_numpy()
    else:
        shared = keys.duplicated(keep=False).to_numpy()
    rows = candidates[shared]
    group = keys[shared].groupby(list(key), sort=False, dropna=False).ngroup().to_numpy()
    whole = _comparable(frame.iloc[rows], exact=True)
    repeats = whole.duplicated().to_numpy()
    variants = np.bincount(group[~repeats], minlength=group.max() + 1)[group]
    order = np.unique(group, return_index=True)[1]
    first = rows[order][group]
    # A conflicting row names another one of its key: the first, or the second if it is the first.
    second = _second_of_each(group, rows)[group]
    conflicts = variants > 1
    yield REPEATS, rows[~conflicts & repeats], first[~conflicts & repeats]
    other = np.where(rows == first, second, first)
    yield CONFLICTS, rows[conflicts], other[conflicts]


def _second_of_each(group: np.ndarray, rows: np.ndarray) -> np.ndarray:
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    return rows[order[starts + 1]]


def _comparable(frame: pd.DataFrame, exact: bool = False) -> pd.DataFrame:
    """The frame with columns that can be hashed; `exact` tells 0.0 from -0.0 and 1 from True."""
    columns = {}
    for name in frame.columns:
        values = frame[name]
        if values.dtype == object:
            if exact or not values.map(pd.api.types.is_hashable).all():
                values = values.map(lambda value: f"{type(value).__name__} {value!r}")
        elif exact and isinstance(values.dtype, np.dtype) and values.dtype.kind == "f":
            bits = values.to_numpy().astype(np.float64)
            values = pd.Series(np.where(np.isnan(bits), np.nan, bits).view(np.int64), values.index)
        columns[name] = values
    return pd.DataFrame(columns).reset_index(drop=True)
