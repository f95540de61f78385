"""Asking for runs once: whatever becomes of cursors, ticks, daemons and Dagster's memory of runs.

Here: which of the runs that a sensor wants have not begun yet, and what became of those that have.
Not here: what it wants.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import dagster as dg

from mlops_assets.resources.monitoring.begun import Begun

RunState = Literal["none", "under way", "succeeded", "failed", "forgotten"]
"""Of the run of a key; ``forgotten``: it began, and Dagster remembers nothing of it any more."""

UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_RUN_KEY = "dagster/run_key"
_AT_ONCE = 500


def not_begun(
    wanted: Iterable[dg.RunRequest], begun: Begun, instance: dg.DagsterInstance
) -> Iterator[dg.RunRequest]:
    """Those of the requests whose run nobody has seen; what Dagster has seen is marked as begun.

    A request that was lost on its way to a run is asked for again; Dagster refuses the second run
    of a key, and the mark does when Dagster has forgotten the first.
    """
    requests = {str(request.run_key): request for request in wanted}
    mark_seen(requests, begun, instance)
    return (request for key, request in requests.items() if not begun.has(key))


def has_begun(begun: Begun, run_key: str, instance: dg.DagsterInstance) -> bool:
    """Whether a run of this key was ever there."""
    mark_seen([run_key], begun, instance)
    return begun.has(run_key)


def has_run(run_key: str, instance: dg.DagsterInstance) -> bool:
    """Whether Dagster remembers a run of this key that got beyond being written down, whichever
    sensor asked for it. One that was only written down starts when it is asked for again."""
    return any(r.status != dg.DagsterRunStatus.NOT_STARTED for r in _runs([run_key], instance))


def mark_seen(run_keys: Iterable[str], begun: Begun, instance: dg.DagsterInstance) -> None:
    """Mark as begun those of which Dagster has seen a run."""
    unmarked = [key for key in run_keys if not begun.has(key)]
    for run in _runs(unmarked, instance):
        begun.mark(run.tags[_RUN_KEY], run.run_id)


def under_way(instance: dg.DagsterInstance) -> frozenset[str]:
    """The keys of the runs that are queued or under way."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(UNDER_WAY)))
    return frozenset(run.tags[_RUN_KEY] for run in runs if _RUN_KEY in run.tags)


def run_states(
    run_keys: Sequence[str], begun: Begun, instance: dg.DagsterInstance
) -> Mapping[str, RunState]:
    """What became of the run of each key. Where it was run again (after its process died), the
    last one that is under way or succeeded counts."""
    mark_seen(run_keys, begun, instance)
    statuses: dict[str, set[dg.DagsterRunStatus]] = {}
    for run in _runs([key for key in run_keys if begun.has(key)], instance):
        statuses.setdefault(run.tags[_RUN_KEY], set()).add(run.status)
    return {key: _state(statuses.get(key, set())) if begun.has(key) else "none" for key in run_keys}


def _state(statuses: set[dg.DagsterRunStatus]) -> RunState:
    if not statuses:
        return "forgotten"
    if statuses & set(UNDER_WAY):
        return "under way"
    return "succeeded" if dg.DagsterRunStatus.SUCCESS in statuses else "failed"


def _runs(run_keys: Sequence[str], instance: dg.DagsterInstance) -> Iterator[dg.DagsterRun]:
    for start in range(0, len(run_keys), _AT_ONCE):
        some = list(run_keys[start : start + _AT_ONCE])
        yield from instance.get_runs(dg.RunsFilter(tags={_RUN_KEY: some}))
