"""What people are told: each alarm with the state that must stay silent."""

import dataclasses
import datetime as dt

import pytest

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.drifting.records import DriftRecord, Finding
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Decision, Line
from mlops_assets.automation.alarms import of_decision, of_record, worth_telling
from mlops_assets.pipeline import Alerts
from mlops_assets.resources.monitoring import decisions as kept
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld, declare
from mlops_assets_tests.deliveries import DAYS

PIPELINE = declare()
MOVED = Finding(kind="drift", column="weight", effect=0.4, threshold=0.06, words="moved by .4 σ")
UNIT = Finding(kind="unit", column="weight", effect=2.2, threshold=0.1, words="lb for kg")


def drift(*findings: Finding, status: str = "warning") -> DriftRecord:
    return DriftRecord(
        partition=DAYS[1], baseline=DAYS[0], baseline_kind="champion", package_arn="arn",
        rows=40, baseline_rows=40, status=status, matters=0.4, findings=findings, effects={},  # type: ignore[arg-type]
    )  # fmt: skip


def performance(status: str) -> PerformanceRecord:
    line = Line(name="auc", figure="0.61", bound="≥ 0.7", status=status)  # type: ignore[arg-type]
    return PerformanceRecord(
        partition=DAYS[1], versions={"1": 40}, captured=40, labelled=40, expected=40,
        status=status, metrics={}, estimate={}, held_out={}, lines=(line,),  # type: ignore[arg-type]
    )  # fmt: skip


def skew(status: str) -> SkewRecord:
    return SkewRecord(
        partition=DAYS[1], captured=40, offline=40, compared=40, different_rows=9,
        columns={"weight": 9}, status=status, words="9 of 40 rows differ",  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("record", "level"),
    [
        (drift(MOVED), "warning"),
        (drift(UNIT, status="failing"), "page"),
        (performance("failing"), "page"),
        (performance("warning"), "warning"),
        (skew("failing"), "page"),
    ],
)
def test_drift_warns_and_broken_data_performance_and_skew_page(record, level):
    (alert,) = of_record(PIPELINE, record)
    assert alert.level == level
    assert DAYS[1] in alert.title
    assert alert.evidence
    assert alert.next_step


@pytest.mark.parametrize(
    "record",
    [drift(), performance("healthy"), performance("unknown"), skew("healthy"), skew("unknown")],
)
def test_what_is_no_alarm_is_silent(record):
    assert list(of_record(PIPELINE, record)) == []


def test_drift_and_broken_data_are_two_alarms():
    titles = [alert.title for alert in of_record(PIPELINE, drift(MOVED, UNIT))]
    assert titles == [f"broken data in {DAYS[1]}", f"drift in {DAYS[1]}"]


def test_nothing_of_a_personal_column_is_told():
    """A new category's name, or a range, may be somebody's."""
    name = Finding(kind="category", column="parcel", effect=0.1, threshold=0, words="new: Ada, 36")
    pipeline = dataclasses.replace(PIPELINE, personal=("parcel",))
    (alert,) = of_record(pipeline, drift(name))
    assert "Ada" not in alert.text
    assert "category" in alert.text
    (other,) = of_record(PIPELINE, drift(name))
    assert "Ada" in other.text, "the control: of other columns the words are told"


def decision(action: str, trigger: str = "drift") -> Decision:
    return Decision(
        at=dt.datetime.now(dt.UTC).isoformat(), pipeline=GROUP, trigger=trigger,
        partition=DAYS[1], action=action, words="40 % matters", evidence={"digest": "x"},  # type: ignore[arg-type]
    )  # fmt: skip


def test_decisions_are_told_but_for_those_that_only_wait():
    levels = {a: [x.level for x in of_decision(decision(a))] for a in ("retrain", "hold", "wait")}
    assert levels == {"retrain": ["warning"], "hold": ["warning"], "wait": []}
    (rolled_back,) = of_decision(decision("roll_back", "guard"))
    (held,) = of_decision(decision("hold", "guard"))
    assert (rolled_back.level, held.level) == ("page", "page")


def test_who_wants_pages_only_gets_no_warnings():
    pages = dataclasses.replace(PIPELINE, alerts=Alerts(from_level="page"))
    alerts = [*of_record(PIPELINE, drift(MOVED)), *of_record(PIPELINE, performance("failing"))]
    assert [alert.level for alert in worth_telling(pages, alerts)] == ["page"]
    assert len(list(worth_telling(PIPELINE, alerts))) == 2


def test_the_sensor_tells_each_once_and_starts_nothing(tmp_path):
    world = LoopWorld(Settings.load(home=tmp_path))
    assert world.tick("alerts") == ([], "There is nothing new to tell.")
    world.store.save(GROUP, "performance", DAYS[1], performance("failing"))
    kept.append(world.store, GROUP, decision("retrain"))
    asked, told = world.tick("alerts")
    assert asked == []
    assert f"performance of {DAYS[1]} is failing (log)" in told
    assert "retrain (drift): 40 % matters (log)" in told
    assert world.tick("alerts")[1] == "There is nothing new to tell."
    assert world.like().tick("alerts")[1] == "There is nothing new to tell.", "no memory needed"
