"""Profiles as SageMaker Model Monitor's statistics.json.

Here: the file's form. Not here: constraints.json and what breaks them (`ml.drift`).

A column's KLL sketch holds its 256 knots: an item of level i stands for 2^i rows (Karnin, Lang and
Liberty, "Optimal quantile approximation in streams", FOCS 2016). Where the rows are no multiple,
lower levels take the remainder, so that the weights add up to the rows.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.figures import KNOTS
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import ColumnProfile, MixedProfile, Profile

_BUCKETS = 10
_PARAMETERS = {"c": 0.64, "k": 2048.0}


def statistics(profile: Profile, *, hide: Collection[str] = ()) -> dict[str, Any]:
    """The content of statistics.json.

    Args:
        hide: personal columns, of which neither values nor extremes are told.

    >>> import pandas as pd
    >>> from mlops_assets.ml.profiles.profile import fit_grids, profile
    >>> frame = pd.DataFrame({"delay": [3, 5, None]})
    >>> found = statistics(profile(frame, fit_grids(frame)))["features"][0]
    >>> found["inferred_type"], found["numerical_statistics"]["common"]
    ('Integral', {'num_present': 2, 'num_missing': 1})
    """
    return {
        "version": 0,
        "dataset": {"item_count": profile.rows},
        "features": [
            {"name": name, **_feature(column, name in hide)}
            for name, column in profile.columns.items()
        ],
    }


def _feature(column: ColumnProfile, hidden: bool) -> dict[str, Any]:
    common = {"num_present": column.present, "num_missing": column.missing}
    if not column.present or isinstance(column, MixedProfile):
        return {"inferred_type": "Unknown"}
    if isinstance(column, CategoricalProfile):
        told: dict[str, Any] = {"common": common, "distinct_count": column.distinct}
        if not hidden:
            told["distribution"] = {"categorical": {"buckets": _values(column)}}
        return {"inferred_type": "String", "string_statistics": told}
    told = {"common": common, "mean": _finite(column.mean), "sum": _finite(column.sum)}
    told["std_dev"] = _finite(column.std)
    if not hidden:
        told |= {"min": _finite(column.minimum), "max": _finite(column.maximum)}
        told["distribution"] = {"kll": {"buckets": _buckets(column), "sketch": _sketch(column)}}
    kind = "Integral" if column.whole else "Fractional"
    return {"inferred_type": kind, "numerical_statistics": told}


def _values(column: CategoricalProfile) -> list[dict[str, Any]]:
    ranked = sorted(column.counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"value": value, "count": rows} for value, rows in ranked]


def _buckets(column: NumericProfile) -> list[dict[str, float | int]]:
    """Ten of one width between the extremes; infinities are in none."""
    if column.extremes is None:
        return []
    low, high = column.extremes
    bounds = low + (high / _BUCKETS - low / _BUCKETS) * np.arange(_BUCKETS + 1)
    bounds[-1] = high
    finite = column.present - column.inf
    upto = np.rint(column.cumulated(bounds[1:-1])) - column.tails.endless_below
    upto = np.clip(upto, 0, finite)
    counts = np.diff(np.concatenate([[0], np.maximum.accumulate(upto), [finite]]))
    return [
        {"lower_bound": float(a), "upper_bound": float(b), "count": int(count)}
        for a, b, count in zip(bounds[:-1], bounds[1:], counts, strict=True)
    ]


def _sketch(column: NumericProfile) -> dict[str, Any]:
    rows = column.present
    level = max(math.floor(math.log2(rows / KNOTS)), 0) if rows else 0
    many, rest = divmod(rows, 2**level)
    data: list[list[float]] = [[] for _ in range(level + 1)]
    data[level] = column.quantile((np.arange(many) + 0.5) / many).tolist()
    for lower in range(level):
        if rest >> lower & 1:
            # Spread over the distribution, so that the remainder pulls to no side.
            data[lower] = column.quantile([(lower + 0.5) / level]).tolist()
    return {
        "parameters": dict(_PARAMETERS),
        "data": [[_finite(value) for value in items] for items in data],
    }


def _finite(value: float) -> float:
    """JSON knows no infinity: the greatest number stands for it."""
    limit = np.finfo(float).max
    return float(min(max(value, -limit), limit)) if not math.isnan(value) else 0.0
