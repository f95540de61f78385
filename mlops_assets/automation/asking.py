"""Asking for runs once: whatever becomes of cursors, ticks, daemons and Dagster's memory of runs.

Here: which of the runs that a sensor wants have not begun yet. Not here: what it wants.
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from mlops_assets.resources.monitoring.begun import Begun


def not_begun(
    wanted: Iterable[dg.RunRequest], begun: Begun, instance: dg.DagsterInstance
) -> Iterator[dg.RunRequest]:
    """Those of the requests whose run nobody has seen; what Dagster has seen is marked as begun.

    A request that was lost on its way to a run is asked for again; Dagster refuses the second run
    of a key, and the mark does when Dagster has forgotten the first.
    """
    for request in wanted:
        if not has_begun(begun, str(request.run_key), instance):
            yield request


def has_begun(begun: Begun, run_key: str, instance: dg.DagsterInstance) -> bool:
    """Whether a run of this key was ever there."""
    if begun.has(run_key):
        return True
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": run_key}), limit=1)
    if runs:
        begun.mark(run_key, runs[0].run_id)
    return bool(runs)
