"""What a column of numbers looks like: counts on a grid, exact sums, and figures made of them.

Here: the profile of one numeric column, its arithmetic, and what can be read off it. Not here:
counting (`binning`), comparing two profiles (`distances`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from mlops_assets.ml.profiles import binning
from mlops_assets.ml.profiles.grid import BINS, Grid
from mlops_assets.ml.profiles.tails import Tails, edges

KNOTS = 256


class ProfileMismatch(ValueError):
    """Two profiles that do not add up, or of which one is no part of the other."""


@dataclass(frozen=True, eq=False)
class NumericProfile:
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
    def of(cls, chunks: Iterable[np.ndarray], grid: Grid, *, rows: int, absent: int = 0) -> (
        NumericProfile
    ):
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

    @cached_property
    def present(self) -> int:
        """Rows with a value, infinities among them."""
        return int(self.counts.sum())

    @property
    def beyond(self) -> int:
        """Values outside of the grid's bins."""
        return int(self.counts[0] + self.counts[-1])

    @property
    def _finite(self) -> int:
        return self.present - self.inf

    @property
    def mean(self) -> float:
        """Of the finite values; NaN without one."""
        if not self._finite:
            return math.nan
        return self.grid.low + _ratio(sum(self.sums), self._finite) * self.grid.step

    @property
    def sum(self) -> float:
        """Of the finite values."""
        return self.mean * self._finite if self._finite else 0.0

    @property
    def std(self) -> float:
        """Standard deviation of the finite values (divided by n); NaN without one."""
        if not self._finite:
            return math.nan
        spread = self._finite * self.squares - sum(self.sums) ** 2
        # Of whole numbers: a constant column gives zero, not the square root of a rounding error.
        return math.sqrt(_scaled(spread, self._finite**2)) * self.grid.step

    @property
    def minimum(self) -> float:
        """The least finite value; NaN without one."""
        return self.extremes[0] if self.extremes else math.nan

    @property
    def maximum(self) -> float:
        """The greatest finite value; NaN without one."""
        return self.extremes[1] if self.extremes else math.nan

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers, as far as the bins can tell."""
        if not self.grid.centred or self.beyond or self.inf:
            return False
        held = self.grid.middle(np.flatnonzero(self.counts[1:-1]))
        return bool((held == np.rint(held)).all())

    @property
    def distinct(self) -> int | None:
        """How many values there are, where each has a bin of its own; else None."""
        if not self.grid.centred or self.beyond:
            return None if self.present else 0
        return int(np.count_nonzero(self.counts))

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(low, high, counts) of all cells, ascending: what is below, the bins, what is above."""
        bins = np.arange(BINS + 1, dtype=float)
        under, over = self.tails.cells < 0, self.tails.cells >= 0
        low, high = edges(self.tails.cells)
        return (
            self._value(np.concatenate([low[under], bins[:-1], low[over]])),
            self._value(np.concatenate([high[under], bins[1:], high[over]])),
            np.concatenate(
                [self.tails.counts[under], self.counts[1:-1], self.tails.counts[over]]
            ),
        )

    def _value(self, places: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.asarray(self.grid.low + places * self.grid.step)

    def quantile(self, q: ArrayLike) -> np.ndarray:
        """Values below which shares ``q`` lie, to a bin's width; NaN without a value.

        On a lattice they are values that occur; elsewhere values are taken to lie evenly in a bin.
        """
        shares = np.asarray(q, dtype=float)
        if not self.present:
            return np.full(shares.shape, math.nan)
        low, high, counts = self.cells
        upto = np.cumsum(counts)
        rank = np.clip(shares, 0.0, 1.0) * self.present
        cell = np.minimum(np.searchsorted(upto, rank, side="left"), len(upto) - 1)
        cell = np.where(rank <= 0, np.flatnonzero(counts)[0], cell)
        if self.grid.centred:
            with np.errstate(invalid="ignore"):
                values = low[cell] + (high[cell] - low[cell]) / 2
        else:
            inside = (rank - (upto[cell] - counts[cell])) / np.maximum(counts[cell], 1)
            with np.errstate(invalid="ignore"):
                values = low[cell] + (high[cell] - low[cell]) * inside
        values = np.where(np.isfinite(low[cell]), values, low[cell])
        finite = np.isfinite(values)
        return np.where(finite, np.clip(values, self.minimum, self.maximum), values)

    @property
    def knots(self) -> np.ndarray:
        """256 quantiles, ascending: a summary that knows nothing of the grid. Made of the counts,
        so profiles that are equal have equal ones, in whatever order they were merged."""
        return self.quantile((np.arange(KNOTS) + 0.5) / KNOTS)

    def count_below(self, value: float) -> float:
        """How many values are less than ``value``, to a part of a bin."""
        return float(self.cumulated([value])[0])

    def cumulated(self, values: ArrayLike) -> np.ndarray:
        """How many values are less than each of ``values``, to a part of a bin."""
        low, high, counts = self.cells
        upto = np.concatenate([[0], np.cumsum(counts)])
        if self.grid.centred:
            with np.errstate(invalid="ignore"):
                middle = np.where(np.isfinite(low), low + (high - low) / 2, low)
            return np.asarray(upto[np.searchsorted(middle, values, side="left")], dtype=float)
        # Each cell's ends, so that what holds nothing stays level.
        ends = np.stack([low, high], axis=1).ravel()
        levels = np.stack([upto[:-1], upto[1:]], axis=1).ravel()
        finite = np.isfinite(ends)
        return np.interp(values, ends[finite], levels[finite])

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
        if not part.present:
            return replace(self, **self._less(part))
        counts = self.counts - part.counts
        if counts.min() < 0 or self.rows < part.rows:
            raise ProfileMismatch("what is taken away is no part of the profile")
        left = replace(
            self,
            **self._less(part),
            counts=counts,
            tails=self.tails - part.tails,
            sums=_add([self.sums, (-part.sums[0], -part.sums[1], -part.sums[2])]),
            squares=self.squares - part.squares,
            extremes=None,
        )
        return replace(left, extremes=left._extremes_left(self, part))

    def _extremes_left(self, whole: NumericProfile, part: NumericProfile) -> (
        tuple[float, float] | None
    ):
        if not self._finite or whole.extremes is None:
            return None
        low, high = whole.extremes
        start, end, counts = self.cells
        held = np.flatnonzero((counts > 0) & np.isfinite(start) & np.isfinite(end))
        if part.extremes and part.extremes[0] <= low:
            low = max(low, float(start[held[0]]))
        if part.extremes and part.extremes[1] >= high:
            high = min(high, float(end[held[-1]]))
        return low, high

    def _less(self, part: NumericProfile) -> dict[str, int]:
        names = ("rows", "missing", "nan", "inf")
        return {name: getattr(self, name) - getattr(part, name) for name in names}

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


def _ratio(units: int, count: int) -> float:
    """Units per count in steps: a quotient of whole numbers of any size, rounded once."""
    return units / (count * binning.UNIT)


def _scaled(spread: int, count: int) -> float:
    return spread / (count * binning.UNIT**2)
