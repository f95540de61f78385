"""One column of one window, as the comparison wants it.

Here: what is asked of a profile's column. Not here: profiles (`ml.profiles`), comparing two
(`effects`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlops_assets.ml.drift.effects import ATOM, NEIGHBOURS, Counts, heaviest
from mlops_assets.ml.drift.units import Floats, Moments
from mlops_assets.ml.profiles import binning
from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import ColumnProfile, Profile

FEW = 0.1
"""What is as little beside the rest is overlooked when a cause is named."""

FAR = 0.5
"""A sentinel is out of the baseline's range by so many times its width."""


@dataclass(frozen=True)
class Atom:
    """A cell that holds much more than those beside it: one value, most likely."""

    low: float
    high: float


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

    @property
    def moments(self) -> Moments:
        """Of the finite values."""
        return Moments(self.profile.mean, self.profile.std, max(self.present - self.infinite, 1))

    @cached_property
    def heaviest(self) -> float:
        """The largest share of a bin, the few that hold more than others aside."""
        return float(heaviest(self.counts[None, 1:-1] / max(self.present, 1))[0])

    def value_of(self, place: int) -> float:
        """The value that a bin of `counts` most likely stands for."""
        if place in (0, len(self.counts) - 1):
            return self.minimum if place == 0 else self.maximum
        low, high = self.profile.grid.edges()[place - 1 : place + 1]
        return self.value_in(float(low), float(high))

    def atom(self, place: int) -> Atom:
        """A bin of `counts` as the place of an atom."""
        low, step = self.profile.grid.low, self.profile.grid.step
        return Atom(low + (place - 1) * step, low + place * step)

    def value_in(self, low: float, high: float) -> float:
        """A value between two bounds, as numbers are written: 0 rather than 0.0013."""
        middle = (low + high) / 2
        if self.profile.grid.centred and self.profile.grid.low <= low < self.profile.grid.high:
            return middle
        for end in (self.minimum, self.maximum):
            if low <= end <= high:
                return end
        for digits in range(1, 16):
            rounded = float(f"{middle:.{digits}g}")
            if low <= rounded < high:
                return rounded
        return 0.0 if low <= 0.0 < high else middle

    def far_atom(self, baseline: Numbers) -> tuple[int, int, Atom] | None:
        """As `effects.atoms`, of what lies beyond the bins: (rows here, rows there, where)."""
        cells, counts = self.profile.tails.cells, self.profile.tails.counts
        if not len(counts):
            return None
        place = int(counts.argmax())
        near = np.abs(cells - cells[place])
        beside = counts[(near > 0) & (near <= NEIGHBOURS)].max(initial=0)
        other = baseline.profile.tails
        there = int(other.counts[other.cells == cells[place]].sum())
        share = counts[place] / self.present
        usual = max(there / baseline.present, baseline.heaviest, beside / self.present)
        if share < ATOM * usual:
            return None
        low, high, all_counts = self.profile.cells
        # The cells below the bins come first, those above last.
        index = place if cells[place] < 0 else len(all_counts) - len(cells) + place
        ends = float(low[index]), float(high[index])
        if not np.isfinite(ends).all():
            return None
        return int(counts[place]), there, Atom(*ends)

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
        """The one value far outside of the baseline's range, a few others aside; None if many."""
        if self.infinite:
            return None
        width = baseline.maximum - baseline.minimum
        low, high, counts = self.profile.cells
        below = (high <= baseline.minimum) & (counts > 0)
        above = (low >= baseline.maximum) & (counts > 0)
        down = counts[below].sum() >= counts[above].sum()
        held, value = (below, self.minimum) if down else (above, self.maximum)
        # The next value of a scale, such as one degree more, is no sentinel.
        if max(baseline.minimum - value, value - baseline.maximum) < FAR * width:
            return None
        at = np.flatnonzero((low <= value) & (value <= high) & held)
        if not len(at) or counts[at].sum() < (1 - FEW) * counts[below | above].sum():
            return None
        outer = 0 if down else -1
        if counts[at].sum() != self.counts[outer]:
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
