"""The verdict's lines: what was not asked is unknown, what is noise is no failure."""

import numpy as np
import pytest

from mlops_assets.resources.sagemaker.rollout import alarms
from mlops_assets.resources.sagemaker.rollout.probe import Asked
from mlops_assets.resources.sagemaker.rollout.rollout_verdict import (
    Expected,
    Line,
    Traffic,
    Verdict,
    agreement,
    errors,
    latency,
    quality,
)
from mlops_assets.rollouts import Bounds

BOUNDS = Bounds(server_errors=0.01, client_errors=0.05)


def asked(answers: np.ndarray, ms: float = 5.0, wrong: int = 0) -> Asked:
    return Asked(answers, np.full(len(answers), ms), len(answers), wrong, "row 0" * bool(wrong))


def labelled(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and calibrated probabilities of them."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, n)
    return (rng.random(n) < p).astype(float), p


@pytest.mark.parametrize(
    ("traffic", "status"),
    [
        (Traffic(1000, 0, 10), "passed"),
        (Traffic(1000, 0, 11), "failed"),
        (Traffic(1000, 51, 0), "failed"),
        (Traffic(1000, 50, 0), "passed"),
    ],
)
def test_error_shares_are_held_to_their_bounds(traffic: Traffic, status: str) -> None:
    assert errors(BOUNDS, traffic, None).status == status


def test_without_any_request_errors_are_unknown_and_not_none() -> None:
    """Guards against a model that nobody asked passing for one without errors."""
    assert errors(BOUNDS, None, None).status == "unknown"
    assert errors(BOUNDS, None, asked(np.ones(5))).status == "passed"
    assert errors(BOUNDS, Traffic(1000, 0, 0), asked(np.ones(5), wrong=1)).status == "failed"


def test_latency_is_compared_with_the_champion_s_where_the_difference_is_noticeable() -> None:
    fast, slow = asked(np.ones(50), 2.0), asked(np.ones(50), 40.0)
    assert latency(BOUNDS, fast, slow).status == "passed", "40 ms are as good as 2 ms"
    assert latency(BOUNDS, slow, asked(np.ones(50), 121.0)).status == "failed"
    assert latency(BOUNDS, slow, asked(np.ones(50), 119.0)).status == "passed"
    assert latency(Bounds(p99_ms=30), fast, slow).status == "failed"
    assert latency(BOUNDS, None, slow).status == "passed", "a first model has only its own bound"
    assert latency(BOUNDS, fast, None).status == "unknown"
    assert alarms.latency_bound(BOUNDS, None) is None


def test_agreement_is_over_rows_that_both_answered() -> None:
    one, other = np.array([0.1, 0.5, np.nan]), np.array([0.2, np.nan, 0.9])
    line = agreement(Bounds(disagreement=0.2), asked(one), asked(other), 1.0, "p")
    assert (line.status, line.figure) == ("passed", "0.1000 p on 1 rows")
    assert (
        agreement(Bounds(disagreement=0.05), asked(one), asked(other), 1.0, "p").status == "failed"
    )
    assert agreement(BOUNDS, asked(one), asked(other), 1.0, "p").status == "passed"
    assert agreement(BOUNDS, None, asked(other), 1.0, "p").status == "unknown"
    assert agreement(BOUNDS, asked(one), asked(np.ones((3, 2))), 1.0, "p").status == "unknown"


@pytest.mark.parametrize("seed", range(20))
def test_a_sample_of_a_good_model_s_rows_is_no_failure(seed: int) -> None:
    """Guards against refusing a good model because a sample of its rows was unlucky."""
    truth, p = labelled(20_000)
    whole = float(-np.mean(np.log(np.where(truth == 1, p, 1 - p))))
    chosen = np.random.default_rng(seed).choice(20_000, 1000, replace=False)
    expected = Expected("log_loss", whole, 20_000, truth[chosen])
    assert quality(expected, asked(p[chosen])).status == "passed"
    # The negative control: the same rows, answered for other rows.
    assert quality(expected, asked(np.roll(p[chosen], 1))).status == "failed"


def test_all_rows_leave_room_for_rounding_only() -> None:
    truth, p = labelled(500)
    value = float(-np.mean(np.log(np.where(truth == 1, p, 1 - p))))
    assert quality(Expected("log_loss", value, 500, truth), asked(p)).status == "passed"
    assert quality(Expected("log_loss", value * 0.99, 500, truth), asked(p)).status == "failed"
    assert quality(Expected("auc", 0.5, 500, truth), asked(p)).status == "passed"
    assert quality(Expected("auc", 0.999, 500, truth), asked(p)).status == "failed"


def test_quality_of_several_classes_is_compared_too() -> None:
    """Guards against an endpoint that mixes up its classes being unknown instead of failed."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet([0.3] * 4, 300)
    truth = np.array([rng.choice(4, p=row) for row in p]).astype(float)
    value = float(-np.log(p[np.arange(300), truth.astype(int)].clip(1e-12)).mean())
    expected = Expected("log_loss", value, 300, truth)
    assert quality(expected, asked(p)).status == "passed"
    assert quality(expected, asked(np.roll(p, 1, axis=1))).status == "failed"
    unanswered = np.where(np.arange(300)[:, None] < 299, np.nan, p)
    assert quality(expected, asked(unanswered)).status == "unknown"
    assert quality(Expected("log_loss", value, 300, truth[:0]), asked(p[:0])).status == "unknown"


def test_quality_without_a_figure_or_labels_is_unknown() -> None:
    truth, p = labelled(10)
    assert quality(Expected("log_loss", None, 10, truth), asked(p)).status == "unknown"
    assert quality(Expected("rmse", 1.0, 10, truth * np.nan), asked(p)).status == "unknown"
    assert quality(Expected("rmse", 1.0, 10, truth), None).status == "unknown"
    only_one = np.zeros(10)
    assert quality(Expected("auc", 0.7, 10, only_one), asked(p)).status == "unknown"


def test_one_failed_line_fails_the_rollout_and_an_unknown_one_does_not() -> None:
    unknown = Line("late labels", "none", "", "unknown")
    failed = Line("errors", "5xx 0.5", "≤ 0.01", "failed")
    assert Verdict((unknown,)).passed
    assert not Verdict((unknown, failed)).passed
    assert Verdict((unknown, failed)).failures() == "errors: 5xx 0.5 (bound: ≤ 0.01)"
