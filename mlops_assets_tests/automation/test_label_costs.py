"""What a tick of the labels' sensor looks at: what is new, not all that there ever was."""

import datetime as dt
from collections.abc import Callable, Iterator

import dagster as dg
import pandas as pd
import pytest

from mlops_assets.assets.monitoring.captured.ground_truth import labels_uri
from mlops_assets.automation.uploads import recent
from mlops_assets.objects import DirectoryObjects, ObjectInfo
from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import Monitors, Performance
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.monitoring.ground_truth import newest_hour, upload
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld, declare

FIRST = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
WITHIN = dt.timedelta(days=3)


@pytest.fixture
def open_world(tmp_path) -> Callable[[str], LoopWorld]:
    """A pipeline of days without end, whose labels come within three days."""
    monitors = Monitors(performance=Performance(labels_within=WITHIN))
    partitions = Partitions(kind="daily", start=FIRST.date().isoformat())

    def open_(name: str) -> LoopWorld:
        settings = Settings.load(home=tmp_path / name)
        return LoopWorld(settings, declare(monitors=monitors, partitions=partitions))

    return open_


@pytest.fixture
def listed(monkeypatch) -> list[str]:
    """Every object and folder that is listed anywhere, as it is."""
    names: list[str] = []
    objects, folders = DirectoryObjects.list, DirectoryObjects.folders

    def list_(self: DirectoryObjects, uri: str, *, after: str = "") -> Iterator[ObjectInfo]:
        for info in objects(self, uri, after=after):
            names.append(info.uri)
            yield info

    def folders_(self: DirectoryObjects, uri: str) -> Iterator[str]:
        for name in folders(self, uri):
            names.append(name)
            yield name

    monkeypatch.setattr(DirectoryObjects, "list", list_)
    monkeypatch.setattr(DirectoryObjects, "folders", folders_)
    return names


def labelled(world: LoopWorld, day: int, name: str = "a") -> str:
    """Labels that became known on a day, uploaded now; its partition."""
    moment = FIRST + day * DAY
    uri = labels_uri(world.pipeline, world.store)
    upload(world.store.open(), uri, {f"{name}{day}": 1.0}, moment)
    return moment.date().isoformat()


def tick(world: LoopWorld, cursor: str | None) -> tuple[list[dg.RunRequest], str | None]:
    sensor = world.defs.resolve_sensor_def(f"{GROUP}_labels")
    needed = {name: world.resources[name] for name in sensor.required_resource_keys}
    with dg.build_sensor_context(
        world.instance, cursor=cursor, definitions=world.defs, resources=needed
    ) as context:
        ticked = sensor.evaluate_tick(context)
    return list(ticked.run_requests or []), ticked.cursor


def settled(world: LoopWorld, days: int) -> str:
    """A history of labels that have all been asked for; the cursor after it."""
    for day in range(days):
        labelled(world, day)
    requests, cursor = tick(world, None)
    assert len(requests) == days
    assert cursor is None, "not before all of it has begun"
    for request in requests:
        world.started(request, job="any")
    requests, cursor = tick(world, None)
    assert (requests, bool(cursor)) == ([], True)
    return str(cursor)


def test_ten_times_the_history_is_not_ten_times_the_listing(open_world, listed):
    """A year of labels was listed at every tick, every minute."""
    costs = {}
    for days in (12, 120):
        world = open_world(str(days))
        cursor = settled(world, days)
        news = labelled(world, days)
        listed.clear()
        ((request,), after) = tick(world, cursor)
        assert (request.partition_key, after) == (news, cursor)
        costs[days] = len(listed)
    # Five days of labels, and the names of folders on the way to the newest: 31 days at most.
    assert costs[120] <= 5 + 12 + 31 + 24 + 2
    assert costs[120] < 2 * costs[12]
    # The control: a look at everything does follow the history.
    listed.clear()
    tick(world, None)
    assert len(listed) > 120


def test_late_uploads_are_found_at_once_within_the_horizon_and_beyond_it_within_a_day(open_world):
    """Nothing that is uploaded may be lost for being late."""
    world = open_world("late")
    cursor = settled(world, 20)
    # The newest is of day 19: three days within which labels come, and one for who is late.
    near, far = labelled(world, 15, "late"), labelled(world, 3, "later")
    requests, _ = tick(world, cursor)
    assert [request.partition_key for request in requests] == [near]
    world.started(requests[0], job="any")
    yesterday = (dt.datetime.fromisoformat(cursor) - DAY).isoformat()
    requests, after = tick(world, yesterday)
    assert [request.partition_key for request in requests] == [far]
    assert after == yesterday, "looked at until it has begun"
    world.started(requests[0], job="any")
    requests, after = tick(world, yesterday)
    assert (requests, after) != ([], yesterday)


def test_a_part_of_the_history_has_the_versions_that_all_of_it_has(open_world):
    """Or each look at everything would bring in again what is in."""
    world = open_world("versions")
    cursor = settled(world, 9)
    assert tick(world, cursor)[0] == tick(world, None)[0] == []


def test_labels_of_the_future_hide_none_of_today(open_world):
    """One wrong clock at a labeller's, and the horizon would lie in the year 2099."""
    world = open_world("future")
    cursor = settled(world, 6)
    uri = labels_uri(world.pipeline, world.store)
    upload(world.store.open(), uri, {"x": 1.0}, FIRST.replace(year=2099))
    news = labelled(world, 6)
    assert news in {request.partition_key for request in tick(world, cursor)[0]}
    found = recent(world.pipeline, world.store, FIRST.replace(year=2100))
    assert str(found) > "2098", "the control"


def test_folders_that_are_no_hours_or_empty_are_passed_by(open_world):
    world = open_world("odd")
    objects, uri = world.store.open(), labels_uri(world.pipeline, world.store)
    now = pd.Timestamp(FIRST + 30 * DAY)
    assert newest_hour(objects, uri, now) is None
    labelled(world, 0)
    for odd in ("notes/readme.txt", "2024/02/31/99/x.jsonl", "2024/01/20/10/README"):
        objects.write(f"{uri}/{odd}", b"")
    emptied = f"{uri}/2024/01/22/10/a.jsonl"
    objects.write(emptied, b"")
    objects.delete(emptied)
    assert newest_hour(objects, uri, now) == pd.Timestamp(FIRST)
    assert newest_hour(objects, uri, pd.Timestamp(FIRST - DAY)) is None


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The tables that rows are read of."""
    tables: list[str] = []
    read = Lake.read

    def counted(self: Lake, table: str, *args: object, **options: object) -> pd.DataFrame:
        tables.append(table)
        return read(self, table, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "read", counted)
    return tables


def test_of_the_table_of_labels_only_what_changed_is_read(open_world, reads):
    """Forty partitions were read at every tick."""
    world = open_world("table")
    row = {"event_id": "e", "label": 1.0, "label_file": "f", "provenance": "upload"}

    def write(day: int, event: str) -> None:
        moment = pd.Timestamp(FIRST + day * DAY).as_unit("us")
        frame = pd.DataFrame([{**row, "event_id": event, "known_at": moment}])
        world.lake.write(f"{GROUP}.ground_truth", moment.date().isoformat(), frame)

    for day in range(6):
        write(day, f"e{day}")
    tick(world, None)
    assert reads.count(f"{GROUP}.ground_truth") == 6
    reads.clear()
    tick(world, None)
    assert reads == [], "nothing is new"
    write(2, "other")
    tick(world, None)
    assert reads.count(f"{GROUP}.ground_truth") == 2, "as it is, and as it was"
