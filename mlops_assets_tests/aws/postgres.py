"""A PostgreSQL server of the tests' own, and databases in it that have Dagster's tables already.

Here: the cluster (initdb, start, restart), and databases copied from a template, which saves each
test the seconds that Dagster takes to make its tables. Not here: what Dagster keeps in them.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_USER = "dagster"
_TEMPLATE = "with_dagsters_tables"
_START_S = 60


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where PostgreSQL's server is not installed."""
    # Debian keeps each version's programs beside the PATH.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    there = shutil.which("initdb") or (found[-1] if found else None)
    return Path(there).parent if there else None


MISSING = "needs PostgreSQL's server (on Debian: apt-get install postgresql)"


@dataclass(frozen=True)
class Cluster:
    """A server on a loopback port, with its files in ``folder``."""

    folder: Path
    port: int

    def new_database(self, name: str) -> dict[str, str]:
        """A new database with Dagster's tables, empty: the variables that dagster.yaml reads."""
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE {_TEMPLATE}')
        given = {"HOST": "127.0.0.1", "PORT": str(self.port), "DB": name, "USER": _USER}
        return {f"DAGSTER_POSTGRES_{key}": each for key, each in given.items()} | {
            "DAGSTER_POSTGRES_PASSWORD": "not-asked-for"
        }

    def rows(self, query: str, database: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user=_USER, dbname=database)
        try:
            cursor = connection.cursor()
            cursor.execute(query)
            return list(cursor.fetchall())
        finally:
            connection.close()

    def restart(self, mode: str = "fast") -> None:
        """``fast`` breaks every connection, ``immediate`` is as good as kill -9."""
        self._pg_ctl("restart", "--mode", mode)

    def stop(self) -> None:
        self._pg_ctl("stop", "--mode", "immediate")

    def start(self) -> None:
        self._pg_ctl("start")

    def _pg_ctl(self, *arguments: str) -> None:
        data, log = self.folder / "data", self.folder / "log"
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync=off"
        run("pg_ctl", *arguments, "-D", str(data), "-l", str(log), "-o", options, "-w", "-s")

    def _sql(self, statement: str, database: str = "postgres") -> None:
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user=_USER, dbname=database)
        connection.autocommit = True
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def _make_template(self) -> None:
        from dagster_postgres.storage import DagsterPostgresStorage

        self._sql(f"CREATE DATABASE {_TEMPLATE}")
        url = f"postgresql+psycopg2://{_USER}@127.0.0.1:{self.port}/{_TEMPLATE}"
        made = DagsterPostgresStorage(url, should_autocreate_tables=True)
        # A database with connections cannot be copied.
        for part in (made.run_storage, made.event_log_storage, made.schedule_storage):
            part.dispose()


def run(program: str, *arguments: str) -> None:
    """A program of PostgreSQL's, which refuses to be run by root."""
    folder = programs()
    assert folder is not None, MISSING
    command: Sequence[str] = (str(folder / program), *arguments)
    if os.geteuid() == 0:
        command = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command)
    subprocess.run(
        command, check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=_START_S,
        stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A fresh server, for as long as the context lasts."""
    owner = "postgres" if os.geteuid() == 0 else getpass.getuser()
    # Not below pytest's folder, which only the user who runs the tests can enter.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        shutil.chown(folder, owner)
        made = Cluster(Path(folder), _free_port())
        data = str(made.folder / "data")
        run("initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        made.start()
        try:
            made._make_template()
            yield made
        finally:
            made.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
