"""A bias metric's value with its bootstrap interval, and whether it got worse.

Belongs here: measuring all metrics of a table of counts, saying why one is undefined, comparing a
value with its baseline. Does not: the formulas (`metrics`), the reports (`clarify`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mlops_assets.ml.bias.counts import Counts
from mlops_assets.ml.bias.metrics import POST_TRAINING, PRE_TRAINING, Metric

REPEATS = 1000
BAND_PARTITIONS, BAND_SIGMAS = 8, 3.0
_FACETS = ("advantaged", "disadvantaged")


@dataclass(frozen=True)
class Measured:
    """One metric of some rows.

    `low` to `high` is the bootstrap's 95 % percentile interval, `sigma` its spread (half the width
    of the central 68 %), both None where the rows are too few to say. `value` is None, and
    `error` says why, where the metric is undefined.
    """

    name: str
    description: str
    value: float | None
    low: float | None = None
    high: float | None = None
    sigma: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Worse:
    """A metric that lies further from fair than it did, by more than chance and by enough."""

    name: str
    baseline: float
    value: float
    words: str


def pre_training(counts: Counts, *, seed: int = 0) -> tuple[Measured, ...]:
    """CI, DPL, KL, JS, LP, TVD, KS and CDDL of labels.

    >>> from mlops_assets.ml.bias.counts import tabulate
    >>> counts = tabulate([0, 0, 0, 1, 1], label=[1, 1, 0, 1, 0])
    >>> {m.name: round(m.value, 3) for m in pre_training(counts) if m.name in ("CI", "DPL")}
    {'CI': 0.2, 'DPL': 0.167}
    >>> pre_training(counts)[-1].error
    'no group column was given to condition on'
    """
    return _measure(PRE_TRAINING, counts, seed)


def post_training(counts: Counts, *, seed: int = 0) -> tuple[Measured, ...]:
    """DPPL, DI, DCAcc, DCR, SD, RD, DAR, DRR, AD, TE, CDDPL and GE of answers.

    >>> from mlops_assets.ml.bias.counts import tabulate
    >>> counts = tabulate([0, 0, 1, 1], label=[1, 0, 1, 0], predicted=[1, 1, 0, 0])
    >>> found = {m.name: m for m in post_training(counts)}
    >>> found["DPPL"].value, found["DI"].value, found["RD"].value
    (1.0, 0.0, 1.0)
    >>> found["TE"].value, found["TE"].error
    (None, 'no false positives among the disadvantaged rows')
    """
    return _measure(POST_TRAINING, counts, seed)


def _measure(metrics: Mapping[str, Metric], counts: Counts, seed: int) -> tuple[Measured, ...]:
    drawn = counts.resampled(REPEATS, seed)
    return tuple(_one(metric, counts, drawn) for metric in metrics.values())


def _one(metric: Metric, counts: Counts, drawn: np.ndarray) -> Measured:
    if reason := _unknown(metric, counts):
        return Measured(metric.name, metric.description, None, error=reason)
    value = float(metric.of(counts.cells.astype(float)))
    if np.isnan(value):
        return Measured(metric.name, metric.description, None, error=_why(metric, counts))
    values = metric.of(drawn)
    values = values[~np.isnan(values)]
    # Where one sample in twenty leaves the metric undefined, its interval would be a guess.
    if len(values) < 0.95 * len(drawn):
        return Measured(metric.name, metric.description, value)
    low, left, right, high = np.quantile(values, [0.025, 0.1587, 0.8413, 0.975])
    return Measured(
        metric.name,
        metric.description,
        value,
        low=float(min(low, value)),
        high=float(max(high, value)),
        sigma=float(right - left) / 2,
    )


def _unknown(metric: Metric, counts: Counts) -> str | None:
    if metric.labels and not counts.labelled:
        return "the labels are not known"
    if metric.predictions and not counts.predicted:
        return "there are no predictions"
    if metric.groups and not counts.grouped:
        return "no group column was given to condition on"
    return None


def _why(metric: Metric, counts: Counts) -> str:
    for what, amounts in metric.needs.items():
        found = amounts(counts.cells.astype(float))
        if not found.any():
            return f"no {what}"
        for facet, name in enumerate(_FACETS):
            if found[facet] == 0:
                return f"no {what} among the {name} rows"
    return metric.otherwise


def worse(
    baseline: Sequence[Measured],
    now: Sequence[Measured],
    *,
    alpha: float = 0.001,
    usual: Mapping[str, Sequence[float]] | None = None,
) -> tuple[Worse, ...]:
    """The metrics that moved away from fair, beyond chance and by more than their floor.

    As in Clarify ("Bias drift"), a value nearer to fair than the baseline is none. Chance: the
    bootstraps' spreads of both sides, two-sided at ``alpha`` shared among the metrics compared.
    What either side leaves undefined, or has too few rows for an interval, is not compared.

    Args:
        usual: {metric: its values in earlier partitions}; with eight or more, a value within
            their mean ± 3 σ is as it always was, however sure the change since the baseline.

    >>> before = [Measured("DPPL", "", 0.02, 0.01, 0.03, 0.005)]
    >>> worse(before, [Measured("DPPL", "", 0.03, 0.02, 0.04, 0.005)])
    ()
    >>> worse(before, [Measured("DPPL", "", -0.20, -0.21, -0.19, 0.005)])[0].words
    'DPPL is -0.2, and was 0.02'
    """
    before = {measured.name: measured for measured in baseline}
    pairs = [(before[m.name], m) for m in now if m.name in before and m.sigma is not None]
    pairs = [(old, new) for old, new in pairs if old.sigma is not None]
    if not pairs:
        return ()
    bound = NormalDist().inv_cdf(1 - alpha / (2 * len(pairs)))
    found = [one for old, new in pairs if (one := _worse(old, new, bound))]
    return tuple(one for one in found if not _as_usual(one.value, (usual or {}).get(one.name, ())))


def _as_usual(value: float, before: Sequence[float]) -> bool:
    if len(before) < BAND_PARTITIONS:
        return False
    return abs(value - float(np.mean(before))) <= BAND_SIGMAS * float(np.std(before, ddof=1))


def _worse(old: Measured, new: Measured, bound: float) -> Worse | None:
    if old.value is None or new.value is None or old.sigma is None or new.sigma is None:
        return None
    metric = PRE_TRAINING.get(new.name) or POST_TRAINING[new.name]
    change = new.value - old.value
    floor = metric.floor * (max(1.0, abs(old.value)) if metric.relative else 1.0)
    further = abs(new.value - metric.fair) > abs(old.value - metric.fair)
    if not further or abs(change) < floor:
        return None
    if abs(change) <= bound * float(np.hypot(old.sigma, new.sigma)):
        return None
    words = f"{new.name} is {new.value:.3g}, and was {old.value:.3g}"
    return Worse(new.name, old.value, new.value, words)
