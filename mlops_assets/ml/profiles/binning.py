"""Counting numbers on a grid, and adding them up so that the order of adding never shows.

Here: one pass over the values, in blocks that stay in the processor's cache. Not here: what a
profile says (`numeric`), where the bins are (`grid`).

Floating point sums depend on their order, so nothing here is summed in floating point that could
round. A value's place on the grid, (value − low) / step, is rounded once to a multiple of 2⁻²⁷
steps (2⁻³⁹ of the grid's range), as NumPy does everywhere alike. Multiples are whole numbers: their
sum, and the sum of their squares, is exact in any order and any chunking, and subtracting undoes
adding. The squares of a block need 92 bits. Whole numbers of 64 bits that overflow keep the lower
64 of them, and a sum in floating point, which errs by less than 2⁵⁵, tells the upper ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mlops_assets.ml.profiles.grid import BINS, Grid
from mlops_assets.ml.profiles.tails import Tails

FRACTION = 27
UNIT = 2**FRACTION
"""Whole units of the sums in a step of the grid."""

_BLOCK = 24_576
# BLAS starts threads for vectors above 10,000, which here cost more than they bring.
_DOT = 8_192
_MODULUS = 2**64
# Adding 1.5 · 2^(52 − b) rounds to multiples of 2^−b: the float has no more bits. Seen as a whole
# number, the sum is that of nothing and the multiple.
_TO_UNIT = 1.5 * 2.0 ** (52 - FRACTION)
_NOTHING = int(np.float64(_TO_UNIT).view(np.int64))
# What is rounded to a place from 0 to below 4,096 has a bin; halves are rounded to even units.
_FIRST, _LAST = -(2.0 ** -(FRACTION + 1)), BINS - 2.0 ** -(FRACTION + 1)
# Bits of floats from 0 on ascend with them. Those of negative ones and of NaN are above all.
_LAST_BITS = np.float64(_LAST).view(np.uint64)
# With more missing values than this part of a block, the others are moved together first.
_SPARSE = 0.25
# Places beyond count as this far away, so that no sum becomes infinite.
_FARTHEST = 2.0**400


@dataclass(frozen=True)
class Binned:
    """What a column's values add up to; ``counts``: (below, 4,096 bins, above), int64.

    ``inside``, ``below``, ``above``: sums of places in units, of the values in the bins and of
    those beyond; ``squares``: the sum of the squares of all of them. ``extremes``: of the finite
    values, None without one. ``nan`` are in no bin; infinities (``inf``) are in the outer ones.
    """

    counts: np.ndarray
    tails: Tails
    inside: int
    below: int
    above: int
    squares: int
    nan: int
    inf: int
    extremes: tuple[float, float] | None


def count(chunks: Iterable[np.ndarray], grid: Grid) -> Binned:
    """Count numbers of any dtype on a grid; NaN is counted apart."""
    counter = _Counter(grid)
    with np.errstate(all="ignore"):
        for chunk in chunks:
            for start in range(0, len(chunk), _BLOCK):
                counter.add(chunk[start : start + _BLOCK])
    return counter.result()


def place(values: np.ndarray, counts: np.ndarray, grid: Grid) -> Binned:
    """`count` of ``values``, each as often as ``counts`` says: an old profile on a new grid."""
    with np.errstate(all="ignore"):
        units = np.rint(np.clip((values - grid.low) / grid.step, -_FARTHEST, _FARTHEST) * UNIT)
    finite = np.isfinite(values)
    far = units / UNIT
    inside = (units >= 0) & (units < BINS * UNIT)
    above = ~inside & (units > 0)
    bins = np.zeros(BINS + 2, np.int64)
    index = np.where(inside, units // UNIT + 1, np.where(above, BINS + 1, 0)).astype(np.int64)
    np.add.at(bins, index, counts)
    sums, squares = [0, 0, 0], 0
    for unit, often, where in zip(
        map(int, units[finite].tolist()),
        counts[finite].tolist(),
        (inside * 1 + above * 2)[finite].tolist(),
        strict=True,
    ):
        sums[where] += unit * often
        squares += unit * unit * often
    return Binned(
        counts=bins,
        tails=Tails.merge(
            [
                Tails.of(far[~inside & finite], counts[~inside & finite]),
                Tails.endless(far[~finite], counts[~finite]),
            ]
        ),
        below=sums[0],
        inside=sums[1],
        above=sums[2],
        squares=squares,
        nan=0,
        inf=int(counts[~finite].sum()),
        extremes=None,
    )


class _Counter:
    def __init__(self, grid: Grid) -> None:
        self._low, self._per_step = grid.low, 1.0 / grid.step
        self._bins = np.zeros(BINS, np.int64)
        self._place, self._index = np.empty(_BLOCK), np.empty(_BLOCK, np.int64)
        self._aside = np.empty(_BLOCK, np.bool_)
        self._sum = self._squares = self._below = self._above = 0
        self._nan = self._inf = self._under = self._over = 0
        self._least, self._most = math.inf, -math.inf
        self._tails: list[Tails] = []
        self._far: list[np.ndarray] = []
        self._waiting = 0

    def add(self, block: np.ndarray) -> None:
        """Count one block of at most 24,576 values."""
        size, missing = len(block), 0
        values = np.ascontiguousarray(block, dtype=np.float64)
        least, most = float(np.fmin.reduce(values)), float(np.maximum.reduce(values))
        if math.isnan(most):
            known = np.equal(values, values, out=self._aside[:size])
            missing = size - int(np.count_nonzero(known))
            self._nan += missing
            if missing > _SPARSE * size:
                if missing < size:
                    self.add(values.take(np.flatnonzero(known)))
                return
            most = float(np.fmax.reduce(values))
        place = self._place[:size]
        np.subtract(values, self._low, out=place)
        np.multiply(place, self._per_step, out=place)
        first, last = self._at(least), self._at(most)
        if missing or not (first >= _FIRST and last < _LAST):
            endless = math.isinf(first) or math.isinf(last)
            # What has no bin is still there as a zero, to be taken off bin 0.
            self._bins[0] -= missing + self._set_aside(values, place, missing, endless)
            if math.isinf(least) or math.isinf(most):
                finite = values[np.isfinite(values)]
                least = float(finite.min(initial=math.inf))
                most = float(finite.max(initial=-math.inf))
        self._least, self._most = min(self._least, least), max(self._most, most)
        self._add_places(place)

    def _at(self, value: float) -> float:
        """A value's place, by the very arithmetic that counts it."""
        return (value - self._low) * self._per_step

    def _set_aside(self, values: np.ndarray, place: np.ndarray, missing: int, endless: bool) -> int:
        """Count what lies beyond the bins, and make zeros of it and of what is missing.

        ``endless``: whether any place may be infinite. Returns how many lie beyond.
        """
        aside = self._aside[: len(place)]
        np.greater_equal(place.view(np.uint64), _LAST_BITS, out=aside)
        where = np.flatnonzero(aside)
        beyond = place.take(where)
        place[where] = 0.0
        if len(where) == missing:
            return 0
        under, over = beyond < _FIRST, beyond >= _LAST
        below, above = int(np.count_nonzero(under)), int(np.count_nonzero(over))
        self._under += below
        self._over += above
        if below + above < len(beyond):
            # Missing values, and what is rounded up to 0.
            held = under | over
            beyond, where = beyond[held], where[held]
        if endless:
            # Places overflow before values do: only an infinite value counts as infinite.
            infinite = np.isinf(values[where])
            self._inf += int(np.count_nonzero(infinite))
            self._tails.append(Tails.endless(beyond[infinite]))
            beyond = beyond[~infinite]
        if self._waiting + len(beyond) > _BLOCK:
            self._flush()
        self._far.append(beyond)
        self._waiting += len(beyond)
        return below + above

    def _flush(self) -> None:
        """Count what lies beyond the bins, of some blocks at once: it mostly is little."""
        if self._waiting:
            beyond = np.concatenate(self._far)
            self._tails.append(Tails.of(beyond))
            self._add_far(np.clip(beyond, -_FARTHEST, _FARTHEST, out=beyond))
        self._far, self._waiting = [], 0

    def _add_places(self, place: np.ndarray) -> None:
        """Count places and add them up."""
        index = self._index[: len(place)]
        parts = (place[start : start + _DOT] for start in range(0, len(place), _DOT))
        nearly = sum(float(part.dot(part)) for part in parts)
        bits = np.add(place, _TO_UNIT, out=place).view(np.int64)
        np.right_shift(bits, FRACTION, out=index)
        np.bitwise_and(index, BINS - 1, out=index)
        self._bins += np.bincount(index, minlength=BINS)
        nothing = len(place) * _NOTHING
        total = (int(bits.sum()) - nothing) % _MODULUS
        np.multiply(bits, bits, out=index)
        # (nothing + unit)² = nothing² + 2 · nothing · unit + unit²
        lower = (int(index.sum()) - _NOTHING * (nothing + 2 * total)) % _MODULUS
        upper = round(nearly * (UNIT * UNIT / _MODULUS) - lower / _MODULUS)
        self._sum += total
        self._squares += upper * _MODULUS + lower

    def _add_far(self, places: np.ndarray) -> None:
        """Add places beyond the bins, which may need more than 64 bits."""
        units = np.rint(np.multiply(places, UNIT, out=places), out=places)
        near = np.abs(units) < 2.0**48
        if not near.all():
            for unit in map(int, units[~near].tolist()):
                self._below += min(unit, 0)
                self._above += max(unit, 0)
                self._squares += unit * unit
            units = units[near]
        small = units.astype(np.int64)
        above = int(np.maximum(small, 0).sum())
        self._above += above
        self._below += int(small.sum()) - above
        # Whole numbers a · 2²⁴ + b: products of their parts fit 64 bits, also added up.
        a, b = small >> 24, small & (2**24 - 1)
        self._squares += (int(a @ a) << 48) + (int(a @ b) << 25) + int(b @ b)

    def result(self) -> Binned:
        self._flush()
        counts = np.concatenate([[self._under], self._bins, [self._over]]).astype(np.int64)
        known = self._least <= self._most
        return Binned(
            counts=counts,
            tails=Tails.merge(self._tails),
            inside=self._sum,
            below=self._below,
            above=self._above,
            squares=self._squares,
            nan=self._nan,
            inf=self._inf,
            extremes=(self._least + 0.0, self._most + 0.0) if known else None,
        )
