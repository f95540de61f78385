"""What a column of numbers looks like: counts on a grid, exact sums, and figures made of them.

Here: the profile of one numeric column, its arithmetic, and what can be read off it. Not here:
counting (`binning`), comparing two profiles (`distances`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mlops_assets.ml.profiles import binning
from mlops_assets.ml.profiles.figures import Figures
from mlops_assets.ml.profiles.grid import BINS, Grid
from mlops_assets.ml.profiles.tails import Tails


class ProfileMismatch(ValueError):
    """Two profiles that do not add up, or of which one is no part of the other."""


@dataclass(frozen=True, eq=False)
class NumericProfile(Figures):
    """One column of numbers; booleans and text are categories, times are seconds since 1970.

    Args:
        counts: int64, shape (4,098,): below the grid, its bins, above it. Infinities are in the
            outer two; missing values in none.
        missing: values that are none: None, NA, NaT and NaN. ``nan``: how many of them are NaN as
            a number, as far as the column's type can tell.
        tails: what is below and above, by distance.
        sums: of places on the grid in 2⁻²⁷ steps from its low end: (below, inside, above).
        squares: the sum of their squares.
        extremes: least and greatest finite value; None where there is none. They add up exactly;
            where subtracting takes one away, the edge of the outermost bin stands for it.
    """

    grid: Grid
    rows: int
    missing: int
    nan: int
    inf: int
    counts: np.ndarray
    tails: Tails
    sums: tuple[int, int, int]
    squares: int
    extremes: tuple[float, float] | None

    kind: ClassVar[str] = "numeric"

    def __post_init__(self) -> None:
        self.counts.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NumericProfile):
            return NotImplemented
        return self._scalars == other._scalars and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]

    @property
    def _scalars(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__dataclass_fields__ if name != "counts")

    @classmethod
    def of(
        cls, chunks: Iterable[np.ndarray], grid: Grid, *, rows: int, absent: int = 0
    ) -> NumericProfile:
        """Of numbers in chunks. ``absent``: how many of their NaN stand for "no value" (NA)."""
        found = binning.count(chunks, grid)
        return cls(
            grid=grid,
            rows=rows,
            missing=found.nan,
            nan=found.nan - absent,
            inf=found.inf,
            counts=found.counts,
            tails=found.tails,
            sums=(found.below, found.inside, found.above),
            squares=found.squares,
            extremes=found.extremes,
        )

    @classmethod
    def merge(cls, parts: Sequence[NumericProfile]) -> NumericProfile:
        """The profile of all rows together; the same in any order, bit for bit.

        Raises:
            ProfileMismatch: they were counted on different grids.
        """
        filled = [part for part in parts if part.present] or [min(parts, key=_version)]
        grid = filled[0].grid
        if any(part.grid != grid for part in filled):
            versions = sorted({part.grid.version for part in filled})
            raise ProfileMismatch(
                f"counted on different grids, {', '.join(versions)}: regrid() one like the other"
            )
        counts = np.zeros(BINS + 2, np.int64)
        for part in filled:
            counts += part.counts
        known = [part.extremes for part in filled if part.extremes]
        return cls(
            grid=grid,
            rows=sum(part.rows for part in parts),
            missing=sum(part.missing for part in parts),
            nan=sum(part.nan for part in parts),
            inf=sum(part.inf for part in parts),
            counts=counts,
            tails=Tails.merge([part.tails for part in filled]),
            sums=_add(part.sums for part in filled),
            squares=sum(part.squares for part in filled),
            extremes=(min(k[0] for k in known), max(k[1] for k in known)) if known else None,
        )

    def __sub__(self, part: NumericProfile) -> NumericProfile:
        """What is left of a merged profile without one of its parts.

        Every count and sum is exact; an extreme that the part may have brought is lost.

        Raises:
            ProfileMismatch: counted on different grids, or the part is none.
        """
        if part.present and part.grid != self.grid:
            raise ProfileMismatch(
                f"grid {part.grid.version} cannot be taken from {self.grid.version}: regrid() it"
            )
        counts = self.counts - part.counts
        if counts.min() < 0 or self.rows < part.rows:
            raise ProfileMismatch("what is taken away is no part of the profile")
        left = replace(
            self,
            rows=self.rows - part.rows,
            missing=self.missing - part.missing,
            nan=self.nan - part.nan,
            inf=self.inf - part.inf,
            counts=counts,
            tails=self.tails - part.tails,
            sums=_add([self.sums, (-part.sums[0], -part.sums[1], -part.sums[2])]),
            squares=self.squares - part.squares,
            extremes=None,
        )
        return replace(left, extremes=left._extremes_left(self, part))

    def _extremes_left(
        self, whole: NumericProfile, part: NumericProfile
    ) -> tuple[float, float] | None:
        if not self._finite or whole.extremes is None:
            return None
        low, high = whole.extremes
        start, end, counts = self.cells
        first, last = np.flatnonzero(counts)[[0, -1]]
        if self.tails.endless_below:
            first = np.flatnonzero(counts)[1]
        if self.tails.endless_above:
            last = np.flatnonzero(counts)[-2]
        # A bin wider than known, for edges are rounded; near the end of the floats they overflow.
        least, most = float(start[first]), float(end[last])
        least -= self.grid.step + abs(least) * 2.0**-40
        most += self.grid.step + abs(most) * 2.0**-40
        if part.extremes and part.extremes[0] <= low < least < math.inf:
            low = least
        if part.extremes and part.extremes[1] >= high > most > -math.inf:
            high = most
        return low, high

    def regrid(self, grid: Grid) -> NumericProfile:
        """The same rows on another grid, from the middles of the cells: right to a cell's width."""
        if grid == self.grid:
            return self
        low, high, counts = self.cells
        with np.errstate(invalid="ignore"):
            middle = np.where(np.isfinite(low), low + (high - low) / 2, low)
        middle = np.where(np.isfinite(middle), np.clip(middle, *self.extremes or (0, 0)), middle)
        held = counts > 0
        found = binning.place(middle[held], counts[held], grid)
        return replace(
            self,
            grid=grid,
            counts=found.counts,
            tails=found.tails,
            sums=(found.below, found.inside, found.above),
            squares=found.squares,
        )


def _version(profile: NumericProfile) -> str:
    return profile.grid.version


def _add(sums: Iterable[tuple[int, int, int]]) -> tuple[int, int, int]:
    below, inside, above = zip(*sums, strict=True)
    return sum(below), sum(inside), sum(above)
