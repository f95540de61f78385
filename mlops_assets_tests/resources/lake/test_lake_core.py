"""The lake's promises to one writer: what is read is what was written, version by version."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from mlops_assets.resources.lake import files
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.lake.errors import (
    LakeError,
    PartitionNotFound,
    SnapshotNotFound,
    TableNotFound,
)

EVERY_TYPE = pd.DataFrame(
    {
        "text": pd.Series(["a", None, "", "émoji 🛫"]),
        "number": [1.5, np.nan, -0.0, 1e308],
        "float32": np.array([1.5, np.nan, 0, 1], dtype="float32"),
        "integer": [1, -(2**62), 2**62, 0],
        "int32": np.array([1, 2, 3, 4], dtype="int32"),
        "int8": np.array([1, 2, 3, -128], dtype="int8"),
        "nullable": pd.array([1, None, 2**62 + 1, 0], dtype="Int64"),
        "nullable8": pd.array([1, None, 3, 0], dtype="Int8"),
        "nullable_float": pd.array([1.5, None, 3, 0], dtype="Float64"),
        "flag": [True, False, True, False],
        "maybe": pd.array([True, None, False, None], dtype="boolean"),
        "instant": pd.to_datetime(
            ["2013-01-01T05:00:00.123456Z", None, "1960-01-01T00:00Z", "2300-01-01T00:00Z"],
            format="ISO8601",
        ).as_unit("us"),
        "wall_clock": pd.to_datetime(
            ["2013-03-10T02:30", None, "2013-01-01T00:00", "1960-01-01T00:00"]
        ),
        "day": [date(2013, 1, 1), None, date(1960, 2, 29), date(2013, 12, 31)],
        "vector": [[1.0, 2.0], None, [], [0.5]],
        "missing_numbers": [np.nan] * 4,
    }
)
JANUARY = pd.DataFrame({"carrier": ["UA", "AA"], "delay": [3.0, np.nan]})
FEBRUARY = pd.DataFrame({"carrier": ["DL"], "delay": [7.0]})


def test_every_type_comes_back_as_it_was(lake: Lake, table: str) -> None:
    commit = lake.write(table, "2013-01", EVERY_TYPE)
    assert commit.rows == 4
    assert commit.bytes > 0
    assert commit.columns == tuple(EVERY_TYPE.columns)
    assert commit.changed
    found = lake.read(table)
    vectors = [None if row is None else list(row) for row in found.pop("vector")]
    expected = EVERY_TYPE.copy()
    assert vectors == expected.pop("vector").tolist()
    assert_frame_equal(found, expected)


def test_rows_keep_their_order_and_partitions_theirs(lake: Lake, table: str) -> None:
    """Parquet readers and manifests are free to reorder; samples and digests depend on order."""
    shuffled = np.random.default_rng(1).permutation(200_000)
    frames = {key: pd.DataFrame({"n": shuffled, "key": key}) for key in ("b", "a", "c")}
    for key, frame in frames.items():
        lake.write(table, key, frame)
    assert_frame_equal(
        lake.read(table, ["c", "a"]), pd.concat([frames["c"], frames["a"]], ignore_index=True)
    )
    assert lake.read(table)["key"].unique().tolist() == ["a", "b", "c"]
    assert lake.partitions(table) == ["a", "b", "c"]


def test_the_same_content_commits_nothing(lake: Lake, table: str) -> None:
    """A rerun that made new snapshots would make everything downstream stale."""
    first = lake.write(table, "a", EVERY_TYPE)
    lake.write(table, "b", JANUARY)
    head = lake.head(table)
    again = lake.write(table, "a", EVERY_TYPE.set_index(pd.Index([9, 8, 7, 6])))
    assert (again.snapshot_id, again.changed) == (first.snapshot_id, False)
    assert (again.digest, again.bytes, again.rows) == (first.digest, first.bytes, first.rows)
    assert lake.head(table) == head
    for changed in (EVERY_TYPE[::-1], EVERY_TYPE.assign(int8=EVERY_TYPE["int8"].astype("int32"))):
        assert lake.write(table, "a", changed).changed


def test_each_write_is_one_snapshot_and_old_ones_stay_readable(lake: Lake, table: str) -> None:
    """pyiceberg's own overwrite deletes in one snapshot and appends in the next."""
    old = lake.write(table, "a", JANUARY)
    other = lake.write(table, "b", FEBRUARY)
    new = lake.write(table, "a", FEBRUARY)
    handle = lake._catalog.load_table(table)
    assert [snapshot.snapshot_id for snapshot in handle.snapshots()] == [
        old.snapshot_id,
        other.snapshot_id,
        new.snapshot_id,
    ]
    assert lake.head(table) == new.snapshot_id
    assert lake.partition_snapshot(table, "b") == other.snapshot_id
    assert lake.partition_snapshot(table, "none") is None
    assert lake.snapshots(table) == {"a": new.snapshot_id, "b": other.snapshot_id}
    assert lake.snapshots(f"{table}_never_written") == {}
    assert_frame_equal(lake.read(table, ["a"], snapshot_id=other.snapshot_id), JANUARY)
    assert_frame_equal(lake.read(table, ["a"]), FEBRUARY)
    with pytest.raises(SnapshotNotFound, match="no snapshot 1 "):
        lake.read(table, snapshot_id=1)


