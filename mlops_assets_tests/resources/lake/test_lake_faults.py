"""The lake among other writers and under fire: real processes, real kills.

The fault matrix's rows 8, 9, 10, 13 and 33: nothing lost, nothing doubled, nothing half-visible.
"""

import multiprocessing
import os
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from pandas.testing import assert_frame_equal
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException

from mlops_assets.resources.lake.commit import load_or_create
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.lake.errors import TableNotFound
from mlops_assets_tests.resources.lake import lake_worker
from mlops_assets_tests.resources.lake.lake_worker import (
    forever,
    frame,
    once,
    own_column,
    stop_before_commit,
)

WRITERS = 6
pytestmark = pytest.mark.integration


_processes = multiprocessing.get_context("forkserver")
# With all that a writer imports, so that writers race each other and not for the processor.
_processes.set_forkserver_preload(
    [
        lake_worker.__name__,
        "pyiceberg.catalog.glue",
        "pyiceberg.catalog.sql",
        "pyiceberg.io.pyarrow",
        "tenacity",
    ]
)


def start(work: Callable[..., None], *arguments: Any) -> tuple[Any, Any]:
    """A process that does ``work`` once the event is set: (process, event)."""
    go = _processes.Event()
    worker = _processes.Process(target=work, args=(go, *arguments))
    worker.start()
    return worker, go


def race(
    work: Callable[..., None],
    catalog: dict[str, str],
    table: str,
    partition: Callable[[int], str],
) -> None:
    """Writers 1 … WRITERS at the same moment, on a table that does not exist yet."""
    go = _processes.Event()
    workers = [
        _processes.Process(target=work, args=(go, catalog, table, partition(writer), writer))
        for writer in range(1, WRITERS + 1)
    ]
    for worker in workers:
        worker.start()
    go.set()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * WRITERS


def live_files(lake: Lake, table: str) -> Counter[str]:
    """Live data files by partition, as pyiceberg itself counts them."""
    handle = lake._catalog.load_table(table)
    return Counter(task.file.partition[0] for task in handle.scan().plan_files())


def test_writers_of_different_partitions_all_get_in(catalog: dict[str, str], table: str) -> None:
    """pyiceberg alone gives up after four conflicts; creating the table is a race as well."""
    race(once, catalog, table, lambda writer: f"p{writer}")
    lake = Lake.open(catalog)
    assert live_files(lake, table) == {f"p{writer}": 1 for writer in range(1, WRITERS + 1)}
    for writer in range(1, WRITERS + 1):
        assert_frame_equal(lake.read(table, [f"p{writer}"]), frame(writer))


def test_writers_of_one_partition_leave_exactly_one_version(
    catalog: dict[str, str], table: str
) -> None:
    """Fault 8: two appends would double the rows, two deletes would lose them."""
    race(once, catalog, table, lambda _: "all")
    lake = Lake.open(catalog)
    assert live_files(lake, table) == {"all": 1}
    (winner,) = lake.read(table)["writer"].unique()
    assert_frame_equal(lake.read(table), frame(winner))
    history = [
        lake.read(table, snapshot_id=snapshot.snapshot_id)["writer"].unique().tolist()
        for snapshot in lake._catalog.load_table(table).snapshots()
    ]
    assert sorted(history) == [[writer] for writer in range(1, WRITERS + 1)]


def test_writers_who_each_bring_a_column_do_not_mix_them_up(
    local_catalog: dict[str, str], table: str
) -> None:
    """Two writers give their new columns one field id: numbers under the other's name."""
    race(own_column, local_catalog, table, lambda writer: f"p{writer}")
    rows = Lake.open(local_catalog).read(table)
    for writer in range(1, WRITERS + 1):
        own = rows.loc[rows["writer"] == writer, f"column_{writer}"]
        assert own.eq(1.5).all()
        assert rows.loc[rows["writer"] != writer, f"column_{writer}"].isna().all()


def test_a_killed_writer_leaves_the_old_version_and_no_lock(
    local_catalog: dict[str, str], local_lake: Lake, tmp_path: Path
) -> None:
    """Fault 10: kill -9 at random moments; after each, readers and the rerun are fine."""
    table, seed = "test.rows", random.randrange(2**32)
    print("seed", seed)
    moments = random.Random(seed)
    local_lake.write(table, "other", frame(0))
    for round_ in range(6):
        worker, go = start(forever, local_catalog, table, "all", 1000 * round_)
        go.set()
        time.sleep(moments.uniform(0.1, 1.0))
        worker.kill()
        worker.join()
        if "all" in local_lake.partitions(table):
            (writer,) = local_lake.read(table, ["all"])["writer"].unique()
            assert_frame_equal(local_lake.read(table, ["all"]), frame(writer))
        assert_frame_equal(local_lake.read(table, ["other"]), frame(0))
        assert local_lake.write(table, "all", frame(-round_ - 1)).changed
        assert_frame_equal(local_lake.read(table, ["all"]), frame(-round_ - 1))
    assert live_files(local_lake, table) == {"all": 1, "other": 1}
    local_lake.collect_orphans(table, timedelta(0))
    for snapshot in local_lake._catalog.load_table(table).snapshots():
        local_lake.read(table, snapshot_id=snapshot.snapshot_id)


