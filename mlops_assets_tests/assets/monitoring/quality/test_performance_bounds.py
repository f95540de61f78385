"""What a partition is held to: by blocks of time where they are declared, in the metric's unit."""

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets.monitoring.quality.performance_held_out import Promise
from mlops_assets.assets.monitoring.quality.performance_judging import Seen, judge
from mlops_assets.assets.monitoring.quality.performance_page import verdicts
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.ml.performance.calibration import fit
from mlops_assets.ml.performance.intervals import measure, metrics_of
from mlops_assets.pipeline import DeclarationError, Evaluation, Monitors, Performance
from mlops_assets_tests import deliveries, diabetes
from mlops_assets_tests.ml.performance.made_answers import answers

WATCHED = Monitors(performance=Performance(least_rows=400))
BY_ROW = dataclasses.replace(
    deliveries.declare(),
    evaluation=Evaluation(primary="log_loss", slices=("depot",)),
    monitors=WATCHED,
)
BY_DAY = dataclasses.replace(
    BY_ROW, evaluation=dataclasses.replace(BY_ROW.evaluation, block=dt.timedelta(days=1))
)
HELD_OUT = answers(20_000, 10_001)
PROMISE = Promise(
    "arn:1", measure(*HELD_OUT, metrics_of("binary"), kind="binary"), fit(*HELD_OUT)
)  # fmt: skip


def judged(pipeline, rows: pd.DataFrame) -> PerformanceRecord:
    return judge(pipeline, Seen("2024-03-04", rows, float(len(rows)), True, {1: PROMISE}))


def stormy(seed: int, *, days: int = 10, rows: int = 300) -> pd.DataFrame:
    """Days that differ, each as a whole: half the rows' log-odds are the weather's."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(-1, 1.2, days * rows)
    day = np.repeat(np.arange(days), rows)
    truth = rng.random(len(day)) < 1 / (1 + np.exp(-(seen + rng.normal(0, 1.2, days)[day])))
    start = pd.Timestamp("2024-03-01 06:00", tz="UTC")
    return pd.DataFrame(
        {
            "event_id": [f"{seed}-{n}" for n in range(len(day))],
            "event_time": start + pd.to_timedelta(day, unit="D"),
            "version": 1,
            "prediction": 1 / (1 + np.exp(-seen)),
            "label": truth.astype(float),
            "depot": np.where(np.arange(len(day)) % 2, "north", "south"),
        }
    )


def width(found: PerformanceRecord, metric: str) -> float:
    return found.metrics[metric].high - found.metrics[metric].low


def test_the_declared_block_widens_the_intervals_of_all_rows_and_of_slices():
    rows = stormy(1)
    by_row, by_day = judged(BY_ROW, rows), judged(BY_DAY, rows)
    assert width(by_day, "calibration_gap") > 2 * width(by_row, "calibration_gap")
    assert by_day.metrics["log_loss"].value == by_row.metrics["log_loss"].value
    for wide, narrow in zip(by_day.slices, by_row.slices, strict=True):
        assert wide["high"] - wide["low"] > 1.5 * (narrow["high"] - narrow["low"])


@pytest.mark.integration
def test_weather_alone_pages_by_row_and_not_by_day():
    """Negative control of the page: the model is as it was, the days are not."""
    statuses = {
        name: [judged(pipeline, stormy(seed)).status for seed in range(6)]
        for name, pipeline in (("row", BY_ROW), ("day", BY_DAY))
    }
    assert statuses["day"].count("failing") < statuses["row"].count("failing")
    assert statuses["row"].count("failing") >= 2


def test_one_day_of_a_pipeline_by_day_is_unknown_and_says_why():
    found = judged(BY_DAY, stormy(2, days=1, rows=1000))
    assert (found.status, found.metrics) == ("unknown", {})
    line = next(line for line in found.lines if line.name == "blocks")
    assert (line.status, line.figure) == ("unknown", "1 blocks of 24 h with labels")
    assert not verdicts(found)["coverage"].passed
    assert PerformanceRecord.model_validate_json(found.model_dump_json()) == found
    assert judged(BY_ROW, stormy(2, days=1, rows=1000)).metrics, "by row it would be told"


def regression(scale: float, *, worse: float, watched: Performance) -> PerformanceRecord:
    """A regression's answers in another unit: the same rows, and errors so much larger."""
    rng = np.random.default_rng(0)
    truth, noise = rng.normal(150, 70, 4000), rng.normal(0, 55, 4000)
    known = measure(truth * scale, (truth + noise) * scale, metrics_of("regression"),
                    kind="regression")  # fmt: skip
    rows = pd.DataFrame(
        {"event_id": range(4000), "version": 1, "label": truth * scale,
         "prediction": (truth + rng.normal(0, 55, 4000) * worse) * scale, "sex": "A"}
    )  # fmt: skip
    pipeline = dataclasses.replace(
        diabetes.declare("/nowhere"),
        monitors=Monitors(performance=watched),
        evaluation=Evaluation(primary="rmse"),
    )
    return judge(pipeline, Seen("all", rows, 4000.0, True, {1: Promise("arn:1", known, None)}))


@pytest.mark.parametrize("scale", [0.001, 1.0, 60_000.0])
@pytest.mark.parametrize(("worse", "status"), [(1.0, "healthy"), (1.04, "healthy"),
                                               (1.25, "failing")])  # fmt: skip
def test_what_a_regression_may_lose_does_not_depend_on_its_unit(scale, worse, status):
    """Points of an RMSE in seconds are nothing, in kilometres they are everything."""
    found = regression(scale, worse=worse, watched=Performance())
    assert found.status == status
    line = next(line for line in found.lines if line.name == "rmse against held-out")
    assert "worse (5%)" in line.bound


def test_a_wider_share_lets_more_pass():
    assert regression(1.0, worse=1.25, watched=Performance(tolerance_share=0.4)).status != "failing"


def test_a_bias_is_measured_by_the_error_beside_it():
    """Its own held-out figure is near 0: no share of that is a tolerance."""
    watched = Performance(tolerance_share=0.1)
    assert watched.allowed("bias", {"bias": 0.001, "mae": 20.0}) == pytest.approx(2.0)
    assert watched.allowed("bias", {"bias": 0.001}) is None
    assert watched.allowed("log_loss", {}) == watched.tolerance
    with pytest.raises(DeclarationError, match=r"tolerance_share: 1\.5 is no share"):
        Performance(tolerance_share=1.5)
