"""Where a column's values are counted: the bins of a number, the vocabulary of a text.

Here: grids and their versions. Not here: fitting bins (`fitting`), counting (`binning`,
`categorical`), nor where a pipeline keeps its grids.

Profiles add up only on the same grid, so one is fitted once and kept. 4,096 bins of one width span
the values from percentile 0.05 to 99.95, padded by half that range on each side and clamped to the
observed extremes; two more take what lies beyond. Two kinds of column need a finer look:

- Where values lie on a lattice (whole numbers, tenths, a constant), every value gets a bin with
  itself in the middle, so that nothing is rounded.
- Where tails are so heavy that a bin would hold more than 0.2 % of the values, the range shrinks to
  inner percentiles. What lies beyond is not lost: it is counted by octaves (`tails`).

What no grid of even bins tells apart are values that crowd in less than a 4,096th of the range,
such as one of two modes that is a thousand times narrower than their distance.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mlops_assets.ml.profiles.fitting import BINS, LEAST_STEP, MOST_STEP, bins_for

__all__ = ["BINS", "Grid", "Vocabulary", "from_record"]


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
        if not (math.isfinite(self.low) and LEAST_STEP <= self.step <= MOST_STEP):
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

        ``values``: numbers, shape (n,). More than 32,768 are sampled, always the same way; the
        extremes are those of all.
        """
        array = np.asarray(values)
        return cls.fit_chunks([array], len(array)) or cls.without_values()

    @classmethod
    def fit_chunks(cls, chunks: Iterable[np.ndarray], rows: int) -> Grid | None:
        """`fit` of ``rows`` values that come in chunks, which need not fit the memory together.

        None where no value is finite.
        """
        found = bins_for(chunks, rows)
        return cls(*found) if found else None

    @classmethod
    def without_values(cls) -> Grid:
        """A grid for a column that has no value yet; another may take its place."""
        return cls(-BINS / 2 - 0.5, 1.0, centred=True)


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
        ranked = heapq.nsmallest(size, counts.items(), key=lambda item: (-item[1], item[0]))
        return cls(tuple(name for name, _ in ranked))


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
