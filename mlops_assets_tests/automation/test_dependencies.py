"""A dependency that changes is told, once; what stays is silent."""

import dataclasses
import datetime as dt

import pytest

from mlops_assets.automation import dependencies
from mlops_assets.automation.dependencies import Dependencies, changes
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld, declare
from mlops_assets_tests.deliveries import DAYS

NOW = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)
BEFORE = Dependencies(
    columns={"parcel": "str", "weight": "float64"}, packages={"numpy": "2.4.0"},
    versions={DAYS[0]: "1"}, changed=NOW,
)  # fmt: skip


def told(current: Dependencies, before: Dependencies | None = BEFORE, **fields) -> list[str]:
    pipeline = declare()
    monitors = dataclasses.replace(pipeline.monitors, **fields)
    pipeline = dataclasses.replace(pipeline, monitors=monitors)
    return [alert.text for alert in changes(pipeline, before, current, NOW)]


def changed(**fields) -> Dependencies:
    return BEFORE.model_copy(update=fields)


def test_nothing_changed_nothing_told():
    assert told(BEFORE) == []
    assert told(BEFORE, before=None) == [], "the first look has nothing to compare with"
    assert told(changed(versions={DAYS[0]: "1", DAYS[1]: "1"})) == [], "new data is no change"


def test_a_changed_column_and_a_changed_package_are_told_with_both_values():
    (text,) = told(changed(columns={"parcel": "str", "weight": "str", "colour": "str"}))
    assert "weight: float64 → str" in text
    assert "colour: absent → str" in text
    (text,) = told(changed(packages={"numpy": "2.5.0"}))
    assert "numpy: 2.4.0 → 2.5.0" in text
    assert "mlops reproduce deliveries" in text


@pytest.mark.parametrize(("hours", "silent"), [(24, True), (25, True), (23, False)])
def test_a_source_that_falls_silent_is_told(hours, silent):
    current = changed(changed=NOW - dt.timedelta(hours=hours))
    found = told(current, quiet_after=dt.timedelta(days=1))
    assert bool(found) is silent
    assert told(current) == [], "not watched unless declared"


def test_the_sensor_tells_a_change_once_and_starts_nothing(tmp_path, monkeypatch):
    world = LoopWorld(Settings.load(home=tmp_path))
    silent = ([], "Nothing that it stands on has changed.")
    world.lake.write(f"{GROUP}.raw", DAYS[0], world.pipeline.source.read(DAYS[0]))
    assert world.tick("dependencies") == silent
    assert world.tick("dependencies") == silent
    monkeypatch.setattr(dependencies, "_installed", lambda: {"numpy": "9.9"})
    assert "packages have changed" in world.tick("dependencies")[1]
    assert world.tick("dependencies") == silent
    frame = world.pipeline.source.read(DAYS[1]).rename(columns={"weight": "kilograms"})
    world.lake.write(f"{GROUP}.raw", DAYS[1], frame)
    assert "the source's columns have changed" in world.like().tick("dependencies")[1]
    assert world.tick("dependencies") == silent
