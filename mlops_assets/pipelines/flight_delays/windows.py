"""Sums over what was known at an instant, exact and without a loop over rows.

Belongs here: integer prefix sums over events sorted by (group, minute) and their look-up.
Does not belong here: what an event is, or which windows are worth a feature (features.py).
Everything is an integer (minutes, counts), because then a window's sum is the same to the last bit
however much lies before it; prefix sums of floats would differ with the length of the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NEVER: Final = 2**33  # minutes since 1970, some 16,000 years away
GROUP: Final = 2**34  # a group's share of the key space, wider than any minute
_MICROSECONDS: Final = 60_000_000


def minutes(instants: pd.Series) -> Ints:
    """Whole minutes since 1970 of a UTC timestamp column, shape (n,); NEVER where it is null."""
    known = instants.notna().to_numpy()
    raw = instants.dt.as_unit("us").astype("int64").to_numpy()
    return np.where(known, raw // _MICROSECONDS, NEVER)


def codes(*columns: pd.Series) -> Ints:
    """A number a distinct combination of values, shape (n,); which number does not matter."""
    numbers = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, distinct = pd.factorize(column)
        numbers = numbers * (len(distinct) + 1) + values + 1
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Sums:
    """Prefix sums of events by group and minute: `of` builds them, `between` asks them."""

    keys: Ints
    totals: Ints  # (events + 1, values + 1); the first column counts

    @classmethod
    def of(cls, group: Ints, at: Ints, *values: Ints) -> Sums:
        """Events with group and minute, shape (n,) each; those at NEVER are left out."""
        happened = at < NEVER
        keys = (group * GROUP + at)[happened]
        order = np.argsort(keys, kind="stable")
        columns = [np.ones(len(keys), dtype=np.int64), *(value[happened] for value in values)]
        totals = np.zeros((len(keys) + 1, len(columns)), dtype=np.int64)
        np.cumsum(np.column_stack(columns)[order], axis=0, out=totals[1:])
        return cls(keys[order], totals)

    def between(self, group: Ints, after: Ints, until: Ints) -> Ints:
        """Count and sums over after < minute <= until, shape (n, values + 1)."""
        first = np.searchsorted(self.keys, group * GROUP + after, side="right")
        last = np.searchsorted(self.keys, group * GROUP + until, side="right")
        found: Ints = self.totals[last] - self.totals[first]
        return found


def ratio(numerator: Ints, denominator: Ints) -> Floats:
    """numerator / denominator, NaN where there is nothing to divide by."""
    empty = denominator == 0
    quotient: Floats = np.where(empty, np.nan, numerator / np.where(empty, 1, denominator))
    return quotient
