"""Where bins go, from the first values that a column brings.

Here: looking for a lattice, else for a range. Not here: what bins are (`grid`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

BINS = 4096
# Steps outside of this range would overflow a float when divided by.
LEAST_STEP, MOST_STEP = 2.0**-900, 2.0**1015

_SAMPLE = 32_768
_BLOCK = 32_768
_TAILS = (0.0005, 0.005, 0.025, 0.1)
_DENSEST = 0.002


class Bins(NamedTuple):
    """The low end, the width, and whether values lie in the middle of their bins."""

    low: float
    step: float
    centred: bool


def bins_for(chunks: Iterable[np.ndarray], rows: int) -> Bins | None:
    """Bins for ``rows`` numbers that come in chunks; None where none of them is finite.

    More than 32,768 are sampled, always the same way; the extremes are those of all.
    """
    sample, low, high = _look(chunks, rows)
    if not len(sample):
        return None
    distinct = sample[np.concatenate([[True], sample[1:] != sample[:-1]])]
    return _lattice(distinct, low, high) or _continuous(sample, distinct, low, high)


def _look(chunks: Iterable[np.ndarray], rows: int) -> tuple[np.ndarray, float, float]:
    """A sorted sample of the finite values, and the least and greatest of all."""
    chosen = _chosen(rows) if rows > _SAMPLE else None
    taken: list[np.ndarray] = []
    low, high, start = math.inf, -math.inf, 0
    for chunk in chunks:
        least, most = _extremes(chunk)
        low, high = min(low, least), max(high, most)
        end = start + len(chunk)
        if chosen is None:
            taken.append(chunk)
        else:
            first, last = np.searchsorted(chosen, [start, end])
            taken.append(chunk.take(chosen[first:last] - start))
        # The extremes belong to the sample: else it might miss every value of a sparse column.
        taken.append(np.array([least, most]))
        start = end
    sample = np.concatenate([np.asarray(part, dtype=float) for part in taken] or [np.empty(0)])
    finite = np.isfinite(sample)
    if not finite.all():
        sample = sample[finite]
    sample.sort()
    sample += 0.0
    return sample, low + 0.0, high + 0.0


@lru_cache(maxsize=1)
def _chosen(rows: int) -> np.ndarray:
    """The rows to sample: the same for each column of a frame."""
    # One of each of as many stretches of rows, at random: a period in the rows cannot hide.
    shifts = np.random.default_rng(0).random(_SAMPLE)
    chosen = ((np.arange(_SAMPLE) + shifts) * (rows / _SAMPLE)).astype(np.int64)
    chosen.setflags(write=False)
    return chosen


def _extremes(chunk: np.ndarray) -> tuple[float, float]:
    """The least and the greatest finite value, block by block: the second look finds it cached."""
    low, high = math.inf, -math.inf
    for start in range(0, len(chunk), _BLOCK):
        block = chunk[start : start + _BLOCK]
        least, most = float(np.fmin.reduce(block)), float(np.fmax.reduce(block))
        if math.isinf(least) or math.isinf(most):
            finite = block[np.isfinite(block)].astype(float)
            least, most = finite.min(initial=math.inf), finite.max(initial=-math.inf)
        # A block without a value has NaN, which is neither less nor more.
        low, high = min(low, float(least)), max(high, float(most))
    return low, high


def _lattice(distinct: np.ndarray, low: float, high: float) -> Bins | None:
    """A grid with every value in the middle of a bin, where values are multiples of a quantum."""
    if low == high:
        step = 2.0 ** (math.floor(math.log2(max(abs(low), 1.0))) - 11)
        return Bins(max(low - (BINS / 2 + 0.5) * step, -sys.float_info.max), step, True)
    quantum = 1.0
    whole = bool((distinct == np.rint(distinct)).all())
    if not whole or high - low >= BINS:
        if len(distinct) < 2:
            return None
        quantum = float(np.diff(distinct).min())
        if quantum < LEAST_STEP * BINS or not (high - low) / quantum < BINS:
            return None
        places = (distinct - distinct[0]) / quantum
        if np.abs(places - np.rint(places)).max() > 1e-3:
            return None
        quantum = float(distinct[-1] - distinct[0]) / float(np.rint(places[-1]))
    # Finer by a power of two where there is room: values of another lattice may come later.
    finer = 2.0 ** math.floor(math.log2(BINS / (math.floor((high - low) / quantum + 0.5) + 1)))
    step = quantum / finer
    return Bins(low - step / 2, step, True)


def _continuous(sample: np.ndarray, distinct: np.ndarray, low: float, high: float) -> Bins:
    whole = bool((distinct == np.rint(distinct)).all())
    grid = None
    for tail in _TAILS:
        cut = math.floor(tail * len(sample))
        first, last = float(sample[cut]), float(sample[-1 - cut])
        pad = last / 2 - first / 2
        bottom, top = max(first - pad, low), min(last + pad, high)
        if not bottom < top:
            break
        grid = _even(bottom, top, whole)
        with np.errstate(over="ignore"):
            places = np.floor((distinct - grid.low) / grid.step)
        inside = places[(places >= 0) & (places < BINS)].astype(np.int64)
        # Distinct values: one that is repeated is a spike, which no finer grid takes apart.
        if np.bincount(inside).max(initial=0) <= max(_DENSEST * len(sample), 2):
            break
    return grid or _even(low, high, whole)


def _even(low: float, high: float, whole: bool) -> Bins:
    if whole and high - low < 2.0**52:
        # As many whole numbers in each bin.
        step = float(math.ceil((high - low + 1) / BINS))
        return Bins(math.floor(low) - 0.5, step, step == 1)
    # A little wider, so that the greatest value lies in the last bin and not on its end, also
    # when places are rounded (`binning`).
    step = (high / BINS - low / BINS) * (1 + 2.0**-36)
    return Bins(low, min(max(step, LEAST_STEP), MOST_STEP), False)
