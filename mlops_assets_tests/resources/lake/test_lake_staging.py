"""Staged rows: part by part the same as at once, seen by nobody before their commit."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from mlops_assets.resources.lake import files
from mlops_assets.resources.lake.errors import LakeError, TableNotFound
from mlops_assets.resources.lake.frames import to_arrow, to_pandas
from mlops_assets.resources.lake.staged import Staged


def rows(count: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(count)
    whole = pd.Series(rng.integers(0, 9, count)).astype("Int64")
    seconds = pd.date_range("2024-03-01", periods=count, freq="s", tz="UTC")
    return pd.DataFrame(
        {
            "whole": whole.mask(rng.random(count) < 0.1),
            "plain": rng.integers(0, 9, count),
            "text": pd.Series([f"ü{n}" for n in range(count)]).mask(rng.random(count) < 0.2),
            "number": rng.normal(size=count),
            "flag": rng.random(count) < 0.5,
            "small": rng.integers(0, 5, count).astype("int16"),
            "at": pd.Series(seconds).astype("datetime64[us, UTC]"),
            "many": [[1, 2]] * (count - 1) + [[]],
            "never": pd.Series([None] * count, dtype="str"),
        }
    )


def staged(lake, table, frame, step=70):
    data, dtypes = to_arrow(frame)
    parts = (data.slice(at, step) for at in range(0, len(frame), step))
    made = lake.stage(table, "p", data.schema, parts, dtypes)
    return Staged.model_validate_json(made.model_dump_json())


def test_parts_are_the_same_content_as_the_whole(lake, table):
    """A digest that saw the parts would make every Spark run look like new data."""
    written = lake.write(table, "p", rows())
    made = staged(lake, table, rows())
    assert made.digest == written.digest
    again = lake.commit(table, made)
    assert (again.changed, again.snapshot_id) == (False, written.snapshot_id)


def test_a_commit_makes_the_staged_file_the_content(lake, table):
    made = staged(lake, table, rows())
    with pytest.raises(TableNotFound):
        lake.read(table, ["p"])
    commit = lake.commit(table, made, properties={"run": "1"})
    assert commit.changed
    assert lake.origin(table, "p")["run"] == "1"
    assert_frame_equal(lake.read(table, ["p"]), rows())
    assert lake.write(table, "p", rows()).snapshot_id == commit.snapshot_id
    assert dict(made.shown) == {name: str(dtype) for name, dtype in rows().dtypes.items()}


def test_columns_that_others_added_meanwhile_are_kept(local_lake, table):
    """The staged file was written for a table of fewer columns, in another order."""
    made = staged(local_lake, table, rows())
    local_lake.write(table, "q", pd.DataFrame({"other": ["x"], "plain": [1]}))
    local_lake.commit(table, made)
    found = local_lake.read(table, ["p"])
    assert_frame_equal(found[list(rows().columns)], rows())
    assert local_lake.write(table, "p", rows()).changed is False


def test_a_failure_leaves_nothing(local_lake, table, tmp_path):
    def broken():
        yield to_arrow(rows(10))[0]
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        local_lake.stage(table, "p", to_arrow(rows(10))[0].schema, broken(), {})
    assert list(tmp_path.rglob("*.parquet")) == []
    with pytest.raises(LakeError, match=r"partition '\.\.'"):
        local_lake.stage(table, "..", to_arrow(rows(10))[0].schema, [], {})


def test_what_nobody_commits_is_an_orphan(local_lake, table):
    from datetime import timedelta

    local_lake.write(table, "q", rows(10))
    made = staged(local_lake, table, rows())
    (gone,) = local_lake.collect_orphans(table, timedelta(seconds=-1))
    assert made.uri.endswith(gone.rpartition("/")[2])


def test_a_layout_reads_what_a_read_reads(lake, table, monkeypatch):
    """Group by group, and with the dtypes of the whole: one part may have no missing value."""
    monkeypatch.setattr(files, "_ROW_GROUP_ROWS", 100)
    whole = rows().assign(late=pd.Series([None] * 499 + [True], dtype="boolean"))
    lake.commit(table, staged(lake, table, whole, step=50))
    layout = lake.layout(table, ["p"])
    assert [group.first for group in layout.groups] == [0, 100, 200, 300, 400]
    parts = [part for group in layout.groups for part in lake.read_group(layout, group)]
    assert_frame_equal(to_pandas(pa.concat_tables(parts), layout.dtypes), lake.read(table, ["p"]))
    last = to_pandas(next(lake.read_group(layout, layout.groups[-1])), layout.dtypes)
    assert last["whole"].dtype == "Int64"
    some = next(lake.read_group(layout, layout.groups[0], columns=["text"]))
    assert some.column_names == ["text"]
