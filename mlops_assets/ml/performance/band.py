"""Concept drift of a partition: is its figure outside of what partitions differ by anyway?

A partition's error rate or calibration gap is compared with the baseline partitions' own
differences. Detectors for streams (ADWIN, DDM, Page-Hinkley) are not the default: they take rows
for independent, and rows of one evening share their weather. On the flights they alarm hundreds of
times a year, in calm months too. A whole partition is one observation, and its neighbours tell how
much one observation varies.

Belongs here: the band and where a figure stands to it. Does not belong here: which partitions are
the baseline (`assets.monitoring`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_PARTITIONS = 8
SIGMAS = 3.0


@dataclass(frozen=True)
class Band:
    """What is usual: ``centre`` plus or minus ``threshold``, from so many baseline partitions."""

    centre: float
    threshold: float
    partitions: int

    @property
    def low(self) -> float:
        return self.centre - self.threshold

    @property
    def high(self) -> float:
        return self.centre + self.threshold

    def beyond(self, low: float, high: float, *, only_above: bool = False) -> bool:
        """Whether a figure's whole confidence interval lies outside of the band."""
        return low > self.high or (high < self.low and not only_above)


def band(
    figures: Sequence[float],
    rows: Sequence[int],
    *,
    floor: float,
    least: int = LEAST_PARTITIONS,
    sigmas: float = SIGMAS,
) -> Band | None:
    """The leave-one-out band of the baseline partitions' figures; None with fewer than ``least``.

    Args:
        figures: (k,) a rate of each partition, such as its error rate.
        rows: (k,) how many rows each is of.
        floor: the threshold is never smaller, however alike the partitions are.

    Each partition's effect is its distance from the mean of all others, weighted by rows; the
    threshold is max(floor, mean + ``sigmas`` standard deviations of the effects).

    >>> found = band([0.20, 0.21, 0.19, 0.20, 0.22, 0.18, 0.20, 0.20], [1000] * 8, floor=0.01)
    >>> round(found.centre, 3), found.beyond(0.27, 0.29), found.beyond(0.21, 0.23)
    (0.2, True, False)
    >>> band([0.2] * 3, [1000] * 3, floor=0.01) is None
    True
    """
    values, weights = np.asarray(figures, float), np.asarray(rows, float)
    if len(values) != len(weights):
        raise ValueError(f"{len(values)} figures and {len(weights)} rows: give one a partition")
    if len(values) and not (np.isfinite(values).all() and (weights > 0).all()):
        raise ValueError("figures must be finite and rows above 0: leave other partitions out")
    if len(values) < max(least, 2):
        return None
    total, count = float(weights @ values), float(weights.sum())
    others = (total - weights * values) / (count - weights)
    effects = np.abs(values - others)
    usual = float(effects.mean() + sigmas * effects.std(ddof=1))
    return Band(total / count, max(floor, usual), len(values))
