"""Captured files to staged rows: everything once, nothing lost, whatever happens in between."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_assets.objects import DirectoryObjects, Objects, open_objects
from mlops_assets.resources.monitoring.capture_stage import read_partition
from mlops_assets.resources.monitoring.captured_files import SETTLED_S, refresh
from mlops_assets_tests.resources.monitoring.captured_lines import (
    ROW,
    STAGE,
    TOP,
    asked,
    capturing,
    exchange,
    lines,
    put,
)

DAY = "2024-03-01"


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return open_objects(f"dir:{tmp_path}")


def events(objects: Objects, day: str = DAY) -> pd.DataFrame:
    return read_partition(objects, capturing(), day).events


def test_a_request_becomes_rows_with_event_version_and_features(objects: Objects) -> None:
    two = asked(ROW, {**ROW, "weight": None}, answers=(0.25, 0.5), inference_id="order-7")
    put(objects, "a", asked(ROW, attributes="event_time=2024-03-02T08:00:00+02:00"), two)
    found = refresh(objects, capturing())
    assert found.news == {DAY, "2024-03-02"}
    assert found.files == 1
    later = events(objects, "2024-03-02").iloc[0]
    assert (later["event_id"], later["version"], later["variant"]) == ("e1", 3, "live")
    assert later["event_time"] == pd.Timestamp("2024-03-02 06:00", tz="UTC")
    assert later["inference_time"] == pd.Timestamp("2024-03-01 10:00", tz="UTC")
    both = events(objects)
    assert both["event_id"].tolist() == ["order-7#0", "order-7#1"]
    assert both["prediction"].tolist() == [0.25, 0.5]
    assert both["weight"].isna().tolist() == [False, True]
    assert both[["depot", "stops", "fragile"]].iloc[0].tolist() == ["north", 3, True]
    assert {str(kind) for kind in both.dtypes} == {
        "str", "datetime64[us, UTC]", "int64", "float64", "bool",
    }  # fmt: skip


def test_the_version_is_the_one_that_answered(objects: Objects) -> None:
    """Guards against a champion that is judged by its challenger's answers during an A/B test."""
    put(objects, "a", asked(ROW, inference_id="alone"), folder="v4/p/live")
    put(objects, "b", asked(ROW, inference_id="champion"), folder="v3-v4/p/live")
    put(objects, "c", asked(ROW, inference_id="trial"), folder="v3-v4/p/challenger")
    put(objects, "d", asked(ROW, inference_id="shadowed"), folder="v3-v4/p/shadow")
    put(objects, "e", asked(ROW, inference_id="old"), folder="p/live")
    put(objects, "f", asked(ROW, inference_id="foreign"), folder="v3/p-load-test/live")
    refresh(objects, capturing())
    assert events(objects).set_index("event_id")["version"].to_dict() == {
        "alone": 4, "champion": 3, "trial": 4, "shadowed": 4, "old": 0,
    }  # fmt: skip


def test_poisonous_lines_are_refused_alone_and_nothing_is_lost(objects: Objects) -> None:
    """One line that raises used to be able to hide a whole file, or stop the station for good."""
    good = asked(ROW)
    poison: dict[str, Any] = {
        "not JSON": "{",
        "no object": "[1]",
        "no metadata": '{"captureData": {}}',
        "nested": "[" * 100_000,
        "no rows": asked(answers=(0.5,)),
        "unknown type": exchange(b"x", content_type="image/png"),
        "no time": asked(ROW, attributes="event_time=soon"),
        "unlike": asked(ROW, ROW, answers=(0.5,)),
        "not finite": exchange(b'{"instances":[{"weight":1}]}', b'{"predictions":[null]}'),
        "no answer": {
            **good,
            "captureData": {"endpointInput": good["captureData"]["endpointInput"]},
        },
        "text": asked({**ROW, "weight": "secret-name"}),
        "fraction": asked({**ROW, "stops": 2.5}),
        "too large": asked({**ROW, "stops": 2**70}),
        "positional": exchange(b'[["north", 1.5, 3, 1]]'),
    }
    probe = asked(ROW, attributes="mlops_probe=1", inference_id="x")
    old_probe = asked(ROW, inference_id="probe-0123456789ab-7")
    put(objects, "a", good, *poison.values(), probe, asked(ROW, inference_id="e2"), old_probe)
    refresh(objects, capturing())
    staged = read_partition(objects, capturing(), DAY)
    assert staged.events["event_id"].tolist() == ["e1", "e2"]
    assert staged.probes == 2
    assert staged.refused["capture_line"].tolist() == list(range(2, 2 + len(poison)))
    reasons = dict(zip(poison, staged.refused["reason"], strict=True))
    assert "secret-name" not in str(reasons), "a refused value may be personal"
    assert "row 1, column 'weight'" in reasons["text"]
    assert "'soon' is no ISO 8601 time" in reasons["no time"]
    assert "2 rows, and an answer of [1]" in reasons["unlike"]


def test_a_second_look_reads_nothing(objects: Objects) -> None:
    put(objects, "a", asked(ROW))
    first = refresh(objects, capturing())
    again = refresh(objects, capturing())
    assert (again.files, again.news) == (0, frozenset())
    assert again.versions == first.versions
    put(objects, "b", asked(ROW, inference_id="e2"), hour="2024/03/01/08")
    assert refresh(objects, capturing()).files == 1, "a file that is written late"
    assert len(events(objects)) == 2


