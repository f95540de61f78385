"""A partition's performance record: before labels, with some, with all, and what may not hide."""

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets.monitoring.quality.performance_held_out import Promise
from mlops_assets.assets.monitoring.quality.performance_judging import Seen, judge
from mlops_assets.assets.monitoring.quality.performance_page import verdicts
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.ml.performance.calibration import Calibrator, fit
from mlops_assets.ml.performance.intervals import measure, metrics_of
from mlops_assets.pipeline import Evaluation, Gate, Monitors, Performance
from mlops_assets_tests import deliveries, diabetes
from mlops_assets_tests.ml.performance.made_answers import answers

PIPELINE = dataclasses.replace(
    deliveries.declare(),
    evaluation=Evaluation(
        primary="log_loss",
        gates=(Gate(metric="log_loss", at_most=0.56), Gate(metric="auc", at_least=0.7)),
        slices=("depot",),
    ),
    monitors=Monitors(performance=Performance(least_rows=400)),
)
METRICS = metrics_of("binary")


@cache
def promise(version: int) -> Promise:
    y, p = answers(20_000, 10_000 + version)
    return Promise(f"arn:{version}", measure(y, p, METRICS, kind="binary"), fit(y, p))


def served(
    rows: int = 2000,
    *,
    seed: int = 0,
    concept: float = 0.0,
    mix: float = 0.0,
    version: int = 1,
    labelled: float = 1.0,
) -> pd.DataFrame:
    y, p = answers(rows, seed, concept=concept, mix=mix)
    known = np.arange(rows) < labelled * rows
    return pd.DataFrame(
        {
            "event_id": [f"{version}-{seed}-{n}" for n in range(rows)],
            "version": version,
            "prediction": p,
            "label": np.where(known, y, np.nan),
            "depot": np.where(np.arange(rows) % 2, "north", "south"),
        }
    )


def record(rows: pd.DataFrame, **changes) -> PerformanceRecord:
    seen = Seen(
        partition="2024-03-04",
        rows=rows,
        expected=float(len(rows)),
        settled=True,
        promises={version: promise(version) for version in (1, 2)},
    )
    return judge(PIPELINE, dataclasses.replace(seen, **changes))


def status_of(found: PerformanceRecord, name: str) -> str:
    return next(line.status for line in found.lines if line.name == name)


@pytest.mark.integration
def test_unchanged_answers_are_healthy_and_every_check_passes():
    """Negative control of all four checks, over 10 partitions."""
    passed = {"performance": 0, "calibration": 0, "coverage": 0, "estimate": 0}
    for seed in range(10):
        for name, verdict in verdicts(record(served(5000, seed=seed))).items():
            passed[name] += verdict.passed
    assert set(passed.values()) == {10}, passed


def test_before_labels_there_is_an_estimate_and_the_status_is_unknown():
    found = record(served(labelled=0))
    assert found.status == "unknown"
    assert found.metrics == {}
    assert found.estimate["log_loss"] == pytest.approx(found.held_out["log_loss"], abs=0.03)
    assert found.estimate_error == {}
    checks = verdicts(found)
    assert not checks["performance"].passed, "unknown is never healthy"
    assert "assumes P(y|x) unchanged" in checks["estimate"].description
    assert checks["estimate"].passed


def test_with_some_labels_the_figures_are_there_but_not_yet_trusted():
    found = record(served(labelled=0.3), settled=False)
    assert found.labelled == 600
    assert "log_loss" in found.metrics
    assert found.status == "unknown"
    assert record(served(labelled=0.3), settled=True).status == "healthy"


def test_a_changed_concept_fails_however_calm_the_estimate_is():
    """The estimate must never silence a realised alarm: here it says that nothing changed."""
    found = record(served(concept=1.2))
    assert found.status == "failing"
    estimates = [line for line in found.lines if line.name.startswith("estimate of ")]
    assert estimates
    assert {line.status for line in estimates} == {"healthy"}
    assert found.estimate_error["log_loss"] > 0.1, "its error is shown once labels are there"
    checks = verdicts(found)
    assert not checks["performance"].passed
    assert checks["estimate"].passed
    words = checks["estimate"].description
    assert "log_loss +0.2" in words.partition("Realised minus estimated: ")[2]


