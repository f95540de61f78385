"""Fault 34: Postgres restarts under load. Runs end, once, and their state says what happened."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mlops_assets_tests.aws import reference
from mlops_assets_tests.aws.fargate import fargate
from mlops_assets_tests.aws.guarded import Guarded, finished, guarded_world, start
from mlops_assets_tests.aws.ledger import PARTITIONS
from mlops_assets_tests.aws.postgres import Cluster

pytestmark = [pytest.mark.integration, pytest.mark.nightly]
MODULE = "mlops_assets_tests.aws.ledger"
DATABASE = "restarted"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
END_EVENTS = {"PIPELINE_SUCCESS": "SUCCESS", "PIPELINE_FAILURE": "FAILURE"}
_DEADLINE_S = 300


@dataclass(frozen=True)
class Drill:
    """Statuses by run, the runs of each partition, the ends that events tell, and the trace;
    how often somebody's connection broke."""

    statuses: dict[str, str]
    partitions: dict[str, set[str]]
    ends: dict[str, list[str]]
    materialized: Counter[str]
    ended: Counter[str]
    missed: int


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Drill]:
    root = tmp_path_factory.mktemp("restarts")
    sections = {
        "run_queue": {"dequeue_interval_seconds": 1},
        "run_monitoring": {
            "enabled": True,
            "poll_interval_seconds": 2,
            "start_timeout_seconds": 120,
            "max_resume_run_attempts": 0,
        },
        # As in the image, but for more than one try: here every run in flight may be hit, twice.
        "run_retries": {
            "enabled": True,
            "max_retries": 3,
            "retry_on_asset_or_op_failure": False,
        },
    }
    with (
        guarded_world(root, postgres.new_database(DATABASE), ecs=True, **sections) as made,
        fargate(made) as tasks,
    ):
        (root / "ledger").touch()
        tasks.variables["LEDGER"] = str(root / "ledger")
        guarded = reference.with_tasks(made, tasks)
        launched = start(
            guarded.dagster,
            "dagster",
            *("job", "backfill", "-m", MODULE, "-j", "entries", "--all", "yes", "--noprompt"),
        )
        (run,) = finished([launched])
        assert run.success, run.output[-3000:]
        _through_outages(guarded, postgres)
        logs = [root / "daemon.log", *tasks.outputs.values()]
        missed = sum(log.read_text().count("OperationalError") for log in logs)
        yield _look(postgres, (root / "ledger").read_text(), missed)


def _through_outages(guarded: Guarded, postgres: Cluster) -> None:
    """Wait for runs in flight, crash, wait for others, be away for a while, wait for the end.

    A daemon that ends is started again, as its service on ECS does.
    """
    outages = [lambda: postgres.restart("immediate"), lambda: _away(postgres)]
    deadline, met = time.monotonic() + _DEADLINE_S, set()
    while time.monotonic() < deadline:
        with reference.daemon(guarded, MODULE) as process:
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.3)
                statuses = _statuses(postgres)
                running = {run for run, status in statuses.items() if status == "STARTED"} - met
                if outages and len(running) >= 2:
                    outages.pop(0)()
                    met |= running
                elif not outages and set(statuses.values()) <= ENDED and _settled(postgres):
                    return
    raise TimeoutError(f"{_statuses(postgres)} after {_DEADLINE_S} s")


def _away(postgres: Cluster) -> None:
    """Longer than Dagster's own retries of a connection."""
    postgres.stop()
    time.sleep(6)
    postgres.start()


def _settled(postgres: Cluster) -> bool:
    """Whether all that the daemon is to start again has been started again."""
    tags = postgres.rows("SELECT run_id, key, value FROM run_tags", DATABASE)
    wanted = {run for run, key, value in tags if key == "dagster/will_retry" and value == "true"}
    return wanted <= {run for run, key, _ in tags if key == "dagster/auto_retry_run_id"}


def _statuses(postgres: Cluster) -> dict[str, str]:
    return dict(postgres.rows("SELECT run_id, status FROM runs", DATABASE))


def _look(postgres: Cluster, ledger: str, missed: int) -> Drill:
    partitions = defaultdict(set)
    tagged = "SELECT run_id, value FROM run_tags WHERE key = 'dagster/partition'"
    for run, partition in postgres.rows(tagged, DATABASE):
        partitions[partition].add(run)
    ends = defaultdict(list)
    events = (
        "SELECT run_id, dagster_event_type FROM event_logs"
        " WHERE dagster_event_type LIKE 'PIPELINE_%'"
    )
    for run, event in postgres.rows(events, DATABASE):
        if event in END_EVENTS:
            ends[run].append(END_EVENTS[event])
    made = postgres.rows(
        "SELECT run_id FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'",
        DATABASE,
    )
    return Drill(
        _statuses(postgres),
        dict(partitions),
        dict(ends),
        Counter(run for (run,) in made),
        Counter(line.split()[2] for line in ledger.splitlines() if line.startswith("ended")),
        missed,
    )


def test_no_run_is_lost_and_none_done_twice(drill: Drill) -> None:
    """A run that Dagster forgot, or one that it started anew although it had done its work."""
    assert set(drill.partitions) == set(PARTITIONS)
    for partition, runs in drill.partitions.items():
        done = [run for run in runs if drill.statuses[run] == "SUCCESS"]
        assert len(done) <= 1, partition
    assert "SUCCESS" in drill.statuses.values(), "the crash before the outage lost no run"


def test_the_state_of_runs_is_what_their_events_tell(drill: Drill) -> None:
    """A run that is shown as running for ever, or as done although nothing was."""
    for run, status in drill.statuses.items():
        assert drill.ends.get(run) == [status], run
        if status == "SUCCESS":
            assert (drill.ended[run], drill.materialized[run]) == (1, 1), run


def test_the_storage_was_really_missed(drill: Drill) -> None:
    """Negative control: restarts that nobody noticed prove nothing."""
    assert drill.missed > 0
