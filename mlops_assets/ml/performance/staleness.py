"""What age does to a model: quality by age from a back-test, and what a fresher one would gain.

A pair is one model on one later partition; its age counts the partitions between them. Partitions
differ (a calm September flatters every model), so ages are compared **on the same partition**: what
a model loses there against the freshest that could have served it, the one of age 1.

Belongs here: the arithmetic of pairs. Does not belong here: making them (`assets.monitoring`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlops_assets.ml.metrics import LOWER_IS_BETTER
from mlops_assets.ml.performance.intervals import Measured

FRESHEST = 1
"""A model as of a partition holds that one out: the first that it serves is the next."""
LEAST_PAIRS = 3
"""From fewer partitions, what one age loses is read off the line through all ages instead."""
_REPEATS = 1000


@dataclass(frozen=True)
class Pair:
    """A model, named by its as-of partition, measured on a later partition."""

    as_of: str
    partition: str
    age: int
    value: float


@dataclass(frozen=True)
class AgeQuality:
    """Quality at one age.

    Args:
        mean: mean of the metric over the pairs of this age, with its interval.
        loss: how much worse than the freshest on the same partitions, in the metric's unit,
            positive is worse; None where no partition has both.
    """

    age: int
    pairs: int
    mean: Measured
    loss: Measured | None


@dataclass(frozen=True)
class Gain:
    """What a fresh model is expected to gain; ``gain.value`` above 0 is better.

    ``pairs`` is what the figure is from: those of this age or, where the back-test has fewer than
    `LEAST_PAIRS` of them, all, by the mean loss for each partition of age (``by_line``).
    """

    gain: Measured
    age: int
    pairs: int
    by_line: bool


def losses(pairs: Sequence[Pair], metric: str) -> dict[int, list[float]]:
    """{age: what models of it lose against the freshest, one figure a partition that has both}.

    >>> losses([Pair("1", "3", 2, 0.75), Pair("2", "3", 1, 0.5)], "log_loss")
    {2: [0.25]}
    """
    freshest = {pair.partition: pair.value for pair in pairs if pair.age == FRESHEST}
    sign = 1 if metric in LOWER_IS_BETTER else -1
    found: dict[int, list[float]] = {}
    for pair in sorted(pairs, key=lambda pair: (pair.age, pair.partition)):
        if pair.age > FRESHEST and pair.partition in freshest:
            loss = sign * (pair.value - freshest[pair.partition])
            found.setdefault(pair.age, []).append(loss)
    return found


def curve(pairs: Sequence[Pair], metric: str) -> tuple[AgeQuality, ...]:
    """Quality by age, youngest first, with intervals over the pairs of each age."""
    lost = losses(pairs, metric)
    found = []
    for age in sorted({pair.age for pair in pairs}):
        values = [pair.value for pair in pairs if pair.age == age]
        loss = _mean(lost[age]) if age in lost else None
        found.append(AgeQuality(age, len(values), _mean(values), loss))
    return tuple(found)


def loss_per_partition(pairs: Sequence[Pair], metric: str) -> Measured | None:
    """Mean loss for each partition of age beyond the freshest; None where nothing was compared.

    A line through the freshest, least squares; its interval resamples whole partitions, for the
    pairs of one partition share its luck.

    >>> pairs = [Pair(a, "4", n, 0.4 + n / 100) for a, n in (("3", 1), ("2", 2), ("1", 3))]
    >>> round(loss_per_partition(pairs, "log_loss").value, 6)
    0.01
    """
    freshest = {pair.partition: pair.value for pair in pairs if pair.age == FRESHEST}
    sign = 1 if metric in LOWER_IS_BETTER else -1
    groups: dict[str, tuple[float, float]] = {}
    for pair in pairs:
        if pair.age > FRESHEST and pair.partition in freshest:
            older = pair.age - FRESHEST
            lost = sign * (pair.value - freshest[pair.partition])
            above, below = groups.get(pair.partition, (0.0, 0.0))
            groups[pair.partition] = (above + older * lost, below + older**2)
    if not groups:
        return None
    sums = np.array(list(groups.values()))
    above, below = sums.sum(axis=0)
    slope = float(above / below)
    drawn = np.random.default_rng(0).integers(0, len(sums), (_REPEATS, len(sums)))
    resampled = sums[drawn].sum(axis=1)
    low, high = np.quantile(resampled[:, 0] / resampled[:, 1], [0.025, 0.975])
    return Measured(slope, min(float(low), slope), max(float(high), slope))


def expected_gain(pairs: Sequence[Pair], *, age: int, metric: str) -> Gain | None:
    """What a model trained now would gain over one that will be ``age`` partitions old.

    Args:
        age: of the champion on the next partition: 1 for one as of the newest partition.

    Returns None where the back-test compared nothing: nobody knows. A champion that is as fresh
    as a new one would be has a gain of zero.

    >>> pairs = [Pair("1", "3", 2, 0.50), Pair("2", "3", 1, 0.46)]
    >>> gain = expected_gain(pairs, age=2, metric="log_loss")
    >>> round(gain.gain.value, 4), gain.pairs, gain.by_line
    (0.04, 1, True)
    >>> expected_gain(pairs, age=1, metric="log_loss").gain.value
    0.0
    """
    if age <= FRESHEST:
        fresh = sum(pair.age == FRESHEST for pair in pairs)
        return Gain(Measured(0.0, 0.0, 0.0), FRESHEST, fresh, False)
    lost = losses(pairs, metric)
    if len(lost.get(age, ())) >= LEAST_PAIRS:
        return Gain(_mean(lost[age]), age, len(lost[age]), False)
    slope = loss_per_partition(pairs, metric)
    if slope is None:
        return None
    older = age - FRESHEST
    gain = Measured(slope.value * older, slope.low * older, slope.high * older)
    return Gain(gain, age, sum(map(len, lost.values())), True)


def _mean(values: Sequence[float]) -> Measured:
    """The mean with Student's 95 % interval; one value has none, and is its own bounds."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Measured(mean, mean, mean)
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return Measured(mean, mean - half, mean + half)
