"""Asking for runs once: whatever becomes of cursors, ticks, daemons and Dagster's memory of runs.

Here: which of the runs that a sensor wants have not begun yet. Not here: what it wants.
"""

from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from mlops_assets.resources.monitoring.begun import Begun

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
    _mark_seen([key for key in requests if not begun.has(key)], begun, instance)
    return (request for key, request in requests.items() if not begun.has(key))


def has_begun(begun: Begun, run_key: str, instance: dg.DagsterInstance) -> bool:
    """Whether a run of this key was ever there."""
    if not begun.has(run_key):
        _mark_seen([run_key], begun, instance)
    return begun.has(run_key)


def _mark_seen(run_keys: Sequence[str], begun: Begun, instance: dg.DagsterInstance) -> None:
    for start in range(0, len(run_keys), _AT_ONCE):
        some = list(run_keys[start : start + _AT_ONCE])
        for run in instance.get_runs(dg.RunsFilter(tags={_RUN_KEY: some})):
            begun.mark(run.tags[_RUN_KEY], run.run_id)
