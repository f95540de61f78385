"""Features as they were: the record of each entity that held at each row's own moment.

Belongs here: the join over a feature store's history. Does not: reading that history
(resources/sagemaker/features/offline_features.py), features recomputed from rows
(ml/point_in_time.py).

A history has one row for each write: the entity, the event time, when it was written, whether it is
a deletion, the features. The semantics are Feature Store's: of an entity's records the one with the
greatest event time holds; of several with the same event time the one written last; a deletion is a
record like any other, and leaves nothing to be found until a later one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

ENTITY, EVENT, INVOKED, WRITTEN, DELETED = (
    "__entity__", "__event__", "__invoked__", "__written__", "__deleted__",
)  # fmt: skip
Known = Literal["event_time", "invocation"]


def as_of(
    history: pd.DataFrame,
    entities: Sequence[str] | pd.Series,
    moments: pd.Series,
    columns: Sequence[str],
    *,
    known: Known = "event_time",
) -> pd.DataFrame:
    """For each (entity, moment) the features that held then, and since when: no later ones.

    Args:
        history: (writes, …) with the columns `ENTITY`, `EVENT`, `INVOKED`, `WRITTEN` (UTC times),
            `DELETED` and the features, in any order; equal writes count once.
        entities: record identifiers, one for each moment.
        moments: UTC times; a record whose event time is the moment itself holds.
        columns: the features wanted.
        known: ``event_time``: what had happened by the moment. ``invocation``: what the store had
            also been told by then: a record that came late, or corrected an earlier one, is not
            seen before it came. Of a backfilled group that is nothing, for it came today.

    Returns:
        (moments, columns and `EVENT`), with the moments' index; null where nothing held.

    Raises:
        ValueError: for a column that the history lacks, a moment that is null or has no time zone.

    >>> times = pd.to_datetime(["2024-01-01", "2024-01-03"], utc=True)
    >>> history = pd.DataFrame({ENTITY: "a", EVENT: times, INVOKED: times, WRITTEN: times,
    ...                         DELETED: False, "x": [1.0, 3.0]})
    >>> moments = pd.Series(pd.to_datetime(["2024-01-02", "2023-12-31"], utc=True))
    >>> as_of(history, ["a", "a"], moments, ["x"])["x"].tolist()
    [1.0, nan]
    """
    if lacking := sorted({*columns} - {*history.columns}):
        raise ValueError(f"the history has no feature {', '.join(lacking)}")
    if not isinstance(moments.dtype, pd.DatetimeTZDtype) or moments.isna().any():
        raise ValueError("each moment must be a time with a time zone: give UTC, and no null")
    # The order of precedence: whatever has been seen so far, the record of the highest rank holds.
    ordered = history.sort_values([EVENT, INVOKED, WRITTEN], kind="stable").reset_index(drop=True)
    seen = ordered[EVENT]
    if known == "invocation":
        seen = seen.where(seen > ordered[INVOKED], ordered[INVOKED])
    codes, known_entities = pd.factorize(ordered[ENTITY].astype(object))
    told = pd.DataFrame({"entity": codes, "at": _ns(seen), "rank": np.arange(len(ordered))})
    told = told.sort_values(["at", "rank"], kind="stable")
    told["holds"] = told.groupby("entity", sort=False)["rank"].cummax()
    asked = pd.DataFrame(
        {
            "entity": pd.Index(known_entities, dtype=object).get_indexer(list(entities)),
            "at": _ns(moments).to_numpy(),
            "row": np.arange(len(moments)),
        }
    ).sort_values("at", kind="stable")
    found = pd.merge_asof(asked, told[["entity", "at", "holds"]], on="at", by="entity")
    holds = found.sort_values("row")["holds"].to_numpy(dtype=float, na_value=np.nan)
    there = ~np.isnan(holds)
    there[there] &= ~ordered[DELETED].to_numpy(dtype=bool)[holds[there].astype(int)]
    # Positions of records; -1 takes none, which `reindex` fills with nulls of each column's type.
    positions = np.where(there, np.nan_to_num(holds), -1).astype(int)
    return ordered[[*columns, EVENT]].reindex(positions).set_axis(moments.index)


def _ns(times: pd.Series) -> pd.Series:
    """Times as whole nanoseconds, in which both sides of the join compare equal."""
    return times.dt.tz_convert("UTC").dt.as_unit("ns").astype("int64")
