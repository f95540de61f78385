"""Firehose's deliveries: each row in the partition of its own time, whenever it came."""

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mlops_assets.objects import Objects, open_objects
from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import Source
from mlops_assets.resources.ingestion import firehose
from mlops_assets.resources.ingestion.firehose import FirehoseSource
from mlops_assets.resources.sources import SourceError

DAYS = Partitions(kind="daily", start="2024-03-01", end="2024-03-04")
PREFIX = "s3://landing/orders"
OPEN = dt.timedelta(days=99_999)  # no day is closed


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setattr(firehose, "_LOOK_AGAIN_S", -1.0)
    return open_objects(f"dir:{tmp_path / 'buckets'}")


def source(**fields: object) -> FirehoseSource:
    return FirehoseSource(**{"location": PREFIX, "windows": DAYS, "event_time": "at", **fields})  # type: ignore[arg-type]


def order(number: int, at: str) -> dict[str, object]:
    return {"order": number, "at": at}


def send(store: Objects, hour: str, *orders: dict[str, object], name: str = "a", glue: str = "",
         pack: Callable[[bytes], bytes] = gzip.compress) -> str:  # fmt: skip
    """An object of this hour of delivery."""
    uri = f"{PREFIX}/{hour}/stream-1-{name}"
    store.write(uri, pack(glue.join(map(json.dumps, orders)).encode()))
    return uri


def read(found: FirehoseSource) -> dict[str, list[int]]:
    return {p: found.read(p)["order"].tolist() for p in found.partitions()}


def test_late_rows_go_to_the_partition_of_their_time(store):
    """Row 27: by the folder of their delivery, yesterday's orders would be today's."""
    send(store, "2024/03/01/10", order(1, "2024-03-01T09:59:00Z"))
    found = source(settled_after=OPEN)
    assert isinstance(found, Source)
    before = found.version("2024-03-01")
    send(store, "2024/03/02/00", order(2, "2024-03-01T23:59:59Z"), order(3, "2024-03-02T00:00:00Z"))
    assert read(found) == {"2024-03-01": [1, 2], "2024-03-02": [3]}
    assert found.version("2024-03-01") != before
    now = {p: found.version(p) for p in found.partitions()}
    send(store, "2024/03/02/05", order(4, "2024-03-02T04:00:00Z"))
    assert found.version("2024-03-01") == now["2024-03-01"], "a later delivery is not its business"
    assert found.version("2024-03-02") != now["2024-03-02"]


@pytest.mark.parametrize("glue", ["", "\n", " \n\n"])
@pytest.mark.parametrize("pack", [gzip.compress, bytes, lambda b: gzip.compress(b[:9])
                                  + gzip.compress(b[9:])])  # fmt: skip
def test_records_are_read_however_they_follow_each_other(store, glue, pack):
    """Without a processor Firehose puts no line break between records: `lines=True` reads one."""
    at = "2024-03-01T01:00:00Z"
    send(store, "2024/03/01/01", order(1, at), order(2, at), glue=glue, pack=pack)
    assert read(source()) == {"2024-03-01": [1, 2]}


def test_parquet_and_hive_folders(store, tmp_path):
    frame = pd.DataFrame({"order": [1], "at": [1709254800]})  # 2024-03-01T01:00Z
    frame.to_parquet(tmp_path / "x.parquet")
    uri = f"{PREFIX}/year=2024/month=03/day=01/hour=02/x.parquet"
    store.upload(tmp_path / "x.parquet", uri)
    assert read(source(form="parquet", layout="hive", time_unit="s")) == {"2024-03-01": [1]}
    assert source().partitions() == [], "the other layout's folders are none of ours"


def test_a_row_without_a_time_is_not_lost_and_one_of_another_year_is_left_out(store):
    """Accepted + quarantined = input: it comes with its delivery, and the schema judges it."""
    send(store, "2024/03/02/10", order(1, "soon"), {"order": 2}, order(3, "2019-01-01T00:00:00Z"))
    assert read(source()) == {"2024-03-02": [1, 2]}


def test_without_an_event_time_the_hour_of_delivery_counts(store):
    send(store, "2024/03/02/10", order(1, "2024-03-01T00:00:00Z"))
    assert read(source(event_time=None)) == {"2024-03-02": [1]}


def test_what_could_not_be_delivered_and_foreign_objects_are_not_read(store):
    send(store, "2024/03/02/10", order(1, "2024-03-02T00:00:00Z"))
    send(store, "processing-failed/2024/03/02/10", order(2, "2024-03-02T00:00:00Z"))
    send(store, "2024/13/40/10", order(3, "2024-03-02T00:00:00Z"))
    assert read(source()) == {"2024-03-02": [1]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(b'{"order": 1}' * 99)[:-9], "torn"),
        (b'{"order": 1}{"or', "cannot be read"),
        (b"[1]", "record 1 is no JSON object"),
    ],
    ids=["torn", "cut", "no object"],
)
def test_a_broken_object_stops_its_own_hour_only(store, data, words):
    """Row 11: never a short frame; and the other days still come in."""
    send(store, "2024/03/01/10", order(1, "2024-03-01T00:00:00Z"))
    store.write(f"{PREFIX}/2024/03/02/10/bad", data)
    found = source()
    assert found.partitions() == ["2024-03-01", "2024-03-02"]
    assert found.read("2024-03-01")["order"].tolist() == [1]
    with pytest.raises(SourceError, match=f"bad cannot be read.*{words}|{words}"):
        found.read("2024-03-02")


def test_an_object_that_unpacks_to_too_much_is_refused(store, monkeypatch):
    from mlops_assets.resources.ingestion import delivered

    monkeypatch.setattr(delivered, "_MOST_BYTES", 1000)
    send(store, "2024/03/01/10", *[order(i, "2024-03-01T00:00:00Z") for i in range(99)])
    with pytest.raises(SourceError, match="unpacks to over 1,000 bytes"):
        source().read("2024-03-01")


def test_settled_days_are_neither_listed_nor_read_again(store, monkeypatch):
    """A year of objects, listed and opened at every tick of the sensor."""
    uri = send(store, "2024/03/01/10", order(1, "2024-03-01T00:00:00Z"))
    assert source().partitions() == ["2024-03-01"]
    opened: list[str] = []
    rows_of = firehose.rows_of
    monkeypatch.setattr(
        firehose, "rows_of", lambda *given: opened.append(given[2]) or rows_of(*given)
    )
    assert source().version("2024-03-01")
    assert opened == []
    assert source().read("2024-03-01")["order"].tolist() == [1]
    assert opened == [uri]
    send(store, "2024/03/01/11", order(2, "2024-03-01T00:00:00Z"))
    assert source().read("2024-03-01")["order"].tolist() == [1], "two years late: the day is closed"


def test_an_open_day_forgets_what_was_deleted(store):
    late = source(settled_after=OPEN)
    uri = send(store, "2024/03/01/10", order(1, "2024-03-01T00:00:00Z"))
    assert late.partitions() == ["2024-03-01"]
    store.delete(uri)
    assert late.partitions() == []


@pytest.mark.parametrize("key", ["2024-03-09", "2024-03-01' OR 1=1", "../x", ""])
def test_keys_that_are_not_declared_are_refused(store, key):
    with pytest.raises(SourceError):
        source().read(key)
