"""One column of one window, as the comparison wants it.

Here: what is asked of a profile's column. Not here: profiles (`ml.profiles`), comparing two
(`effects`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlops_assets.ml.drift.effects import Counts
from mlops_assets.ml.drift.units import Floats
from mlops_assets.ml.profiles import binning
from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import ColumnProfile, Profile


@dataclass(frozen=True, eq=False)
class Numbers:
    """A numeric column; infinities are values, beyond all others."""

    name: str
    profile: NumericProfile

    @property
    def rows(self) -> int:
        return self.profile.rows

    @property
    def missing(self) -> int:
        return self.profile.missing

    @property
    def infinite(self) -> int:
        return self.profile.inf

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.profile.present

    @property
    def counts(self) -> Counts:
        """By bin, (bins + 2,): the first and the last hold what is below and above the grid."""
        return self.profile.counts

    @property
    def minimum(self) -> float:
        return self.profile.minimum

    @property
    def maximum(self) -> float:
        return self.profile.maximum

    @cached_property
    def knots(self) -> Floats:
        return self.profile.knots

    def value_of(self, place: int) -> float:
        """The value in the middle of a bin, as numbers are written: 0 rather than 0.0013."""
        low = float(self.profile.grid.middle(place - 1.5))
        high = float(self.profile.grid.middle(place - 0.5))
        if self.profile.grid.centred:
            return (low + high) / 2
        for digits in range(1, 16):
            rounded = float(f"{(low + high) / 2:.{digits}g}")
            if low <= rounded < high:
                return rounded
        return 0.0 if low <= 0.0 < high else (low + high) / 2

    def outside(self, baseline: Numbers) -> int:
        """How many values are beyond all of the baseline's, at least; on the same grid."""
        least, most = baseline.minimum, baseline.maximum
        if self.minimum >= least and self.maximum <= most:
            return 0 if baseline.infinite else self.infinite
        low, high, counts = self.profile.cells
        beyond = int(counts[(high <= least) | (low >= most)].sum())
        if self.profile.grid.centred:
            middle = (low + high) / 2
            beyond = int(counts[(middle < least) | (middle > most)].sum())
        return beyond - min(baseline.infinite and self.infinite, beyond)

    def single_outside(self, baseline: Numbers) -> float | None:
        """The one value outside of the baseline's range; None where there are several."""
        below, above = self.minimum < baseline.minimum, self.maximum > baseline.maximum
        if below == above or self.infinite:
            return None
        low, high, counts = self.profile.cells
        beyond = (high <= baseline.minimum) if below else (low >= baseline.maximum)
        held = np.flatnonzero(beyond & (counts > 0))
        if len(held) != 1:
            return None
        value = self.minimum if below else self.maximum
        outer = 0 if below else -1
        if counts[held[0]] != self.counts[outer]:
            return value  # a bin of its own
        total = self.profile.sums[outer] / (self.counts[outer] * binning.UNIT)
        mean = self.profile.grid.low + total * self.profile.grid.step
        return value if abs(mean - value) <= 1e-6 * max(abs(value), 1e-300) else None


@dataclass(frozen=True, eq=False)
class Categories:
    """A categorical column; levels beyond the profile's cap are in ``other``."""

    name: str
    profile: CategoricalProfile

    @property
    def rows(self) -> int:
        return self.profile.rows

    @property
    def missing(self) -> int:
        return self.profile.missing

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def counts(self) -> Mapping[str, int]:
        return self.profile.counts

    @property
    def other(self) -> int:
        return self.profile.other


def paired(
    name: str, window: Profile, baseline: Profile
) -> tuple[Numbers | Categories | None, Numbers | Categories | None]:
    """A column of both sides, on the baseline's grid; None on a side that lacks it, or holds
    numbers in some rows and text in others."""
    here, there = window.columns.get(name), baseline.columns.get(name)
    if isinstance(here, NumericProfile) and isinstance(there, NumericProfile):
        here = here.regrid(there.grid)
    elif isinstance(here, CategoricalProfile) and isinstance(there, CategoricalProfile):
        # What one side's cap leaves unnamed must not look new on the other.
        reach = min(here.reach, there.reach)
        here, there = here.reached(reach), there.reached(reach)
    return _side(name, here), _side(name, there)


def _side(name: str, column: ColumnProfile | None) -> Numbers | Categories | None:
    if isinstance(column, NumericProfile):
        return Numbers(name, column)
    return Categories(name, column) if isinstance(column, CategoricalProfile) else None
