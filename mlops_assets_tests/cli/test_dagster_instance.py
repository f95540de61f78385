"""Dagster's instance in a new home: whoever opens it at the same time, it stays openable."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.instance import open_instance

STORAGES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
# Imports first: all are to open at the same time, when the line comes.
OPENS = """
import sys
from pathlib import Path
from mlops_assets.cli.instance import open_instance
import dagster._core.storage.sqlite_storage
print("ready", flush=True)
sys.stdin.readline()
open_instance(Path(sys.argv[1])).dispose()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def locked(home: Path) -> Iterator[int]:
    """The home as another process holds it while opening it; closing the descriptor lets it go."""
    held = os.open(home, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    yield held
    os.close(held)


def revisions(home: Path, storage: str) -> list[tuple[str]]:
    connection = sqlite3.connect(home / storage)
    try:
        return connection.execute("SELECT version_num FROM alembic_version").fetchall()
    finally:
        connection.close()


@pytest.mark.integration
def test_processes_that_open_a_new_home_at_once_leave_it_whole(home: Path):
    """Each marked the tables as its own work: with two marks nobody can open the home again."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPENS, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0], said
    assert {len(revisions(home, storage)) for storage in STORAGES} == {1}


@pytest.mark.integration
def test_a_home_being_opened_is_waited_for(home: Path, locked: int):
    """The test above needs luck to see two processes meet; this one does not."""
    opened = threading.Event()

    def opens() -> None:
        open_instance(home).dispose()
        opened.set()

    thread = threading.Thread(target=opens)
    thread.start()
    assert not opened.wait(3)
    assert not (home / "schedules").exists()
    fcntl.flock(locked, fcntl.LOCK_UN)
    thread.join(60)
    assert opened.is_set()
    assert (home / "schedules").exists()


def test_a_damaged_home_is_named_with_the_remedy(home: Path):
    """Alembic's own message speaks of heads and of nothing that can be done."""
    open_instance(home).dispose()
    connection = sqlite3.connect(home / "schedules/schedules.db")
    with connection:
        connection.execute("INSERT INTO alembic_version SELECT 'another'")
    connection.close()
    with pytest.raises(CommandError, match=r"more than one head(?s:.*)move the directory away"):
        open_instance(home)


def test_a_home_that_is_not_there_is_named(tmp_path: Path):
    """A mistyped DAGSTER_HOME."""
    with pytest.raises(CommandError, match=r"nowhere does not open: FileNotFoundError"):
        open_instance(tmp_path / "nowhere")
