"""Was the rollout right? One line a question: a figure, its bound, passed, failed or unknown.

Here: pure functions from what was measured to the verdict. Not here: measuring (probe.py,
traffic.py), what follows (rollout.py). What could not be asked is unknown, never passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlops_assets.ml import weighted
from mlops_assets.ml.metrics import LOWER_IS_BETTER
from mlops_assets.resources.sagemaker.rollout.alarms import latency_bound
from mlops_assets.resources.sagemaker.rollout.probe import Asked
from mlops_assets.rollouts import Bounds

Status = Literal["passed", "failed", "unknown"]
_REPEATS = 100
_SURE = 4.0  # standard deviations of the metric on a sample: 1 in 30,000 good models is refused


@dataclass(frozen=True)
class Line:
    """One question about a challenger."""

    name: str
    figure: str
    bound: str
    status: Status


@dataclass(frozen=True)
class Verdict:
    """All lines; one that failed fails the rollout, one that is unknown does not."""

    lines: tuple[Line, ...]

    @property
    def passed(self) -> bool:
        return all(line.status != "failed" for line in self.lines)

    def failures(self) -> str:
        """What failed, in words."""
        return "; ".join(
            f"{line.name}: {line.figure} (bound: {line.bound})"
            for line in self.lines
            if line.status == "failed"
        )


@dataclass(frozen=True)
class Traffic:
    """A configuration's own requests since it began to serve, by CloudWatch."""

    requests: int
    client_errors: int
    server_errors: int


@dataclass(frozen=True)
class Expected:
    """What the challenger promised in its evaluation.

    Args:
        metric: the primary metric; figure: its value over ``rows`` held-out rows.
        truth: labels of the rows that are sent to the endpoint, in their order.
    """

    metric: str
    figure: float | None
    rows: int
    truth: np.ndarray


def health(problem: str = "") -> Line:
    """The endpoint is in service on what was asked for, and answers."""
    bound = "in service, every probe answered right"
    return Line("health", problem or "in service", bound, "failed" if problem else "passed")


def errors(bounds: Bounds, traffic: Traffic | None, after: Asked | None) -> Line:
    """Shares of its requests that the challenger answered with an error."""
    bound = f"5xx ≤ {bounds.server_errors:.3g}, 4xx ≤ {bounds.client_errors:.3g}"
    if after is not None and after.wrong:
        share = after.wrong / after.asked
        figure = f"{share:.1%} of {after.asked} probes answered wrongly: {after.problem}"
        return Line("errors", figure, bound, "failed")
    if traffic is None or not traffic.requests:
        if after is None or not after.asked:
            return Line("errors", "no request was counted", bound, "unknown")
        return Line("errors", f"0 of {after.asked} probes", bound, "passed")
    server = traffic.server_errors / traffic.requests
    client = traffic.client_errors / traffic.requests
    ok = server <= bounds.server_errors and client <= bounds.client_errors
    figure = f"5xx {server:.4f}, 4xx {client:.4f} of {traffic.requests:,} requests"
    return Line("errors", figure, bound, "passed" if ok else "failed")


def latency(bounds: Bounds, before: Asked | None, after: Asked | None) -> Line:
    """99th percentile over the same rows, as a caller sees it."""
    champion = before.p99_ms if before else None
    limit = latency_bound(bounds, champion)
    bound = f"≤ {limit:.1f} ms" if limit is not None else "none: no champion to compare with"
    if champion is not None:
        bound += f" (champion {champion:.1f} ms)"
    now = after.p99_ms if after else None
    if now is None:
        return Line("latency", "no probe was answered", bound, "unknown")
    ok = limit is None or now <= limit
    return Line("latency", f"p99 {now:.1f} ms", bound, "passed" if ok else "failed")


def agreement(
    bounds: Bounds, before: Asked | None, after: Asked | None, scale: float, unit: str
) -> Line:
    """Mean absolute difference to the champion's answers to the same rows.

    Args:
        scale: what one ``unit`` is worth in the model's own unit.
    """
    if before is None or after is None or before.answers.shape != after.answers.shape:
        # Nothing served before, or it answers in another form: nothing to agree with.
        return apart(bounds, float("nan"), 0, scale, unit)
    difference = np.abs(after.answers - before.answers)
    both = int(np.isfinite(difference).sum())
    value = float(np.nanmean(difference)) if both else float("nan")
    return apart(bounds, value, both, scale, unit)


def apart(bounds: Bounds, difference: float, rows: int, scale: float, unit: str) -> Line:
    """The line of a mean absolute difference over so many rows."""
    limit = bounds.disagreement
    bound = f"≤ {limit:g} {unit}" if limit is not None else "only reported"
    if not rows:
        return Line("agreement", "no row was answered by both", bound, "unknown")
    value = difference / scale
    passed = limit is None or value <= limit
    figure = f"{value:.4f} {unit} on {rows:,} rows"
    return Line("agreement", figure, bound, "passed" if passed else "failed")


def quality(expected: Expected, after: Asked | None) -> Line:
    """The evaluation's metric, of the endpoint's own answers to labelled held-out rows.

    A sample of the rows may miss the figure by chance: four bootstrap standard deviations.
    """
    figure, metric = expected.figure, expected.metric
    if figure is None or after is None:
        return Line("quality", f"no {metric} to compare with", "the evaluation's", "unknown")
    told = np.isfinite(after.answers).all(axis=tuple(range(1, after.answers.ndim)))
    known = told & np.isfinite(expected.truth)
    if known.sum() < 2:
        return Line("quality", "no labelled row was answered", "the evaluation's", "unknown")
    of_weights = _of_weights(metric, expected.truth[known], after.answers[known])
    n = int(known.sum())
    value = float(of_weights(np.ones(n)))
    slack = 1e-3 * abs(figure) + 1e-6
    if n < expected.rows:
        rng = np.random.default_rng(0)
        drawn = [
            of_weights(np.bincount(rng.integers(0, n, n), minlength=n)) for _ in range(_REPEATS)
        ]
        slack += _SURE * float(np.nanstd(drawn))
    lower = metric in LOWER_IS_BETTER
    if np.isnan(value):
        return Line("quality", f"{metric} is undefined on {n} rows", "the evaluation's", "unknown")
    ok = value <= figure + slack if lower else value >= figure - slack
    bound = f"{'≤' if lower else '≥'} {figure + (slack if lower else -slack):.4f}"
    return Line(
        "quality",
        f"{metric} {value:.4f} on {n:,} labelled rows",
        f"{bound} (evaluated: {figure:.4f})",
        "passed" if ok else "failed",
    )


def _of_weights(metric: str, truth: np.ndarray, answers: np.ndarray) -> weighted.Weighted:
    if answers.ndim > 1:
        return weighted.MULTICLASS[metric](truth.astype(int), answers)
    function = weighted.BINARY.get(metric) or weighted.REGRESSION[metric]
    return function(truth, answers)


def late_labels() -> Line:
    """Labels of what was predicted since: a later look has them."""
    return Line("late labels", "none have come yet", "the evaluation's", "unknown")


def alarm_lines(tripped: Sequence[tuple[str, str]]) -> tuple[Line, ...]:
    """A line for each alarm that rolled the update back, with CloudWatch's reason."""
    return tuple(
        Line("alarm", f"{name}: {reason}", "no alarm", "failed") for name, reason in tripped
    )
