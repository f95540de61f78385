"""Waiting until the loop has come to rest, instead of sleeping and hoping.

At rest, of the sensors that are waited for: none of their runs is queued or under way, and each has
looked, without an error and without asking for a run, since the last run ended and since the world
last changed. Here: telling that, and telling what hangs. Not here: what runs did (`failures`).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from mlops_assets.replay.plan import ReplayError

_POLL_S = 1.0
_LOOKED = (TickStatus.SKIPPED, TickStatus.SUCCESS)


@dataclass(frozen=True)
class Unrest:
    """What is not at rest; empty when all is. ``runs``: {id: in words}."""

    runs: Mapping[str, str]
    sensors: tuple[str, ...]
    errors: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.runs or self.sensors)

    def __str__(self) -> str:
        parts = []
        if self.runs:
            parts.append(f"runs: {', '.join(self.runs.values())}")
        if self.sensors:
            parts.append(f"sensors that have not looked since: {', '.join(self.sensors)}")
        return "; ".join([*parts, *self.errors])


def until_rest(
    instance: dg.DagsterInstance,
    sensors: Collection[str],
    since: float,
    *,
    timeout_s: float,
    alive: Callable[[], None],
    tell: Callable[[str], None],
) -> None:
    """Return when everything that followed from a change of the world is done.

    Args:
        sensors: names of those that are waited for, with their runs.
        since: when the world last changed, in seconds since the epoch.
        timeout_s: how long nothing may begin or end.
        alive: raises when nothing is left to wait for.
        tell: hears of each run, once.

    Raises:
        ReplayError: something is not at rest and hangs; says what.
    """
    patience, told = Patience(timeout_s), set[str]()
    # Who looks takes the time of those who are looked at: for ticks only when no run is under way.
    while (runs := under_way(instance, sensors)) or look(instance, sensors, since):
        alive()
        for run_id, words in runs.items():
            if run_id not in told:
                tell(words)
                told.add(run_id)
        if patience.over(runs, time.monotonic()):
            unrest = look(instance, sensors, since)
            raise ReplayError(f"not at rest, and nothing ends for {timeout_s:.0f} s: {unrest}")
        time.sleep(_POLL_S)


@dataclass
class Patience:
    """However long a busy machine takes, something begins or ends; what hangs does neither.

    >>> patience = Patience(60)
    >>> patience.over(["a"], 0), patience.over(["a", "b"], 50), patience.over(["b"], 100)
    (False, False, False)
    >>> patience.over(["b"], 161)
    True
    """

    timeout_s: float
    _seen: frozenset[str] | None = None
    _since: float = 0.0

    def over(self, under_way: Collection[str], now: float) -> bool:
        """Whether the same has been under way for too long, in seconds of any clock."""
        if self._seen != frozenset(under_way):
            self._seen, self._since = frozenset(under_way), now
        return now - self._since > self.timeout_s


def look(instance: dg.DagsterInstance, sensors: Collection[str], since: float) -> Unrest:
    """What is not at rest now, of these sensors or by hand."""
    runs = under_way(instance, sensors)
    mark = max(since, ended_since(instance, sensors, since))
    ticks = _ticks(instance)
    found = {name: ticks.get(name) for name in sensors}
    return Unrest(
        runs=runs,
        sensors=tuple(sorted(name for name, tick in found.items() if not _rested(tick, mark))),
        errors=tuple(
            f"{name}: {tick.error.message.strip()}"
            for name, tick in found.items()
            if tick is not None and tick.error is not None
        ),
    )


def under_way(instance: dg.DagsterInstance, sensors: Collection[str]) -> Mapping[str, str]:
    """The unfinished runs of these sensors, or by hand, the oldest first: {id: in words}."""
    unfinished = instance.get_run_records(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    return {
        record.dagster_run.run_id: _words(record.dagster_run)
        for record in reversed(_theirs(unfinished, sensors))
    }


def ended_since(instance: dg.DagsterInstance, sensors: Collection[str], since: float) -> float:
    """When the last run of these sensors, or by hand, ended; 0 where none did since."""
    # Of all that changed since, whoever asked for it: the newest few may all be others'.
    changed = dg.RunsFilter(updated_after=dt.datetime.fromtimestamp(since, dt.UTC))
    runs = _theirs(instance.get_run_records(changed), sensors)
    return max((record.end_time or 0.0 for record in runs), default=0.0)


def _theirs(records: Sequence[dg.RunRecord], sensors: Collection[str]) -> list[dg.RunRecord]:
    """Without the runs of other sensors."""
    others = [record.dagster_run.tags.get("dagster/sensor_name") for record in records]
    return [
        record
        for record, name in zip(records, others, strict=True)
        if name is None or name in sensors
    ]


def _ticks(instance: dg.DagsterInstance) -> dict[str, InstigatorTick]:
    """The newest finished tick of each sensor that the daemon knows.

    Not the newest of all: with many sensors, one of them is always looking.
    """
    found = {}
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        newest = instance.get_ticks(
            state.instigator_origin_id,
            state.selector_id,
            limit=1,
            statuses=[*_LOOKED, TickStatus.FAILURE],
        )
        if newest:
            found[state.instigator_name] = newest[0]
    return found


def _rested(tick: InstigatorTick | None, mark: float) -> bool:
    return (
        tick is not None and tick.timestamp > mark and tick.status in _LOOKED and not tick.run_ids
    )


def _words(run: dg.DagsterRun) -> str:
    name = run.tags.get("dagster/sensor_name") or run.job_name
    stations = ", ".join(sorted(key.path[-1] for key in run.asset_selection or ()))
    parts = [
        name.removeprefix(f"{run.tags.get('pipeline', '')}_"),
        run.tags.get("dagster/partition", ""),
        f"({stations})" if stations else "",
        run.tags.get("reason", ""),
    ]
    return " ".join(filter(None, parts))
