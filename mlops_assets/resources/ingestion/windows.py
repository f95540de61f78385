"""Which declared partition a moment belongs to, and which moments a partition has.

Here: that, and the guard on what partition keys may be. Not here: how partitions are declared
(`mlops_assets.partitions`), any reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import pandas as pd

from mlops_assets.partitions import Partitions
from mlops_assets.resources.sources import SourceError

if TYPE_CHECKING:
    import numpy as np

TimeUnit = Literal["iso", "s", "ms", "us"]
"""How times are written: ISO 8601 (UTC where no zone is given), or so much since the epoch."""


def window_of(windows: Partitions, partition: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """[start, end) of a partition in UTC.

    Raises:
        SourceError: the key is none of the declared ones: nothing else ever gets into a query.
    """
    if not windows.definition.has_partition_key(partition):
        raise SourceError(
            f"{partition!r} is none of the declared partitions ({windows.kind} from "
            f"{windows.start}). Correct the key, or the pipeline's `partitions`"
        )
    window = windows.window(partition)
    if window is None:
        raise SourceError("a static partition has no window of time: declare time partitions")
    return window


def key_of(windows: Partitions, moment: pd.Timestamp) -> str | None:
    """The declared partition that a moment (with a zone) lies in; None outside all of them.

    >>> days = Partitions(kind="daily", start="2024-03-01", end="2024-03-03")
    >>> [key_of(days, pd.Timestamp(day, tz="UTC")) for day in ("2024-02-29", "2024-03-02T23:59")]
    [None, '2024-03-02']
    """
    key = windows.containing(moment)
    window = windows.window(key)
    return key if window and window[0] <= moment < window[1] else None


def complete(windows: Partitions, keys: Iterable[str]) -> list[str]:
    """Those of the keys that are partitions by now, in order: today's day is one tomorrow."""
    return sorted(set(keys) & set(windows.definition.get_partition_keys()))


def times_of(column: pd.Series, unit: TimeUnit) -> pd.Series:
    """Times in UTC of a column as it was delivered; NaT where there is none to be read.

    >>> times_of(pd.Series(["2024-03-01T10:00:00+01:00", "soon", None]), "iso").tolist()
    [Timestamp('2024-03-01 09:00:00+0000', tz='UTC'), NaT, NaT]
    """
    if unit == "iso":
        return pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    numbers = pd.to_numeric(column, errors="coerce")
    return pd.to_datetime(numbers, unit=unit, utc=True, errors="coerce")


def keys_of(windows: Partitions, times: pd.Series, otherwise: str | None) -> np.ndarray:
    """The partition of each time, as objects; ``otherwise`` where there is no time, None where it
    lies outside all partitions."""
    # No window is cut within a quarter of an hour, in any time zone.
    quarters = times.dt.floor("15min")
    known = {moment: key_of(windows, moment) for moment in quarters.dropna().unique()}
    keys = quarters.map(known).astype(object)
    return keys.where(times.notna(), otherwise).where(keys.notna() | times.isna(), None).to_numpy()
