"""What lies beyond a grid's bins: counted by octaves of its distance from them.

Here: the cells, their edges, adding and taking away. Not here: the bins themselves.

The first 64 cells on either side are as wide as a bin, the next 64 twice as wide, and so on: a
distance is known to 1/64 however far it is. So a new grid can be laid over an old profile, and
drift is measured, also where the values have left the grid for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlops_assets.ml.profiles.grid import BINS

_BITS = 6
_WIDTH = 2**_BITS
_SHIFT = 52 - _BITS
_ONE = int(np.float64(1.0).view(np.int64)) >> _SHIFT
INFINITE = _WIDTH * 1000
"""The cell of infinities; below the bins, cells are counted from −1 down."""
_FARTHEST = 2.0**900
_LAST = (int(np.float64(_FARTHEST / _WIDTH + 1.0).view(np.int64)) >> _SHIFT) - _ONE


def _none(kind: type) -> np.ndarray:
    return np.empty(0, kind)


@dataclass(frozen=True, eq=False)
class Tails:
    """Counts of cells that hold something: ``cells`` int32 ascending, ``counts`` int64.

    Cell k ≥ 0 lies above the bins, cell −1 − k below.
    """

    cells: np.ndarray = field(default_factory=lambda: _none(np.int32))
    counts: np.ndarray = field(default_factory=lambda: _none(np.int64))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Tails)
            and np.array_equal(self.cells, other.cells)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, places: np.ndarray, counts: np.ndarray | None = None) -> Tails:
        """Count places beyond the bins, in steps from the grid's low end."""
        above = places > 0
        beyond = np.where(above, places - BINS, -places)
        np.clip(beyond, 0.0, _FARTHEST, out=beyond)
        # Bits of a float from 1 on, without the last ones, count octaves and parts of them.
        cells = ((beyond / _WIDTH + 1.0).view(np.int64) >> _SHIFT) - _ONE
        cells = np.where(above, cells, -1 - cells)
        if counts is not None:
            return cls._collect(cells, counts)
        first = int(cells.min(initial=0))
        found = np.bincount(cells - first)
        some = np.flatnonzero(found)
        return cls((some + first).astype(np.int32), found[some])

    @classmethod
    def endless(cls, places: np.ndarray, counts: np.ndarray | None = None) -> Tails:
        """Count infinities."""
        cells = np.where(places > 0, INFINITE, -1 - INFINITE)
        return cls._collect(cells, np.ones(len(cells), np.int64) if counts is None else counts)

    @property
    def endless_below(self) -> int:
        """How many are −∞."""
        return int(self.counts[0]) if len(self.cells) and self.cells[0] == -1 - INFINITE else 0

    @property
    def endless_above(self) -> int:
        """How many are ∞."""
        return int(self.counts[-1]) if len(self.cells) and self.cells[-1] == INFINITE else 0

    @classmethod
    def merge(cls, parts: Sequence[Tails]) -> Tails:
        """The sum of several, in any order the same."""
        some = [part for part in parts if len(part.cells)]
        if len(some) == 1:
            return some[0]
        if not some:
            return cls()
        return cls._collect(
            np.concatenate([part.cells for part in some]),
            np.concatenate([part.counts for part in some]),
        )

    def __sub__(self, other: Tails) -> Tails:
        return self._collect(
            np.concatenate([self.cells, other.cells]), np.concatenate([self.counts, -other.counts])
        )

    @classmethod
    def _collect(cls, cells: np.ndarray, counts: np.ndarray) -> Tails:
        # Cells are few enough to have a place each, which is faster than sorting them.
        first = int(cells.min(initial=0))
        total = np.zeros(int(cells.max(initial=0)) - first + 1, np.int64)
        np.add.at(total, cells - first, counts)
        some = np.flatnonzero(total)
        return cls((some + first).astype(np.int32), total[some])


def either(a: Tails, b: Tails) -> np.ndarray:
    """The cells that either has, ascending."""
    cells = np.concatenate([a.cells, b.cells])
    cells.sort(kind="stable")  # two ascending runs: merged in one pass
    return cells[np.concatenate([[True], cells[1:] != cells[:-1]])]


def edges(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where cells begin and end, in steps from the grid's low end; infinities are ±inf."""
    above = cells >= 0
    rank = np.where(above, cells, -1 - cells.astype(np.int64))
    inner, outer = _distance(rank), _distance(rank + 1)
    outer[rank >= _LAST] = np.inf
    inner[rank >= INFINITE] = outer[rank >= INFINITE] = np.inf
    return np.where(above, BINS + inner, -outer), np.where(above, BINS + outer, -inner)


def _distance(rank: np.ndarray) -> np.ndarray:
    bits = (np.minimum(rank, INFINITE).astype(np.int64) + _ONE) << _SHIFT
    return (bits.view(np.float64) - 1.0) * _WIDTH