def test_a_writer_that_wakes_late_takes_its_turn(
    local_catalog: dict[str, str], local_lake: Lake, table: str
) -> None:
    """Fault 9: stopped just before its commit, it wakes after another wrote the partition."""
    worker, go = start(stop_before_commit, local_catalog, table, "all", 1)
    go.set()
    while psutil.Process(worker.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    second = local_lake.write(table, "all", frame(2))
    local_lake.write(table, "other", frame(3))
    os.kill(worker.pid, signal.SIGCONT)
    worker.join(60)
    assert worker.exitcode == 0
    assert live_files(local_lake, table) == {"all": 1, "other": 1}
    assert_frame_equal(local_lake.read(table, ["all"]), frame(1))
    assert_frame_equal(local_lake.read(table, ["all"], snapshot_id=second.snapshot_id), frame(2))


@pytest.mark.parametrize("error", [CommitFailedException("conflict"), ConnectionError("lost")])
def test_a_commit_whose_answer_was_lost_is_not_repeated(
    lake: Lake, table: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Fault 13: it landed, but the caller hears of a conflict or of a broken connection."""
    lake.write(table, "other", frame(0))
    real = type(lake._catalog).commit_table
    calls: list[object] = []

    def landing_then_failing(catalog: Catalog, *arguments: Any) -> object:
        calls.append(arguments)
        answer = real(catalog, *arguments)
        if len(calls) == 1:
            raise error
        return answer

    monkeypatch.setattr(type(lake._catalog), "commit_table", landing_then_failing)
    if isinstance(error, ConnectionError):  # no conflict: the run fails, its retry finds the rows
        with pytest.raises(ConnectionError):
            lake.write(table, "all", frame(1))
        assert not lake.write(table, "all", frame(1)).changed
    else:
        assert lake.write(table, "all", frame(1)).changed
    assert len(calls) == 1
    assert live_files(lake, table) == {"all": 1, "other": 1}
    assert_frame_equal(lake.read(table, ["all"]), frame(1))


def test_pyiceberg_would_delete_the_manifests_of_such_a_commit(
    local_lake: Lake, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the test above: without the lake's guard the table is broken."""
    from mlops_assets.resources.lake import commit

    monkeypatch.setattr(commit, "_forget_producers", lambda transaction: None)
    local_lake.write(table, "other", frame(0))
    real = type(local_lake._catalog).commit_table

    def landing_then_failing(catalog: Catalog, *arguments: Any) -> object:
        real(catalog, *arguments)
        raise CommitFailedException("conflict")

    with monkeypatch.context() as patch:
        patch.setattr(type(local_lake._catalog), "commit_table", landing_then_failing)
        local_lake.write(table, "all", frame(1))
    with pytest.raises(FileNotFoundError):
        local_lake.read(table, ["all"])


def test_a_full_disk_commits_nothing_and_leaves_no_rows_behind(
    local_catalog: dict[str, str], local_lake: Lake, tmp_path: Path
) -> None:
    """Fault 33, by a limit on file size: the data file is cut off in mid-write."""
    table = "test.rows"
    local_lake.write(table, "all", frame(1))
    head = local_lake.head(table)
    noise = pd.DataFrame({"x": [random.Random(n).random() for n in range(200_000)]})
    data = [path for path in (tmp_path / "lake").rglob("*.parquet") if path.is_file()]

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(OSError, match=r"(?i)file too large"):
            local_lake.write(table, "all", noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert [path for path in (tmp_path / "lake").rglob("*.parquet") if path.is_file()] == data
    assert local_lake.head(table) == head
    assert local_lake.write(table, "all", noise).changed


def test_a_killed_first_write_leaves_orphans_too(lake: Lake, table: str) -> None:
    """Fault 10: a table that was made, and never committed to."""
    handle = load_or_create(lake._catalog, table)
    with handle.io.new_output(f"{handle.location()}/data/half.parquet").create() as stream:
        stream.write(b"left behind")
    time.sleep(1.1)  # S3 knows whole seconds only
    (removed,) = lake.collect_orphans(table, timedelta(0))
    assert removed.endswith("half.parquet")
    assert lake.write(table, "all", frame(1)).changed
    with pytest.raises(TableNotFound, match=f"{table}_gone is not in the lake; there is: {table}"):
        lake.collect_orphans(f"{table}_gone")


def test_orphans_go_after_a_grace_time_and_nothing_else(lake: Lake, table: str) -> None:
    """Fault 10: what a killed writer left is removed; what a slow one is writing is not."""
    first = lake.write(table, "all", frame(1))
    lake.write(table, "all", frame(2))
    handle = lake._catalog.load_table(table)
    orphan = f"{handle.location()}/data/_partition=all/orphan.parquet"
    with handle.io.new_output(orphan).create() as stream:
        stream.write(b"left behind")
    assert lake.collect_orphans(table) == []
    time.sleep(1.1)  # S3 knows whole seconds only
    (removed,) = lake.collect_orphans(table, timedelta(0))
    assert removed.endswith("orphan.parquet")
    assert not handle.io.new_input(orphan).exists()
    assert_frame_equal(lake.read(table), frame(2))
    assert_frame_equal(lake.read(table, snapshot_id=first.snapshot_id), frame(1))
    assert lake.write(table, "all", frame(3)).changed
