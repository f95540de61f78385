"""One figure from several partitions: what each showed by itself, and how sure they are together.

Belongs here: the estimate, the pooling, and whether one of many is below zero by more than chance.
Does not belong here: what was measured, nor of which partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

_CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2)


@dataclass(frozen=True)
class Estimate:
    """A figure measured on so many rows, with the 95 % interval of it."""

    rows: int
    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """The standard error that the interval tells of, taken as a normal one."""
        return (self.high - self.low) / (2 * _Z)

    def below_zero_of(self, many: int) -> bool:
        """Whether the figure is below zero by more than the least of ``many`` would be by chance.

        One-sided, at the level of the interval's tail divided by ``many`` (Bonferroni).

        >>> worst = Estimate(rows=300, value=-0.02, low=-0.038, high=-0.002)
        >>> worst.below_zero_of(1), worst.below_zero_of(20)
        (True, False)
        """
        z = NormalDist().inv_cdf(1 - (1 - _CONFIDENCE) / 2 / many)
        return self.value + z * self.error < 0


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """The mean over all rows of all partitions, each of which was drawn by itself.

    Partitions are strata: the mean is weighted by rows, and its variance is the sum of theirs by
    the square of those weights (Cochran, "Sampling Techniques", 3rd edition 1977, equation 5.7).

    Raises:
        ValueError: no estimate at all.

    >>> first, second = Estimate(100, 1.0, 0.0, 2.0), Estimate(300, 3.0, 2.0, 4.0)
    >>> both = pooled([first, second])
    >>> both.rows, both.value, round(both.high - both.low, 2)
    (400, 2.5, 1.58)
    """
    if not estimates:
        raise ValueError("nothing to pool: give at least one estimate")
    rows = sum(each.rows for each in estimates)
    value = sum(each.rows * each.value for each in estimates) / rows
    error = sum((each.rows * each.error) ** 2 for each in estimates) ** 0.5 / rows
    return Estimate(rows, value, value - _Z * error, value + _Z * error)
