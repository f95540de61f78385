"""The metrics among log lines: all of them, in order, and nothing that is no number."""

import math

from mlops_assets.resources.experiments.metric_stream import MetricStream

LINES = [
    (1000, "[1] train-logloss:0.69 holdout-logloss:0.70"),
    (2000, "saving"),
    (3000, "[2] train-logloss:nan holdout-logloss:0.65"),
]
DEFINITIONS = {
    "train:logloss": r"train-logloss:(\S+)",
    "holdout:logloss": r"holdout-logloss:([0-9.]+)",
}


def test_each_metric_counts_its_own_steps_over_all_reads():
    """A log is read in pieces: a step that began again with each would overwrite the curve."""
    stream = MetricStream(DEFINITIONS)
    points = [point for line in LINES for point in stream.feed([line])]
    told = [(point.metric, point.step, point.at_ms) for point in points]
    assert told == [
        ("train:logloss", 0, 1000),
        ("holdout:logloss", 0, 1000),
        ("train:logloss", 1, 3000),
        ("holdout:logloss", 1, 3000),
    ]
    assert math.isnan(points[2].value)


def test_what_is_no_number_is_no_point():
    assert MetricStream({"loss": r"loss=(\S+)"}).feed([(1, "loss=falling")]) == []


def test_a_line_without_end_is_read_up_to_its_bound():
    """A script that prints a matrix must not hold up whoever follows it."""
    assert MetricStream({"loss": r"loss=(\d+)"}).feed([(1, "x" * 10**6 + "loss=1")]) == []
