"""When a training job is stopped early, and when a tuning job is over: pure rules on metric values.

Belongs here: the median rule, Hyperband's successive halving, completion criteria. Does not belong
here: reading metrics (objective_log.py), stopping jobs (tuning_run.py).

Scores are to be minimized: a metric to be maximized comes with its sign changed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

REDUCTION = 3  # of three jobs that reach a rung one goes on
NOTABLE = 0.01  # the service's words: an improvement by 1% or more
CONVERGED_AFTER = 10  # jobs without a notable improvement; the service does not tell its number


def worse_than_median(scores: Sequence[float], previous: Sequence[Sequence[float]]) -> bool:
    """Whether a job's last score is worse than its predecessors were on their way to that epoch.

    The rule of "Stop Training Jobs Early" in SageMaker's Developer Guide: the value after the
    latest epoch against the median, over the previous training jobs, of each one's running average
    up to the same epoch.

    >>> worse_than_median([9.0, 8.0], [[9.0, 7.0, 5.0], [10.0, 6.0]])
    False
    >>> worse_than_median([9.0, 8.5], [[9.0, 7.0, 5.0], [10.0, 6.0]])
    True
    """
    if not scores:
        return False
    averages = [statistics.fmean(values[: len(scores)]) for values in previous if values]
    return bool(averages) and scores[-1] > statistics.median(averages)


@dataclass(frozen=True)
class Hyperband:
    """Asynchronous successive halving in brackets (Li et al., JMLR 2018, and MLSys 2020).

    Resources are epochs, each of them one value of the objective metric.
    """

    low: int
    high: int

    @property
    def brackets(self) -> int:
        """One for each rung that a job can be judged at first, and one that judges none."""
        return int(math.log(self.high / self.low, REDUCTION) + 1e-9) + 1

    def rungs(self, bracket: int) -> list[int]:
        """The epochs after which jobs of a bracket are judged.

        >>> Hyperband(1, 27).rungs(0), Hyperband(1, 27).rungs(2)
        ([1, 3, 9], [9])
        """
        found = []
        epoch = self.low * REDUCTION**bracket
        while epoch < self.high:
            found.append(epoch)
            epoch *= REDUCTION
        return found

    def bracket(self, number: int) -> int:
        """The bracket of a training job by its number: each gets a like share of the epochs.

        Lower brackets stop jobs sooner, so more jobs belong to them.
        """
        total = self.brackets
        shares = [math.ceil(total * REDUCTION**s / (s + 1)) for s in reversed(range(total))]
        place = number % sum(shares)
        for bracket, share in enumerate(shares):
            if place < share:
                return bracket
            place -= share
        raise AssertionError(place)

    def reached(self, bracket: int, scores: Sequence[float]) -> Iterator[tuple[int, float]]:
        """The rungs that a job has come to, each with its best score until there."""
        for epoch in self.rungs(bracket):
            if epoch <= len(scores):
                yield epoch, min(scores[:epoch])


def promoted(score: float, others: Sequence[float]) -> bool:
    """Whether a job goes on from a rung: among the best third of those that came to it so far.

    >>> promoted(2.0, [1.0, 3.0, 4.0]), promoted(2.0, [1.0, 3.0])
    (False, False)
    >>> promoted(1.0, [2.0])
    True
    """
    ranked = sorted([*others, score])
    return score <= ranked[max(0, len(ranked) // REDUCTION - 1)]


@dataclass(frozen=True)
class Criteria:
    """TuningJobCompletionCriteria; None is no such criterion. ``target`` is a score, too."""

    target: float | None = None
    not_improving: int | None = None
    on_convergence: bool = False

    def met(self, scores: Sequence[float]) -> str | None:
        """Which of them the scores of the jobs that have ended meet, in words; None for none."""
        stale = jobs_without_improvement(scores)
        if self.target is not None and any(score <= self.target for score in scores):
            return "the target objective metric value was reached"
        if self.not_improving is not None and stale >= self.not_improving:
            return f"{stale} training jobs did not improve the objective metric"
        if self.converged(scores):
            return "the tuning job has converged"
        return None

    def converged(self, scores: Sequence[float]) -> bool:
        """Whether convergence is looked for and was found."""
        return self.on_convergence and jobs_without_improvement(scores) >= CONVERGED_AFTER


def jobs_without_improvement(scores: Sequence[float]) -> int:
    """How many of the last jobs, in the order of their ends, were not better by 1% than the best.

    >>> jobs_without_improvement([10.0, 5.0, 4.99, 6.0])
    2
    """
    best, stale = math.inf, 0
    for score in scores:
        if best is math.inf or (best - score >= NOTABLE * abs(best) and score < best):
            best, stale = score, 0
        else:
            stale += 1
    return stale


def standardized(scores: Sequence[float]) -> list[float]:
    """Scores of one tuning job in its own mean and deviation, so that jobs on other data compare.

    Yogatama and Mann, "Efficient Transfer Learning Method for Automatic Hyperparameter Tuning",
    AISTATS 2014.

    >>> standardized([1.0, 3.0])
    [-1.0, 1.0]
    """
    if not scores:
        return []
    mean, deviation = statistics.fmean(scores), statistics.pstdev(scores)
    return [(score - mean) / deviation if deviation else 0.0 for score in scores]
