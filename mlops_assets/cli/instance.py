"""Dagster's instance in a home, opened by one process at a time.

Here: opening it, and saying what to do when it does not open. Not here: where the home is
(`mlops_assets.cli.world`), and what is asked of the instance.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from mlops_assets.cli.errors import CommandError


def open_instance(home: Path) -> dg.DagsterInstance:
    """The instance that ``DAGSTER_HOME`` names, with its tables; ``home`` is that directory.

    Two processes that open a new home at once can both mark its SQLite files with the revision of
    their tables, and with two marks no process can open them any more (dagster#27390). So one waits
    for the other. Dagster's own processes do not: open the home once before starting several.

    Raises:
        CommandError: the home is not there, its dagster.yaml is wrong or its storage is damaged.
    """
    try:
        with _alone_in(home):
            return dg.DagsterInstance.get()
    # Dagster's, Alembic's, SQLAlchemy's or the system's: what they have in common is the remedy.
    except Exception as error:
        raise CommandError(
            f"Dagster's instance in {home} does not open: {type(error).__name__}: "
            f"{str(error).strip()}\nMend its dagster.yaml, or move the directory away to start "
            "with an empty one."
        ) from error


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    # The directory itself: no file of ours in a home that may be someone else's.
    directory = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)
