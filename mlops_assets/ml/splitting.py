"""Which partitions and which rows train, and which are held out. No data is read here.

Belongs here: windows over partitions, splits by time and by hash of a key. Does not belong
here: reading the lake, features, anything that knows of a pipeline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

Masks = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Sliding:
    """Train on the last `partitions` partitions before the as-of date."""

    partitions: int

    def __post_init__(self) -> None:
        if isinstance(self.partitions, bool) or not isinstance(self.partitions, int):
            raise TypeError(f"Sliding(partitions={self.partitions!r}): give a whole number")
        if self.partitions < 1:
            raise ValueError(f"Sliding(partitions={self.partitions}): give at least 1")


@dataclass(frozen=True)
class Expanding:
    """Train on everything before the as-of date."""


Window = Sliding | Expanding


def training_window(available: Sequence[str], as_of: str, window: Window) -> list[str]:
    """The partitions to train on for a model "as of" a partition: strictly before it, in order.

    Partition keys must sort as their times do (ISO dates do). `as_of` itself need not be
    available. Sliding counts the partitions that exist, so a gap does not shrink the window.
    An empty list says that there is nothing to train on yet.

    >>> months = ["2013-01-01", "2013-02-01", "2013-03-01", "2013-04-01"]
    >>> training_window(months, "2013-04-01", Sliding(2))
    ['2013-02-01', '2013-03-01']
    >>> training_window(months, "2013-03-01", Expanding())
    ['2013-01-01', '2013-02-01']
    """
    before = sorted({key for key in available if key < as_of})
    return before[-window.partitions :] if isinstance(window, Sliding) else before


def time_ordered(event_time: pd.Series, holdout_share: float) -> Masks:
    """(train, holdout) boolean masks by position; no training row is later than any held out.

    Rows of the same moment stay together, so the share is met as closely as ties allow, with
    both sides non-empty. ValueError for a null time, a share outside (0, 1), or fewer than two
    distinct times.

    >>> times = pd.Series(pd.to_datetime(["2013-01-03", "2013-01-01", "2013-01-02"]))
    >>> train, holdout = time_ordered(times, 1 / 3)
    >>> holdout.tolist()
    [True, False, False]
    """
    _require_share(holdout_share)
    missing = int(event_time.isna().sum())
    if missing:
        raise ValueError(
            f"{event_time.name or 'event time'}: {missing} of {len(event_time)} are null; "
            "a row without a time cannot be split by time: drop or quarantine it first"
        )
    moments, inverse, counts = np.unique(
        event_time.to_numpy(), return_inverse=True, return_counts=True
    )
    if len(moments) < 2:
        raise ValueError(
            f"{event_time.name or 'event time'}: {len(moments)} distinct times in "
            f"{len(event_time)} rows; a split by time needs two: give more rows, or use by_hash"
        )
    rows_before = np.cumsum(counts)[:-1]
    cut = int(np.argmin(np.abs(len(event_time) - rows_before - holdout_share * len(event_time))))
    holdout = inverse.ravel() > cut
    return ~holdout, holdout


def by_hash(keys: pd.Series, holdout_share: float, salt: str) -> Masks:
    """(train, holdout) masks by BLAKE2b of (salt, key): the same key always falls the same way.

    Whole numbers, text, dates and booleans are keys; their text form is hashed, so the answer
    does not depend on order, process, platform or on the other rows. ValueError for nulls and
    for floats (1.0 and 1 would part ways), which are to be cast by the caller.

    >>> train, holdout = by_hash(pd.Series(["a", "b", "c", "d"]), 0.5, salt="2013")
    >>> (train ^ holdout).all()
    np.True_
    """
    _require_share(holdout_share)
    if keys.isna().any():
        raise ValueError(
            f"{keys.name or 'keys'}: {int(keys.isna().sum())} are null; a null has no side of "
            "the split: drop those rows or choose another key"
        )
    if pd.api.types.is_float_dtype(keys.dtype):
        raise ValueError(
            f"{keys.name or 'keys'} are {keys.dtype}: hash whole numbers or text, "
            "e.g. keys.astype('int64')"
        )
    codes, uniques = pd.factorize(keys)
    limit = int(holdout_share * 2**64)
    held = np.fromiter((_digest(key, salt) < limit for key in uniques), bool, len(uniques))
    holdout = held[codes] if len(uniques) else np.zeros(len(keys), dtype=bool)
    return ~holdout, holdout


def _digest(key: object, salt: str) -> int:
    text = key.isoformat() if isinstance(key, pd.Timestamp) else str(key)
    # The length of the salt goes first: ("a", "bc") and ("ab", "c") must not collide.
    message = f"{len(salt)}:{salt}{text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest(), "big")


def _require_share(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"holdout_share={share}: give a share between 0 and 1, both excluded")