def test_pyicebergs_overwrite_would_show_the_partition_gone(local_lake: Lake, table: str) -> None:
    """The negative control of the test above: this is what the lake's own commit avoids."""
    local_lake.write(table, "a", JANUARY)
    handle = local_lake._catalog.load_table(table)
    rows = pa.Table.from_pandas(JANUARY.assign(_partition="a"), preserve_index=False)
    handle.overwrite(rows, overwrite_filter="_partition == 'a'")
    between = handle.snapshots()[-2]
    with pytest.raises(PartitionNotFound):
        local_lake.read(table, ["a"], snapshot_id=between.snapshot_id)


def test_an_empty_partition_is_not_a_missing_one(lake: Lake, table: str) -> None:
    """Fault 32: 'no rows that month' is a fact with a version, 'never ran' is an error."""
    lake.write(table, "a", EVERY_TYPE)
    empty = lake.write(table, "b", EVERY_TYPE[:0])
    assert empty.changed
    assert not lake.write(table, "b", EVERY_TYPE[:0]).changed
    assert_frame_equal(lake.read(table, ["b"]), EVERY_TYPE[:0])
    assert lake.partitions(table) == ["a", "b"]
    assert len(lake.read(table, ["a", "b"])) == 4
    with pytest.raises(PartitionNotFound, match=r"no partition c; there is: a, b"):
        lake.read(table, ["a", "c"])


def test_a_table_may_start_empty(lake: Lake, table: str) -> None:
    assert not lake.exists(table)
    assert lake.head(table) is None
    with pytest.raises(TableNotFound, match="there is: nothing"):
        lake.read(table)
    lake.write(table, "a", pd.DataFrame())
    assert lake.exists(table)
    assert lake.read(table, ["a"]).shape == (0, 0)
    lake.write(table, "b", JANUARY)
    assert_frame_equal(lake.read(table), JANUARY)
    with pytest.raises(TableNotFound, match=f"there is: {table}"):
        lake.read(table + "x")


def test_new_columns_extend_the_table_and_old_partitions_lack_them(lake: Lake, table: str) -> None:
    before = lake.write(table, "a", JANUARY)
    lake.write(table, "b", FEBRUARY.assign(gust=1.0, note="x")[["gust", "carrier", "note"]])
    found = lake.read(table)
    assert found.columns.tolist() == ["carrier", "delay", "gust", "note"]
    assert found["gust"].isna().tolist() == [True, True, False]
    assert found["delay"].isna().tolist() == [False, True, True]
    assert_frame_equal(lake.read(table, snapshot_id=before.snapshot_id), JANUARY)
    assert not lake.write(table, "a", JANUARY[["delay", "carrier"]]).changed


def test_numbers_widen_but_types_do_not_change(lake: Lake, table: str) -> None:
    small = pd.DataFrame({"n": np.array([1], "int32"), "x": np.array([1.5], "float32")})
    wide = pd.DataFrame({"n": [2**40], "x": [0.1]})
    lake.write(table, "a", small)
    lake.write(table, "b", wide)
    lake.write(table, "c", small)
    assert lake.read(table)["n"].tolist() == [1, 2**40, 1]
    assert lake.read(table, ["b"])["x"].tolist() == [0.1]
    head = lake.head(table)
    message = rf"{table}\[d\]: column 'n' is int64 in the table and large_string in the new rows"
    with pytest.raises(LakeError, match=message):
        lake.write(table, "d", pd.DataFrame({"n": ["x"]}))
    assert lake.head(table) == head


def test_a_column_of_nothing_takes_the_tables_type(lake: Lake, table: str) -> None:
    lake.write(table, "a", pd.DataFrame({"when": pd.to_datetime(["2013-01-01T00:00Z"]), "n": [1]}))
    lake.write(table, "b", pd.DataFrame({"when": [None], "n": [None], "unknown": [None]}))
    found = lake.read(table)
    assert str(found["when"].dtype) == "datetime64[us, UTC]"
    assert str(found["n"].dtype) == "Int64"
    assert found["unknown"].isna().all()


def test_partitions_of_different_dtypes_read_as_one_that_holds_both(lake: Lake, table: str) -> None:
    lake.write(
        table, "a", pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "f": [True, True]})
    )
    lake.write(table, "b", pd.DataFrame({"n": [2**62 + 1], "f": pd.array([None], "boolean")}))
    found = lake.read(table)
    assert found["n"].tolist() == [1, pd.NA, 2**62 + 1]
    assert str(found["f"].dtype) == "boolean"
    assert str(lake.read(table, ["b"])["n"].dtype) == "int64"