def test_an_estimate_that_warns_fails_nothing_by_itself():
    """And the other way round: the guess is bad, what came true is good."""
    gloomy = {1: dataclasses.replace(promise(1), calibrator=Calibrator((0, 1), (0.5, 0.5)))}
    found = record(served(), promises=gloomy)
    assert not verdicts(found)["estimate"].passed
    assert found.status == "healthy"


def test_a_gap_in_capture_is_unknown():
    found = record(served(), expected=3000)
    assert found.status == "unknown"
    assert status_of(found, "capture") == "unknown"
    assert not verdicts(found)["coverage"].passed


def test_nothing_captured_is_unknown():
    found = record(served().iloc[:0], expected=1000.0)
    assert (found.status, found.captured, found.versions) == ("unknown", 0, {})
    assert not any(verdict.passed for verdict in verdicts(found).values())


def test_a_version_that_the_registry_does_not_know_is_unknown():
    found = record(served(), promises={1: None})
    assert found.status == "unknown"
    assert found.estimate == {}
    assert found.by_version[0].package_arn is None


def test_a_bad_version_does_not_hide_behind_a_good_one():
    """A rollout in the last days of a month: a tenth of the rows, and all of them wrong."""
    rows = pd.concat([served(9000), served(900, seed=5, concept=1.2, version=2)])
    found = record(rows.reset_index(drop=True))
    assert found.versions == {"1": 9000, "2": 900}
    assert [version.status for version in found.by_version] == ["healthy", "failing"]
    assert status_of(found, "log_loss") == "healthy"
    assert found.status == "failing"
    assert not verdicts(found)["performance"].passed


def test_a_version_of_few_rows_is_unknown_and_blames_nobody():
    rows = pd.concat([served(4000), served(60, seed=5, concept=3, version=2)])
    found = record(rows.reset_index(drop=True))
    assert [version.status for version in found.by_version] == ["healthy", "unknown"]
    assert found.status == "healthy"


def test_the_promise_of_two_versions_is_weighted_by_their_rows():
    rows = pd.concat([served(3000), served(1000, version=2)]).reset_index(drop=True)
    first, second = (promise(v).held_out["log_loss"].value for v in (1, 2))
    assert record(rows).held_out["log_loss"] == pytest.approx(0.75 * first + 0.25 * second)


def test_slices_and_calibration_points_are_there_for_the_page():
    found = record(served())
    assert {row["value"] for row in found.slices} == {"north", "south"}
    assert all(row["low"] < row["log_loss"] < row["high"] for row in found.slices)
    assert sum(point["rows"] for point in found.calibration) == 2000


def test_a_record_survives_being_stored():
    """NaN would become null, and the record could never be read again."""
    one_class = served(600).assign(label=1.0)
    found = record(one_class)
    assert "auc" not in found.metrics
    assert PerformanceRecord.model_validate_json(found.model_dump_json()) == found


def test_earlier_partitions_tell_how_much_partitions_differ():
    quiet = [record(served(seed=seed)) for seed in range(8)]
    found = record(served(seed=50, concept=0.7), baseline=quiet)
    assert status_of(found, "calibration gap") == "warning"
    assert not verdicts(found)["calibration"].passed
    calm = record(served(seed=51), baseline=quiet)
    assert status_of(calm, "calibration gap") == "healthy"
    assert status_of(calm, "error rate") == "healthy"


def test_a_regression_has_figures_and_no_estimate():
    pipeline = diabetes.declare("/nowhere")
    rng = np.random.default_rng(0)
    truth = rng.normal(150, 70, 1200)
    held = measure(truth, truth + rng.normal(0, 55, 1200), metrics_of("regression"),
                   kind="regression")  # fmt: skip
    for noise, status in ((55, "healthy"), (90, "failing")):
        rows = pd.DataFrame(
            {"version": 1, "prediction": truth + rng.normal(0, noise, 1200), "label": truth,
             "sex": "A", "event_id": range(1200)}
        )  # fmt: skip
        seen = Seen("all", rows, 1200.0, True, {1: Promise("arn:1", held, None)})
        found = judge(dataclasses.replace(pipeline, monitors=Monitors()), seen)
        assert found.status == status
        assert found.estimate == {}
        assert found.calibration == ()
