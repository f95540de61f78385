"""The verdict: noise does not page, a bad model does, and what is unknown is never healthy."""

import pytest

from mlops_assets.ml.performance.intervals import Measured, measure, metrics_of
from mlops_assets.ml.performance.verdict import (
    Bound,
    Counts,
    Line,
    coverage,
    moved,
    quality,
    worst,
)
from mlops_assets_tests.ml.performance.made_answers import answers

FIGURES = {name: metrics_of("binary")[name] for name in ("auc", "log_loss")}
HELD_OUT = measure(*answers(5000, 999_999), FIGURES, kind="binary")
# As a gate would be set: a little below what the model does.
BOUNDS = [
    Bound("auc", at_least=HELD_OUT["auc"].value - 0.03),
    Bound("log_loss", at_most=HELD_OUT["log_loss"].value + 0.03),
]


def judged(y, p, *, bounds=BOUNDS, tolerance=0.02) -> str:
    now = measure(y, p, FIGURES, kind="binary", repeats=60)
    lines = quality(now, bounds=bounds, held_out=HELD_OUT, primary="log_loss", tolerance=tolerance)
    return worst(lines)


def test_unchanged_data_does_not_page():
    """Negative control, 200 partitions of 500 rows, the fewest that are judged at all."""
    found = [judged(*answers(500, seed)) for seed in range(200)]
    assert found.count("failing") == 0
    assert found.count("warning") <= 30


@pytest.mark.integration
def test_unchanged_data_of_a_usual_size_is_silent():
    """Negative control, 100 partitions of 5,000 rows: not even a warning."""
    assert [judged(*answers(5000, seed)) for seed in range(100)] == ["healthy"] * 100


def test_unchanged_data_at_its_bound_pages_as_rarely_as_the_interval_says():
    """A gate set exactly at the model's quality: half the figures break it, few intervals do."""
    exact = [Bound("log_loss", at_most=measure(*answers(200_000, 5), FIGURES, kind="binary",
                                               repeats=20)["log_loss"].value)]  # fmt: skip
    found = [judged(*answers(500, seed), bounds=exact, tolerance=1.0) for seed in range(200)]
    assert found.count("failing") <= 14
    assert found.count("failing") + found.count("warning") >= 60, "the figure alone would page"


def test_a_planted_concept_drift_pages():
    found = [judged(*answers(2000, seed, concept=1.2)) for seed in range(20)]
    assert found == ["failing"] * 20


def test_a_mix_that_is_harder_only_is_judged_by_the_same_bounds():
    assert judged(*answers(20_000, 1, mix=1.0)) == "failing", "harder rows: worse log-loss, too"


@pytest.mark.parametrize(
    ("labelled", "expected", "settled", "status"),
    [
        (1000, 1000.0, True, "healthy"),
        (499, 1000.0, True, "unknown"),
        (0, 1000.0, True, "unknown"),
        (600, 2000.0, True, "unknown"),
        (1000, None, True, "unknown"),
        (1000, 0.0, True, "unknown"),
    ],
)
def test_what_cannot_be_told_is_unknown(labelled, expected, settled, status):
    captured = 1000 if expected != 2000.0 else 1200
    lines = coverage(
        Counts(captured, labelled, expected, settled), least_rows=500, capture_gap=0.05
    )
    assert worst(lines) == status


def test_the_first_labels_to_arrive_are_no_fair_sample():
    """Flights in time land first: with a third of the labels every month looks calm."""
    early = Counts(3000, 1000, 3000, settled=False)
    late = Counts(3000, 1000, 3000, settled=True)
    assert worst(coverage(early, least_rows=500, capture_gap=0.05)) == "unknown"
    assert worst(coverage(late, least_rows=500, capture_gap=0.05)) == "healthy"


def test_without_a_held_out_figure_nothing_is_healthy():
    now = measure(*answers(1000, 1), FIGURES, kind="binary", repeats=20)
    lines = quality(now, bounds=BOUNDS, held_out={}, primary="log_loss", tolerance=0.02)
    assert worst(lines) == "unknown"


def test_without_labels_every_line_is_unknown():
    lines = quality({}, bounds=BOUNDS, held_out=HELD_OUT, primary="log_loss", tolerance=0.02)
    assert {line.status for line in lines} == {"unknown"}
    told = measure(*answers(2000, 1, concept=3), FIGURES, kind="binary", repeats=20)
    lines = quality(
        told, bounds=BOUNDS, held_out=HELD_OUT, primary="log_loss", tolerance=0.02, told=False
    )
    assert {line.status for line in lines} == {"unknown"}, "too few rows must not page either"


def test_a_gap_does_not_hide_what_fails():
    """Half the answers are not captured, and those that are, are bad: that is bad."""
    lines = [
        Line("capture", "50 % missing", "≤ 5 %", "unknown"),
        Line("auc", "0.5", "≥ 0.7", "failing"),
        Line("ece", "0.2", "≤ 0.1", "warning"),
    ]
    assert worst(lines) == "failing"
    assert worst(lines[::2]) == "unknown"
    assert worst([]) == "unknown"


def test_the_held_out_figure_is_not_taken_for_exact():
    """A promise made on 100 rows excuses more than one made on a million."""
    now = {"log_loss": Measured(0.55, 0.53, 0.57)}
    sure = {"log_loss": Measured(0.50, 0.50, 0.50)}
    fair = {"log_loss": Measured(0.50, 0.47, 0.53)}
    unsure = {"log_loss": Measured(0.50, 0.42, 0.58)}
    for held_out, status in ((sure, "failing"), (fair, "warning"), (unsure, "healthy")):
        lines = quality(now, bounds=[], held_out=held_out, primary="log_loss", tolerance=0.02)
        assert worst(lines) == status


@pytest.mark.parametrize(
    ("metric", "value", "status"),
    [
        ("auc", 0.9, "healthy"),
        ("auc", 0.5, "failing"),
        ("rmse", 9, "failing"),
        ("rmse", 1, "healthy"),
    ],
)
def test_better_is_never_worse(metric, value, status):
    held_out = {"auc": Measured(0.7, 0.7, 0.7), "rmse": Measured(5, 5, 5)}
    now = {metric: Measured(value, value - 0.01, value + 0.01)}
    lines = quality(now, bounds=[], held_out=held_out, primary=metric, tolerance=0.02)
    assert worst(lines) == status


def test_a_gap_moves_both_ways_and_only_warns():
    for gap in (-0.2, 0.2):
        line = moved("bias", Measured(gap, gap - 0.01, gap + 0.01), Measured(0, 0, 0), 0.02)
        assert line.status == "warning"
    quiet = moved("bias", Measured(0.025, 0.0, 0.05), Measured(0, 0, 0), 0.02)
    assert quiet.status == "healthy"


def test_an_undefined_metric_is_unknown_not_kept():
    lines = quality(
        {}, bounds=[Bound("auc", at_least=0.1)], held_out={}, primary="auc", tolerance=0
    )
    assert worst(lines) == "unknown"
