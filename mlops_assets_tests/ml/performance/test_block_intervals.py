"""Rows that share a day share its weather: intervals by day say so, intervals by row do not."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.blocks import block_numbers, widened
from mlops_assets.ml.performance import calibration, intervals, verdict
from mlops_assets.ml.performance.intervals import measure, measure_slices, metrics_of
from mlops_assets.ml.performance.verdict import Bound, quality, worst

METRICS = metrics_of("binary")
WATCHED = {"log_loss": METRICS["log_loss"]}


def month(seed, *, days=30, rows=100, storms=0.8):
    """Labels, probabilities and days: what the model does not see moves all rows of a day alike."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows)
    seen = rng.normal(-1, 1.2, days * rows)
    unseen = rng.normal(0, storms, days)[day]
    truth = rng.random(len(day)) < 1 / (1 + np.exp(-(seen + unseen)))
    # Mackay's approximation of the mean over the storms: the model is calibrated over the years.
    said = 1 / (1 + np.exp(-seen / np.sqrt(1 + np.pi * storms**2 / 8)))
    return truth.astype(float), said, day


def share_holding(metric, days, *, by_day, seeds=120):
    """How many 95 % intervals hold what all years together show."""
    y, p, _ = month(10_000, days=20_000, rows=20)
    true = METRICS[metric](y, p)(np.ones(len(y)))
    held = 0
    for seed in range(seeds):
        y, p, day = month(seed, days=days)
        now = measure(y, p, {metric: METRICS[metric]}, kind="binary", repeats=100,
                      blocks=day if by_day else None)[metric]  # fmt: skip
        held += now.low <= true <= now.high
    return held / seeds


@pytest.mark.parametrize(("metric", "days"), [("log_loss", 30), ("calibration_gap", 30),
                                              ("log_loss", 7)])  # fmt: skip
def test_intervals_by_day_hold_the_truth_as_often_as_they_say(metric, days):
    assert 0.9 <= share_holding(metric, days, by_day=True) <= 0.99


def test_intervals_by_row_do_not_when_days_differ():
    """Negative control: with the blocks left out four of ten intervals miss."""
    assert share_holding("calibration_gap", 30, by_day=False) <= 0.7
    assert share_holding("log_loss", 30, by_day=False) <= 0.85


def judged(seed, *, by_day, concept=0.0):
    """A week of a calibrated model, against gates near what it does over the years."""
    y, p, day = month(seed, days=7, rows=600, storms=1.2)
    if concept:
        y = np.where(np.random.default_rng(seed).random(len(y)) < concept, 1 - y, y)
    now = measure(y, p, WATCHED, kind="binary", repeats=100, blocks=day if by_day else None)
    lines = quality(
        now,
        bounds=[Bound("log_loss", at_most=TRUE["log_loss"].value + 0.03)],
        held_out=TRUE,
        primary="log_loss",
        tolerance=0.02,
    )
    return worst(lines)


TRUE = measure(*month(20_000, days=1000, rows=100, storms=1.2)[:2], WATCHED, kind="binary",
               repeats=20)  # fmt: skip


def test_an_unlucky_week_does_not_page():
    """Negative control, 60 weeks of nothing but weather: by row one in four would page."""
    by_day = [judged(seed, by_day=True) for seed in range(60)]
    by_row = [judged(seed, by_day=False) for seed in range(60)]
    assert by_day.count("failing") <= 1
    assert by_row.count("failing") >= 8


def test_a_broken_model_pages_all_the_same():
    found = [judged(seed, by_day=True, concept=0.3) for seed in range(10)]
    assert found.count("failing") >= 9


def test_days_that_do_not_differ_cost_little():
    """Blocks of independent rows: the interval is that of the rows, but for their being few."""
    y, p, day = month(3, storms=0.0)
    for metric in ("log_loss", "auc"):
        one = {metric: METRICS[metric]}
        rows = measure(y, p, one, kind="binary")[metric]
        days = measure(y, p, one, kind="binary", blocks=day)[metric]
        assert 0.7 < (days.high - days.low) / (rows.high - rows.low) < 1.5


def test_more_rows_of_the_same_days_buy_no_certainty(monkeypatch):
    """A sample of a month's rows holds as many days as all of them."""
    y, p, day = month(5, rows=400)
    one = {"calibration_gap": METRICS["calibration_gap"]}
    whole = measure(y, p, one, kind="binary", blocks=day)["calibration_gap"]
    monkeypatch.setattr(intervals, "SAMPLE", 3000)
    sampled = measure(y, p, one, kind="binary", blocks=day)["calibration_gap"]
    assert sampled.value == whole.value
    assert 0.8 < (sampled.high - sampled.low) / (whole.high - whole.low) < 1.4


def test_slices_are_measured_by_day_too():
    y, p, day = month(6, rows=200)
    halves = pd.DataFrame({"carrier": np.where(np.arange(len(y)) % 2, "AA", "UA")})
    widths = {}
    for name, blocks in (("days", day), ("rows", None)):
        found = measure_slices(y, p, halves, "calibration_gap", kind="binary", least_rows=50,
                               blocks=blocks)  # fmt: skip
        widths[name] = (found["high"] - found["low"]).to_numpy()
    assert (widths["days"] > 2 * widths["rows"]).all()


def test_a_slice_of_one_day_has_no_interval():
    y, p, day = month(7)
    named = pd.DataFrame({"carrier": np.where(day == 3, "HA", "AA")})
    found = measure_slices(y, p, named, "log_loss", kind="binary", least_rows=50, blocks=day)
    assert found.set_index("value")["log_loss"].isna().to_dict() == {"AA": False, "HA": True}


def test_one_day_tells_nothing_and_that_is_said():
    with pytest.raises(ValueError, match="all 60 rows are of one block"):
        measure([0, 1] * 30, [0.2, 0.6] * 30, METRICS, kind="binary", blocks=["mon"] * 60)
    with pytest.raises(ValueError, match="give one for each row"):
        block_numbers(["mon"], 2)
    assert verdict.blocks(1, dt.timedelta(days=1), 2).status == "unknown"


def test_few_blocks_widen_more():
    assert widened(2) > 9 > widened(5) > 1.5 > widened(12) > widened(1000) > 1


def test_the_calibration_gap_and_the_chance_of_ece_know_of_days():
    """ECE of a calibrated model on 30 stormy days is more than independent rows explain."""
    above = {"days": 0, "rows": 0}
    for seed in range(60):
        y, p, day = month(seed)
        for name, blocks in (("days", day), ("rows", None)):
            found = calibration.gap(y, p, blocks=blocks)
            above[name] += found.ece > found.ece_by_chance
    assert above["days"] <= 6
    assert above["rows"] >= 15