def test_a_lost_state_changes_nothing(objects: Objects) -> None:
    for hour in ("2024/03/01/01", "2024/03/01/09", "2024/03/02/20"):
        put(objects, "a", asked(ROW, inference_id=hour), hour=hour)
    one = refresh(objects, capturing()).versions
    before = events(objects)
    objects.delete(f"{STAGE}/state.json")
    assert refresh(objects, capturing()).versions == one
    pd.testing.assert_frame_equal(events(objects), before)
    objects.write(f"{STAGE}/state.json", b'{"folders": 3}')
    assert refresh(objects, capturing()).files == 3


def test_half_a_file_waits_until_it_is_whole(objects: Objects) -> None:
    uri = f"{TOP}/v3/p/live/2024/03/01/10/torn.jsonl"
    whole = lines(asked(ROW), asked(ROW, inference_id="e2"))
    objects.write(uri, whole[:-30])
    put(objects, "later", asked(ROW, inference_id="e3"), hour="2024/03/01/20")
    found = refresh(objects, capturing())
    assert (found.files, found.waiting) == (1, 1)
    assert refresh(objects, capturing()).waiting == 1, "also when its hour is listed no more"
    objects.write(uri, whole)
    assert refresh(objects, capturing()).waiting == 0
    assert sorted(events(objects)["event_id"]) == ["e1", "e2", "e3"]


def test_half_a_file_that_nobody_completes_is_kept_but_for_its_end(objects: Objects) -> None:
    import time

    uri = f"{TOP}/v3/p/live/2024/03/01/10/torn.jsonl"
    objects.write(uri, lines(asked(ROW), asked(ROW, inference_id="e2"))[:-30])
    now = time.time()
    assert refresh(objects, capturing(), now=now).waiting == 1
    assert refresh(objects, capturing(), now=now + SETTLED_S + 60).files == 1
    staged = read_partition(objects, capturing(), DAY)
    assert staged.events["event_id"].tolist() == ["e1"]
    assert staged.refused["reason"].tolist() == ["the file ends within this line"]


class Killed(Exception):
    """The process is gone."""


class Mortal(DirectoryObjects):
    """A store whose user dies at the n-th write."""

    def __init__(self, root: Path, lives: int) -> None:
        super().__init__(root)
        self.lives = lives

    def write(self, uri: str, data: bytes) -> None:
        if not self.lives:
            raise Killed
        self.lives -= 1
        super().write(uri, data)


@pytest.mark.parametrize("lives", range(4))
def test_killed_at_any_write_it_counts_everything_once(tmp_path: Path, lives: int) -> None:
    """Guards against events that count twice because a refresh died before it could say so."""
    objects = open_objects(f"dir:{tmp_path}")
    for day in ("01", "02"):
        asking = asked(ROW, inference_id=day, attributes=f"event_time=2024-03-{day}")
        put(objects, day, asking)
    if lives < 3:
        with pytest.raises(Killed):
            refresh(Mortal(tmp_path, lives), capturing())
    put(objects, "new", asked(ROW, inference_id="new", attributes="event_time=2024-03-02"))
    refresh(objects, capturing())
    assert events(objects, "2024-03-01")["event_id"].tolist() == ["01"]
    assert events(objects, "2024-03-02")["event_id"].tolist() == ["02", "new"]


def test_refreshes_at_once_do_no_harm(objects: Objects) -> None:
    for number in range(30):
        put(objects, f"f{number:02}", asked(ROW, inference_id=f"e{number:02}"))
    start = threading.Barrier(3)

    def race() -> None:
        start.wait()
        refresh(objects, capturing())

    threads = [threading.Thread(target=race) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(events(objects)["event_id"]) == [f"e{number:02}" for number in range(30)]


def test_many_small_parts_become_one(objects: Objects) -> None:
    for number in range(40):
        put(objects, f"f{number:02}", asked(ROW, inference_id=f"e{number:02}"))
        refresh(objects, capturing())
    before = events(objects)
    assert len(before) == 40
    assert len(list(objects.list(f"{STAGE}/{DAY}/"))) == 1
    put(objects, "more", asked(ROW, inference_id="more"))
    refresh(objects, capturing())
    assert len(events(objects)) == 41


class Counting(DirectoryObjects):
    """Counts what is read of captured files."""

    reads = 0
    listed = 0

    def read(self, uri: str) -> bytes:
        self.reads += uri.startswith(TOP)
        return super().read(uri)

    def list(self, prefix_uri: str, *, after: str = "") -> Iterator[Any]:
        for info in super().list(prefix_uri, after=after):
            self.listed += 1
            yield info


def test_the_work_grows_with_what_is_new_not_with_history(tmp_path: Path) -> None:
    objects = Counting(tmp_path)
    for day in range(1, 31):
        for hour in (0, 12):
            put(objects, "f", asked(ROW), hour=f"2024/04/{day:02}/{hour:02}")
    refresh(objects, capturing())
    assert objects.reads == 60
    objects.reads = objects.listed = 0
    put(objects, "new", asked(ROW), hour="2024/04/30/13")
    refresh(objects, capturing())
    assert objects.reads == 1
    assert objects.listed <= 3
