"""Counting numbers on a grid, and adding them up so that the order of adding never shows.

Here: one pass over the values, in blocks that stay in the processor's cache. Not here: what a
profile says (`numeric`), where the bins are (`grid`).

Floating point sums depend on their order, so nothing here is summed in floating point that could
round. A value's place on the grid, (value − low) / step, is rounded once to a multiple of 2⁻²⁷
steps (2⁻³⁹ of the grid's range), as NumPy does everywhere alike. Multiples are whole numbers: their
sum, and the sum of their squares, is exact in any order and any chunking, and subtracting undoes
adding. Within a block whole numbers below 2⁵³ stand in floats, which is exact too and lets BLAS do
the work: a place is split into a part of 2⁻⁷ steps and a rest, so that no product or sum of 16,384
of them needs more than 53 bits (the splitting of Ozaki et al., "Error-free transformations of
matrix multiplication", Numerical Algorithms 59, 2012).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mlops_assets.ml.profiles.grid import BINS, Grid
from mlops_assets.ml.profiles.tails import Tails

FRACTION = 27
UNIT = 2**FRACTION
"""Whole units of the sums in a step of the grid."""

_BLOCK = 16_384
# BLAS starts threads for vectors above 10,000, which here cost more than they bring.
_DOT = 8_192
_COARSE = 7
# Adding and subtracting 1.5 · 2^(52 − b) rounds to multiples of 2^−b: the float has no more bits.
_TO_UNIT = 1.5 * 2.0 ** (52 - FRACTION)
_TO_COARSE = 1.5 * 2.0 ** (52 - _COARSE)
# What is rounded to a place from 0 to below 4,096 has a bin; halves are rounded to even units.
_FIRST, _LAST = -(2.0 ** -(FRACTION + 1)), BINS - 2.0 ** -(FRACTION + 1)
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
        self._place, self._coarse = np.empty(_BLOCK), np.empty(_BLOCK)
        self._index = np.empty(_BLOCK, np.int64)
        self._sum = self._squares = self._below = self._above = 0
        self._nan = self._inf = self._under = self._over = 0
        self._least, self._most = np.inf, -np.inf
        self._tails: list[Tails] = []
        self._far: list[np.ndarray] = []
        self._waiting = 0

    def add(self, block: np.ndarray) -> None:
        """Count one block of at most 16,384 values."""
        size = len(block)
        values = np.ascontiguousarray(block, dtype=np.float64)
        place, index = self._place[:size], self._index[:size]
        least, most, missing = values.min(), values.max(), 0
        if np.isnan(least):
            missing = size - int(np.count_nonzero(values == values))
            self._nan += missing
            if missing == size:
                return
            least, most = np.fmin.reduce(values), np.fmax.reduce(values)
        np.subtract(values, self._low, out=place)
        np.multiply(place, self._per_step, out=place)
        if not (self._inside(least) and self._inside(most)):
            missing += self._set_aside(values, place)
            if np.isinf(least) or np.isinf(most):
                known = values[np.isfinite(values)]
                least, most = known.min(initial=np.inf), known.max(initial=-np.inf)
        if missing:
            np.fmax(place, 0.0, out=place)
        self._least, self._most = min(self._least, least), max(self._most, most)
        # What has no bin is still there as a zero, to be taken off bin 0.
        self._bins[0] -= missing
        np.add(place, _TO_UNIT, out=place)
        # The low bits of the float are now the place in units: shifted, its bin.
        np.right_shift(place.view(np.int64), FRACTION, out=index)
        np.bitwise_and(index, BINS - 1, out=index)
        self._bins += np.bincount(index, minlength=BINS)
        np.subtract(place, _TO_UNIT, out=place)
        self._add_sums(place)

    def _inside(self, value: np.float64) -> bool:
        """Whether a value has a bin, by the very arithmetic that counts it."""
        return bool(_FIRST <= (value - self._low) * self._per_step < _LAST)

    def _set_aside(self, values: np.ndarray, place: np.ndarray) -> int:
        """Count what lies beyond the bins, and make zeros of it. Returns how many it is."""
        over = place >= _LAST
        outside = np.logical_or(place < _FIRST, over)
        count, above = int(np.count_nonzero(outside)), int(np.count_nonzero(over))
        self._over += above
        self._under += count - above
        beyond = place[outside]
        np.copyto(place, 0.0, where=outside)
        # Places overflow before values do: only an infinite value counts as infinite.
        if np.isinf(beyond).any():
            endless = np.isinf(values[outside])
            self._inf += int(np.count_nonzero(endless))
            self._tails.append(Tails.endless(beyond[endless]))
            beyond = beyond[~endless]
        if self._waiting + len(beyond) > _BLOCK:
            self._flush()
        self._far.append(beyond)
        self._waiting += len(beyond)
        return count

    def _flush(self) -> None:
        """Count what lies beyond the bins, of some blocks at once: it mostly is little."""
        if self._waiting:
            beyond = np.concatenate(self._far)
            self._tails.append(Tails.of(beyond))
            self._add_far(np.clip(beyond, -_FARTHEST, _FARTHEST, out=beyond))
        self._far, self._waiting = [], 0

    def _add_sums(self, place: np.ndarray) -> None:
        coarse = self._coarse[: len(place)]
        np.add(place, _TO_COARSE, out=coarse)
        np.subtract(coarse, _TO_COARSE, out=coarse)
        np.subtract(place, coarse, out=place)
        for start in range(0, len(place), _DOT):
            c, r = coarse[start : start + _DOT], place[start : start + _DOT]
            self._sum += int(c.sum() * UNIT) + int(r.sum() * UNIT)
            square = int(c.dot(c) * 4.0**_COARSE) << 2 * (FRACTION - _COARSE)
            mixed = int(c.dot(r) * 2.0 ** (_COARSE + FRACTION)) << (FRACTION - _COARSE)
            self._squares += square + 2 * mixed + int(r.dot(r) * 4.0**FRACTION)

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
            extremes=(float(self._least) + 0.0, float(self._most) + 0.0) if known else None,
        )
