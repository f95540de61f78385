"""Runs that ended badly, and why; a challenger that a gate refused is a verdict, not a failure.

Here: telling the two apart by the run's own events. Not here: waiting for runs (`waiting`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import dagster as dg

from mlops_assets.assets.evaluation import GATES

_INTERRUPTED = "mlops/interrupted"


@dataclass(frozen=True)
class Failed:
    """A run that failed; ``words`` as its first failed step or blocking check said it."""

    run_id: str
    job: str
    partition: str
    words: str


def since(instance: dg.DagsterInstance, at: float) -> list[Failed]:
    """The runs asked for since (seconds since the epoch) that failed, oldest first, without those
    that a gate or an interruption stopped."""
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        created_after=dt.datetime.fromtimestamp(at, dt.UTC),
    )
    runs = [run for run in instance.get_runs(failed) if _INTERRUPTED not in run.tags]
    found = [_of(instance, run) for run in reversed(runs)]
    return [each for each in found if each is not None]


def bury(instance: dg.DagsterInstance) -> None:
    """Tell the runs that died with an interrupted replay: nothing of it is alive, so what counts as
    under way is dead. Dagster starts them once more."""
    under_way = [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    for run in instance.get_runs(dg.RunsFilter(statuses=under_way)):
        instance.add_run_tags(run.run_id, {_INTERRUPTED: "true"})
        instance.report_run_failed(run, "It was interrupted together with the replay.")


def _of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Failed | None:
    words, gated = [], False
    for entry in instance.all_logs(run.run_id):
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
                if check.asset_key.path[-1] == "evaluation" and check.check_name in GATES:
                    gated = True
                else:
                    name = f"{check.asset_key.to_user_string()}:{check.check_name}"
                    words.append(f"{name}: {check.description}")
        elif event.event_type_value == "STEP_FAILURE":
            error = event.step_failure_data.error
            message = (error.cause or error).message.strip() if error else "failed"
            if "check" not in message.lower() or not gated:
                words.append(f"{event.step_key}: {message}")
        elif event.event_type_value == "PIPELINE_FAILURE" and not words and not gated:
            words.append(event.message or "failed")
    if not words:
        return None
    return Failed(run.run_id, run.job_name, run.tags.get("dagster/partition", ""), words[0][:500])
