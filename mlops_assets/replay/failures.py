"""Runs that ended badly, and why; a challenger that a gate refused is a verdict, not a failure.

Here: telling the two apart by the run's own events. Not here: waiting for runs (`waiting`).
"""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from mlops_assets.assets.evaluation import GATES


@dataclass(frozen=True)
class Failed:
    """A run that failed; ``words`` as its first failed step or blocking check said it."""

    run_id: str
    job: str
    partition: str
    words: str


def since(instance: dg.DagsterInstance, seen: frozenset[str]) -> list[Failed]:
    """The failed runs besides those ``seen``, oldest first, without those that a gate stopped."""
    runs = instance.get_runs(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
    )
    found = [_of(instance, run) for run in reversed(runs) if run.run_id not in seen]
    return [each for each in found if each is not None]


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
