"""Row 5: the daemon is killed at each of Dagster's crash flags; one run for each new version."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets_tests.deliveries import DAYS

pytestmark = [pytest.mark.integration, pytest.mark.slow]
PLACES = ("TICK_CREATED", "TICK_HELD", "RUN_IDS_RESERVED", "RUN_CREATED", "RUN_LAUNCHED")
DEADLINE_S = 240  # no test asserts a time: this only ends one that hangs


def daemon(home: Path, minutes: int, revision: int, place: str) -> int:
    """The exit status of one life of the daemon."""
    arguments = ["deliveries_new_data", str(minutes), str(revision), place]
    with subprocess.Popen(
        [sys.executable, "-m", "mlops_assets_tests.automation.crashing_daemon", *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "MLOPS_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(DEADLINE_S)
        finally:
            # The code server that it started would outlive it for a while.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_killed_anywhere_each_version_is_brought_in_by_one_run(tmp_path):
    (tmp_path / "dagster").mkdir()
    # Runs are only queued: nothing takes them from there.
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (tmp_path / "revision").write_text("0")
    for number, place in enumerate(PLACES, 1):
        assert daemon(tmp_path, 20 * number, number, place) == -signal.SIGKILL, place
    assert daemon(tmp_path, 20 * (len(PLACES) + 1), len(PLACES), "nowhere") == 0
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        keys = [run.tags["dagster/run_key"] for run in instance.get_runs()]
    assert sorted(keys) == [f"deliveries:{DAYS[0]}:{n}" for n in range(len(PLACES) + 1)]