def test_columns_can_be_chosen(lake: Lake, table: str) -> None:
    lake.write(table, "a", JANUARY)
    assert_frame_equal(
        lake.read(table, columns=["delay", "carrier"]), JANUARY[["delay", "carrier"]]
    )
    assert lake.read(table, columns=["delay"]).columns.tolist() == ["delay"]
    with pytest.raises(LakeError, match=r"no columns \['_partition'\]"):
        lake.read(table, columns=["_partition"])


def test_properties_are_kept_with_the_snapshot(lake: Lake, table: str) -> None:
    commit = lake.write(table, "a", JANUARY, properties={"dagster.run_id": "run-1"})
    handle = lake._catalog.load_table(table)
    summary = files.summary(handle, commit.snapshot_id)
    assert summary["dagster.run_id"] == "run-1"
    assert summary["mlops.digest"] == commit.digest


def test_reading_one_partition_touches_no_other(
    local_lake: Lake, table: str, tmp_path: Path
) -> None:
    """The cost of a read must follow what is asked for: the other partitions' files are gone."""
    for key in "abc":
        local_lake.write(table, key, JANUARY.assign(key=key))
    handle = local_lake._catalog.load_table(table)
    snapshot = handle.current_snapshot()
    assert snapshot is not None
    found = files.find(handle.metadata, handle.io, snapshot, None)
    for manifest in snapshot.manifests(handle.io):
        names = {entry.data_file.partition[0] for entry in manifest.fetch_manifest_entry(handle.io)}
        if "b" not in names:
            Path(manifest.manifest_path.removeprefix("file://")).write_bytes(b"torn")
    for key in "ac":
        Path(found[key][0].file.file_path.removeprefix("file://")).unlink()
    assert local_lake.read(table, ["b"])["key"].tolist() == ["b", "b"]
    with pytest.raises(Exception, match=r".+"):  # the control: these files do matter to the others
        local_lake.read(table, ["a"])


@pytest.mark.parametrize(
    "partition", ["", "..", "a/b", "../a", "a\nb", "a\x00", "-a", "a..b", "x" * 256, "a\\b", "é"]
)
def test_partitions_that_could_escape_are_refused(local_lake: Lake, partition: str) -> None:
    with pytest.raises(LakeError, match=r"use letters, digits"):
        local_lake.write("test.rows", partition, JANUARY)
    assert not local_lake.exists("test.rows")


@pytest.mark.parametrize(
    "partition", ["2013-01-01-05:00", "a|b", "2013-01-01 05:00:00+00:00", "a=b"]
)
def test_dagsters_partition_keys_are_taken(lake: Lake, table: str, partition: str) -> None:
    lake.write(table, partition, JANUARY)
    lake.write(table, partition, FEBRUARY)
    assert lake.partitions(table) == [partition]
    assert_frame_equal(lake.read(table, [partition]), FEBRUARY)


@pytest.mark.parametrize("name", ["rows", "a.b.c", "A.b", "a.b-c", "a.", "", "../a.b"])
def test_tables_that_glue_refuses_are_refused(local_lake: Lake, name: str) -> None:
    with pytest.raises(LakeError, match=r"use namespace\.table"):
        local_lake.write(name, "a", JANUARY)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1, "x"]}), "column 'a' .object. does not fit"),
        (pd.DataFrame({"a": [object()]}), "column 'a' .object. does not fit"),
        (pd.DataFrame({1: [1]}), "must be non-empty strings"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "occur twice: .'a'."),
        (pd.DataFrame({"a": [2**64 - 1]}, dtype="uint64"), "column 'a' .uint64. does not fit"),
        (pd.DataFrame({"a": pd.to_timedelta(["1s"])}), "duration.* has no place in the lake"),
        (pd.DataFrame({"a": pd.to_datetime([1], unit="ns").as_unit("ns")}), "lose data"),
        (pd.DataFrame({"_partition": ["a"]}), "_partition"),
    ],
)
def test_frames_without_a_type_are_refused_by_column(
    local_lake: Lake, frame: pd.DataFrame, message: str
) -> None:
    with pytest.raises(LakeError, match=message):
        local_lake.write("test.rows", "a", frame)
    assert not local_lake.exists("test.rows")


def test_time_zones_become_utc_and_categories_their_values(lake: Lake, table: str) -> None:
    local = pd.DatetimeIndex(["2013-07-01 12:00"]).tz_localize("America/New_York")
    lake.write(table, "a", pd.DataFrame({"at": local, "kind": pd.Categorical(["x"])}))
    found = lake.read(table)
    assert found["at"].tolist() == [pd.Timestamp("2013-07-01 16:00", tz="UTC")]
    assert found["kind"].tolist() == ["x"]
    assert str(found["kind"].dtype) == "str"
