"""The parts of a replay: clock, source, plan, the rows that are asked, what is kept of a month."""

import dataclasses
import datetime as dt
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from mlops_assets.replay import records, rows
from mlops_assets.replay.clock import Clock
from mlops_assets.replay.pacing import hurried, paced
from mlops_assets.replay.plan import Plan, ReplayError, find, partitions
from mlops_assets.replay.source import SourceSoFar
from mlops_assets_tests.replay.parcels import DAYS, ROWS, pipeline
from mlops_assets_tests.replay.parcels.steady import pipeline as steady

MODULE = "mlops_assets_tests.replay.parcels"


def moment(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "replay" / "clock.txt")


def test_the_clock_is_read_by_any_process_and_never_goes_back(clock: Clock) -> None:
    assert clock.now() is None
    clock.advance(moment("2024-03-02"))
    assert Clock(clock.path).now() == moment("2024-03-02")
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(moment("2024-03-01"))


def test_only_partitions_that_are_over_are_there(clock: Clock) -> None:
    """A partition seen a moment too early would let the loop learn from its own future."""
    source = SourceSoFar(pipeline.source, pipeline.partitions, clock)
    assert source.partitions() == []
    clock.advance(moment("2024-03-02 23:59"))
    assert source.partitions() == [DAYS[0]]
    with pytest.raises(ValueError, match="not there yet"):
        source.read(DAYS[1])
    clock.advance(moment("2024-03-03"))
    assert source.partitions() == list(DAYS[:2])
    assert len(source.read(DAYS[1])) == ROWS


def test_only_pace_source_and_gap_are_changed(clock: Clock) -> None:
    """The replay must not make the loop better than it is."""
    changed = paced(pipeline, clock, sampled=True)
    back = dataclasses.replace(
        changed,
        source=pipeline.source,
        retraining=dataclasses.replace(
            changed.retraining,
            pause=pipeline.retraining.pause,
            per_day=pipeline.retraining.per_day,
        ),
        monitors=pipeline.monitors,
    )
    assert back == pipeline
    assert paced(pipeline, clock, sampled=False).monitors == pipeline.monitors
    assert changed.monitors.performance.capture_gap == 1


def test_a_hurried_sensor_is_on_and_the_declared_one_stays_as_it_is() -> None:
    @dg.sensor(target=dg.AssetSelection.all(), minimum_interval_seconds=60)
    def watch() -> None:
        return None

    quick = hurried(watch)
    assert (quick.minimum_interval_seconds, quick.default_status.value) == (1, "RUNNING")
    assert (watch.minimum_interval_seconds, watch.default_status.value) == (60, "STOPPED")


def test_what_only_shows_is_made_less_often() -> None:
    """Pages were made anew after each of twenty runs a month: a third of what a replay cost."""

    @dg.sensor(target=dg.AssetSelection.all(), minimum_interval_seconds=30)
    def parcels_downstream() -> None:
        return None

    assert hurried(parcels_downstream).minimum_interval_seconds == 15


def test_a_variant_is_found_beside_its_pipeline_and_nowhere_else() -> None:
    assert find("parcels", None, [MODULE]) is pipeline
    assert find("parcels", "steady", [MODULE]) is steady
    assert find("flight_delays", "schedule", []).name == "flight_delays_schedule"
    with pytest.raises(ReplayError, match="no variant 'windy'"):
        find("parcels", "windy", [MODULE])
    with pytest.raises(ReplayError, match="no pipeline 'planes'"):
        find("planes", None, [MODULE])


def test_months_are_named_by_the_start_of_their_keys() -> None:
    flights = find("flight_delays", None, [])
    start, months = partitions(flights, "2013-04", "2013-12")
    assert (start, months[0], months[-1], len(months)) == (
        "2013-03-01", "2013-04-01", "2013-12-01", 9,
    )  # fmt: skip
    with pytest.raises(ReplayError, match="at least one partition before"):
        partitions(flights, "2013-01", "2013-03")


def test_a_home_holds_one_replay(tmp_path: Path) -> None:
    plan = Plan(
        pipeline="parcels", variant=None, start=DAYS[1], first=DAYS[2], last=DAYS[3], rows=0
    )
    plan.save(tmp_path)
    plan.model_copy(update={"last": DAYS[4]}).save(tmp_path)
    assert Plan.load(tmp_path).last == DAYS[4]
    with pytest.raises(ReplayError, match="holds another replay"):
        plan.model_copy(update={"rows": 100}).save(tmp_path)


def test_callers_know_the_rows_and_when_each_label_became_known() -> None:
    month = rows.month(pipeline, DAYS[2])
    assert len(month.features) == len(month.ids) == ROWS
    late = month.known_at - month.features["promised_at"]
    assert late.between(dt.timedelta(minutes=30), dt.timedelta(hours=10)).all()


def test_the_same_rows_are_asked_each_time_spread_over_the_month() -> None:
    month = rows.month(pipeline, DAYS[2])
    asked, again = month.sample(100), month.sample(100)
    assert asked.ids.tolist() == again.ids.tolist()
    assert asked.features["parcel"].tolist() == asked.ids.tolist()
    assert asked.features["promised_at"].is_monotonic_increasing
    assert asked.features["promised_at"].dt.hour.nunique() > 18
    assert len(month.sample(0).ids) == ROWS


def test_a_played_month_is_told_again_as_it_was(tmp_path: Path) -> None:
    model = records.Model(arn="arn:1", version=1, as_of=DAYS[1])
    month = records.MonthRecord(
        partition=DAYS[2], asked=10, labels_sent=9, labelled=9, frozen=model, kept=model,
        loop=model, after=model, metrics={"loop": {"auc": 0.75}}, noise=(0.1, -0.1, 0.2),
        served={}, decided=(records.Said(what="hold", words="why"),), failed=(), seconds=1.0,
    )  # fmt: skip
    assert records.load(tmp_path, DAYS[2]) is None
    month.save(tmp_path)
    assert records.load(tmp_path, DAYS[2]) == month
