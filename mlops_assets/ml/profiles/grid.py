"""Where a column's values are counted: the bins of a number, the vocabulary of a text.

Here: grids, how one is fitted to the first values seen, and its version. Not here: counting
(`binning`, `categorical`), nor where a pipeline keeps its grids.

Profiles add up only on the same grid, so one is fitted once and kept. 4,096 bins of one width span
the values from percentile 0.05 to 99.95, padded by half that range on each side and clamped to the
observed extremes; two more take what lies beyond. Two kinds of column need a finer look:

- Where values lie on a lattice (whole numbers, tenths, a constant), every value gets a bin with
  itself in the middle, so that nothing is rounded.
- Where tails are so heavy that a bin would hold more than 0.2 % of the values, the range shrinks to
  inner percentiles. What lies beyond is not lost: it is counted by octaves (`binning.Tails`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

BINS = 4096
_SAMPLE = 65_536
_TAILS = (0.0005, 0.005, 0.025, 0.1)
_DENSEST = 0.002
# Steps outside of this range would overflow a float when divided by.
_LEAST_STEP, _MOST_STEP = 2.0**-900, 2.0**900


@dataclass(frozen=True)
class Grid:
    """Bins [low + k · step, low + (k + 1) · step), k < 4,096, in the column's own unit.

    ``centred``: the values lie in the middle of their bins, not anywhere in them.

    >>> grid = Grid.fit([0, 1, 1, 2, 5])
    >>> grid.centred, float(grid.middle(grid.bin(5.0)))
    (True, 5.0)
    """

    low: float
    step: float
    centred: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and _LEAST_STEP <= self.step <= _MOST_STEP):
            raise ValueError(f"a grid from {self.low} by {self.step} has no bins: fit it anew")

    @cached_property
    def version(self) -> str:
        """A digest: profiles of one version add up."""
        return _digest(self.record())

    @property
    def high(self) -> float:
        """Where the last bin ends."""
        return self.low + BINS * self.step

    def bin(self, value: float) -> int:
        """The bin that a value is counted in: below 0 or from 4,096 on, it lies beyond."""
        return math.floor((value - self.low) / self.step)

    def middle(self, index: ArrayLike) -> np.ndarray:
        """The middle of bins."""
        return np.asarray(self.low + (np.asarray(index, float) + 0.5) * self.step)

    def edges(self) -> np.ndarray:
        """The 4,097 edges of the bins."""
        return self.low + np.arange(BINS + 1) * self.step

    def record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"kind": "grid", **asdict(self)}

    @classmethod
    def fit(cls, values: ArrayLike) -> Grid:
        """The grid of a column's first values; without a finite value, one around zero.

        ``values``: numbers, shape (n,). More than 65,536 are sampled, always the same way; the
        extremes are those of all.
        """
        array = np.asarray(values)
        return cls.fit_chunks([array], len(array))

    @classmethod
    def fit_chunks(cls, chunks: Iterable[np.ndarray], rows: int) -> Grid:
        """`fit` of ``rows`` values that come in chunks, which need not fit the memory together."""
        sample, low, high = _look(chunks, rows)
        if not len(sample):
            return cls(-BINS / 2 - 0.5, 1.0, centred=True)
        distinct = np.unique(sample)
        return _lattice(distinct, low, high) or _continuous(sample, distinct, low, high)


@dataclass(frozen=True)
class Vocabulary:
    """The categories of a column that are always told by name: the most frequent ones at first.

    Any other is named too while there are few (`categorical.CAP`).
    """

    frequent: tuple[str, ...] = ()

    @cached_property
    def version(self) -> str:
        """A digest: profiles of one version add up."""
        return _digest(self.record())

    @cached_property
    def members(self) -> frozenset[str]:
        return frozenset(self.frequent)

    def record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"kind": "vocabulary", "frequent": list(self.frequent)}

    @classmethod
    def fit(cls, counts: Mapping[str, int], size: int = 512) -> Vocabulary:
        """The ``size`` most frequent categories, of equal ones the first by name.

        >>> Vocabulary.fit({"b": 3, "a": 3, "c": 1}, size=2).frequent
        ('a', 'b')
        """
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls(tuple(name for name, _ in ranked[:size]))


def from_record(record: Mapping[str, Any]) -> Grid | Vocabulary:
    """A grid as `record` told it.

    Raises:
        ValueError: it is neither a grid nor a vocabulary.
    """
    fields = dict(record)
    kind = fields.pop("kind", None)
    try:
        if kind == "grid":
            return Grid(float(fields["low"]), float(fields["step"]), bool(fields["centred"]))
        if kind == "vocabulary":
            return Vocabulary(tuple(str(name) for name in fields["frequent"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"a {kind} cannot be made of {sorted(fields)}: {error}") from error
    raise ValueError(f"{kind!r} is no grid: expected 'grid' or 'vocabulary'")


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:12]


def _look(chunks: Iterable[np.ndarray], rows: int) -> tuple[np.ndarray, float, float]:
    """A sorted sample of the finite values, and the least and greatest of all."""
    chosen = None
    if rows > _SAMPLE:
        chosen = np.sort(np.random.default_rng(0).integers(0, rows, _SAMPLE))
    taken: list[np.ndarray] = []
    low, high, start = math.inf, -math.inf, 0
    for chunk in chunks:
        least, most = _extremes(chunk)
        low, high = min(low, least), max(high, most)
        end = start + len(chunk)
        if chosen is None:
            taken.append(chunk)
        else:
            taken.append(chunk[chosen[(chosen >= start) & (chosen < end)] - start])
        # The extremes belong to the sample: else it might miss every value of a sparse column.
        taken.append(np.array([least, most]))
        start = end
    sample = np.concatenate([np.asarray(part, dtype=float) for part in taken] or [np.empty(0)])
    return np.sort(sample[np.isfinite(sample)]) + 0.0, low + 0.0, high + 0.0


def _extremes(chunk: np.ndarray) -> tuple[float, float]:
    if not len(chunk):
        return math.inf, -math.inf
    low, high = float(chunk.min()), float(chunk.max())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = chunk[np.isfinite(chunk)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (math.inf, -math.inf)


def _lattice(distinct: np.ndarray, low: float, high: float) -> Grid | None:
    """A grid with every value in the middle of a bin, where values are multiples of a quantum."""
    if low == high:
        step = 2.0 ** (math.floor(math.log2(max(abs(low), 1.0))) - 11)
        return Grid(low - (BINS / 2 + 0.5) * step, step, centred=True)
    quantum = 1.0
    whole = bool((distinct == np.rint(distinct)).all())
    if not whole or high - low >= BINS:
        if len(distinct) < 2:
            return None
        quantum = float(np.diff(distinct).min())
        if quantum < _LEAST_STEP * BINS or not (high - low) / quantum < BINS:
            return None
        places = (distinct - distinct[0]) / quantum
        if np.abs(places - np.rint(places)).max() > 1e-3:
            return None
        quantum = float(distinct[-1] - distinct[0]) / float(np.rint(places[-1]))
    # Finer by a power of two where there is room: values of another lattice may come later.
    finer = 2.0 ** math.floor(math.log2(BINS / (math.floor((high - low) / quantum + 0.5) + 1)))
    step = quantum / finer
    return Grid(low - step / 2, step, centred=True)


def _continuous(sample: np.ndarray, distinct: np.ndarray, low: float, high: float) -> Grid:
    whole = bool((distinct == np.rint(distinct)).all())
    grid = None
    for tail in _TAILS:
        inner = np.quantile(sample, [tail, 1 - tail], method="inverted_cdf")
        pad = inner[1] / 2 - inner[0] / 2
        bottom, top = max(inner[0] - pad, low), min(inner[1] + pad, high)
        if not bottom < top:
            break
        grid = _even(float(bottom), float(top), whole)
        places = np.floor((distinct - grid.low) / grid.step)
        inside = places[(places >= 0) & (places < BINS)].astype(np.int64)
        # Distinct values: one that is repeated is a spike, which no finer grid takes apart.
        if np.bincount(inside).max(initial=0) <= max(_DENSEST * len(sample), 2):
            break
    return grid or _even(low, high, whole)


def _even(low: float, high: float, whole: bool) -> Grid:
    if whole and high - low < 2.0**52:
        # As many whole numbers in each bin.
        step = float(math.ceil((high - low + 1) / BINS))
        return Grid(math.floor(low) - 0.5, step, centred=step == 1)
    # A little wider, so that the greatest value lies in the last bin and not on its end, also
    # when places are rounded (`binning`).
    step = (high / BINS - low / BINS) * (1 + 2.0**-36)
    return Grid(low, min(max(step, _LEAST_STEP), _MOST_STEP))
