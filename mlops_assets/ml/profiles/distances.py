"""How far two profiles of one column lie apart, in one pass over their bins.

Here: effect sizes. Not here: what counts as drift (`ml.drift`), how likely an effect is by chance.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.grid import BINS
from mlops_assets.ml.profiles.numeric import NumericProfile, ProfileMismatch
from mlops_assets.ml.profiles.tails import edges, either

_P = TypeVar("_P", NumericProfile, CategoricalProfile)
_LEAST_SHARE = 1e-3
_SHARED = 0.0025  # more than a cell of values that differ ever holds (`fitting`)
_BINS = np.arange(BINS + 1, dtype=float)


def ks(a: NumericProfile, b: NumericProfile) -> float:
    """Kolmogorov and Smirnov's distance, the greatest difference of the distribution functions.

    0 to 1; NaN when a side has no value. Exact where every value has a bin of its own, else at the
    edges of bins.
    """
    if not (a.present and b.present):
        return math.nan
    first, second = _shares(a, b)
    return float(np.abs(np.cumsum(first - second)).max())


def wasserstein(a: NumericProfile, b: NumericProfile) -> float:
    """Wasserstein's distance of order 1 (earth mover's), in the column's unit.

    The integral of the difference of the distribution functions; divide it by ``std`` of the
    baseline to compare columns. Of finite values; NaN when a side has none.
    """
    if not (a.present > a.inf and b.present > b.inf):
        return math.nan
    (low, high), first, second = _aligned(a, b)
    finite = np.isfinite(low) & np.isfinite(high)
    difference = np.cumsum(
        first[finite] / first[finite].sum() - second[finite] / second[finite].sum()
    )
    low, high = low[finite], high[finite]
    if a.grid.centred:
        at = (low + high) / 2
        return float(np.abs(difference[:-1]) @ np.diff(at) * a.grid.step)
    before = np.concatenate([[0.0], difference[:-1]])
    # Between cells that hold nothing the difference stays as it was.
    gaps = np.abs(difference[:-1]) @ (low[1:] - high[:-1])
    return float((_area(before, difference) @ (high - low) + gaps) * a.grid.step)


def psi(a: NumericProfile | CategoricalProfile, b: NumericProfile | CategoricalProfile) -> float:
    """The population stability index of ``a`` against the baseline ``b``.

    Σ (p − q) ln(p / q) over the baseline's deciles (right-closed, equal ones joined), or over
    categories. A share below 0.1 % counts as 0.1 %: an empty one would be infinitely far, and a
    smaller bound would weigh single rows. NaN when a side has no value.
    """
    if not (a.present and b.present):
        return math.nan
    first, second = counts(a, b)
    if isinstance(b, NumericProfile):
        first, second = _by_decile(first, second, snap=b.grid.centred)
    p = np.maximum(first / a.present, _LEAST_SHARE)
    q = np.maximum(second / b.present, _LEAST_SHARE)
    return float(((p - q) * np.log(p / q)).sum())


def total_variation(
    a: NumericProfile | CategoricalProfile, b: NumericProfile | CategoricalProfile
) -> float:
    """Half the sum of the differences of the shares of categories (or of bins): 0 to 1.

    NaN when a side has no value. Categories that are not named count as one.
    """
    if not (a.present and b.present):
        return math.nan
    first, second = counts(a, b)
    return float(np.abs(first / a.present - second / b.present).sum() / 2)


def counts(
    a: NumericProfile | CategoricalProfile, b: NumericProfile | CategoricalProfile
) -> tuple[np.ndarray, np.ndarray]:
    """Both sides' counts over the same cells (numbers) or categories (sorted, the unnamed last).

    Raises:
        ProfileMismatch: a side is numeric and the other categorical, or their grids differ.
    """
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
        _, first, second = _aligned(a, b)
        return first, second
    if isinstance(a, CategoricalProfile) and isinstance(b, CategoricalProfile):
        a, b = named_alike(a, b)
        names = sorted(a.counts.keys() | b.counts.keys())
        return (
            np.array([*(a.counts.get(name, 0) for name in names), a.other], np.int64),
            np.array([*(b.counts.get(name, 0) for name in names), b.other], np.int64),
        )
    raise ProfileMismatch(f"a {a.kind} and a {b.kind} column cannot be compared")


def named_alike(
    a: CategoricalProfile, b: CategoricalProfile
) -> tuple[CategoricalProfile, CategoricalProfile]:
    """Both with only those categories named that the other would name, too."""
    if a.version != b.version:
        a, b = a.forgotten(), b.forgotten()
    reach = min(a.reach, b.reach)
    return a.reached(reach), b.reached(reach)


def _shares(a: NumericProfile, b: NumericProfile) -> tuple[np.ndarray, np.ndarray]:
    _, first, second = _aligned(a, b)
    return first / a.present, second / b.present


def _by_decile(
    first: np.ndarray, second: np.ndarray, *, snap: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Both sides' rows in the deciles of the second.

    A decile inside of a cell divides it in proportion. A cell that values share, as on a lattice,
    is not divided: it goes to the lower decile whole.
    """
    upto, total = np.cumsum(second), second.sum()
    rank = np.arange(1, 10) / 10 * total
    cell = np.minimum(np.searchsorted(upto, rank - 1e-9, side="left"), len(second) - 1)
    whole = (second[cell] > _SHARED * total) | snap
    part = np.where(whole, 1.0, (rank - upto[cell] + second[cell]) / np.maximum(second[cell], 1))
    edge = np.unique(cell + part)
    places = np.arange(len(second) + 1)
    ends = np.concatenate([[0], edge, [len(second)]])
    split = [
        np.diff(np.interp(ends, places, np.concatenate([[0], np.cumsum(side)])))
        for side in (first, second)
    ]
    return split[0], split[1]


def _aligned(
    a: NumericProfile, b: NumericProfile
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """The bins with the cells beyond that either has: (edges in steps, counts of a, of b)."""
    if a.grid != b.grid and a.present and b.present:
        raise ProfileMismatch(
            f"counted on grids {a.grid.version} and {b.grid.version}: regrid() one like the other"
        )
    if not (len(a.tails.cells) or len(b.tails.cells)):
        return (_BINS[:-1], _BINS[1:]), a.counts[1:-1], b.counts[1:-1]
    cells = either(a.tails, b.tails)
    under = int(np.searchsorted(cells, 0))
    low, high = edges(cells)
    start = np.concatenate([low[:under], _BINS[:-1], low[under:]])
    end = np.concatenate([high[:under], _BINS[1:], high[under:]])
    return (start, end), _on(a, cells, under), _on(b, cells, under)


def _on(profile: NumericProfile, cells: np.ndarray, under: int) -> np.ndarray:
    found = np.zeros(len(cells) + BINS, np.int64)
    place = np.searchsorted(cells, profile.tails.cells)
    found[place + BINS * (place >= under)] = profile.tails.counts
    found[under : under + BINS] = profile.counts[1:-1]
    return found


def _area(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The mean of |difference| over a cell, where the difference changes linearly."""
    left, right = np.abs(before), np.abs(after)
    crossing = before * after < 0
    both = np.where(left + right > 0, left + right, 1.0)
    return np.where(crossing, (left**2 + right**2) / (2 * both), (left + right) / 2)
