"""What can be read off a column's counts: moments, quantiles, knots.

Here: figures of one numeric column. Not here: its arithmetic (`numeric`), comparing (`distances`).
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from mlops_assets.ml.profiles.binning import UNIT
from mlops_assets.ml.profiles.grid import BINS, Grid
from mlops_assets.ml.profiles.tails import Tails, edges

KNOTS = 256


class Figures:
    """The figures of a `numeric.NumericProfile`, which has the fields."""

    grid: Grid
    rows: int
    missing: int
    inf: int
    counts: np.ndarray
    tails: Tails
    sums: tuple[int, int, int]
    squares: int
    extremes: tuple[float, float] | None

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
            np.concatenate([self.tails.counts[under], self.counts[1:-1], self.tails.counts[over]]),
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

    def told(self, q: ArrayLike) -> list[float]:
        """`quantile`, with no more decimals than the bins can tell."""
        decimals = max(-math.floor(math.log10(self.grid.step)), 0)
        return [round(value, decimals) + 0.0 for value in self.quantile(q).tolist()]

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
            # A value on the lattice is not less than itself, however its place was rounded.
            limits = np.asarray(values, float) - self.grid.step / 4
            return np.asarray(upto[np.searchsorted(middle, limits, side="left")], dtype=float)
        # Each cell's ends, so that what holds nothing stays level.
        ends = np.stack([low, high], axis=1).ravel()
        levels = np.stack([upto[:-1], upto[1:]], axis=1).ravel()
        finite = np.isfinite(ends)
        return np.interp(np.asarray(values, float), ends[finite], levels[finite])


def _ratio(units: int, count: int) -> float:
    """Units per count in steps: a quotient of whole numbers of any size, rounded once."""
    return units / (count * UNIT)


def _scaled(spread: int, count: int) -> float:
    return spread / (count * UNIT**2)
