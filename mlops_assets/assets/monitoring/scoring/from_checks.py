"""Evidence from Dagster's own history: checks, rollback drills, sensors that watch.

Here: reading the instance. Not here: records (`from_records`), the registry (`from_registry`).
"""

import re
from collections.abc import Iterable, Iterator

import dagster as dg

from mlops_assets.assets.monitoring.scoring.evidence import Piece
from mlops_assets.assets.station import key
from mlops_assets.pipeline import MLPipeline

# Evaluations and ticks looked back on for one that ended: those of a killed run never do.
_LOOKED_BACK = 20
_ENDED = ("SUCCESS", "SKIPPED", "FAILURE")
_DRILLS_LOOKED_AT = 50
_WIDEST = 300
# How a station says that it could not tell, or had nothing to hold its figures against; after the
# partition where there is one.
_UNKNOWN = re.compile(r"([^\s:]+: )?(unknown\b|no gates are declared)")
ROLLBACK_SECONDS = "rollback seconds"


def checks(
    instance: dg.DagsterInstance, pipeline: MLPipeline, names: Iterable[str]
) -> Iterator[Piece]:
    """What each check, named ``<station>/<check>``, found last; nothing of one that never ran."""
    for name in names:
        station, _, check = name.partition("/")
        asset = key(pipeline, station)
        history = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(asset, check), limit=_LOOKED_BACK
        )
        newest = next(
            (r for r in history if isinstance(r.evaluation, dg.AssetCheckEvaluation)), None
        )
        if newest is None or newest.evaluation is None or newest.event is None:
            continue
        at, evaluation = newest.event.timestamp, newest.evaluation
        said = (evaluation.description or "passed").splitlines()[0]
        yield Piece(
            name=name,
            at=at,
            passed=evaluation.passed,
            words=said if len(said) <= _WIDEST else f"{said[: _WIDEST - 1]}…",
            link=f"/assets/{pipeline.name}/{station}?view=checks&checkDetail={check}",
            current=_current(instance, asset, newest.run_id, at),
            known=not _UNKNOWN.match(said),
        )


def _current(instance: dg.DagsterInstance, asset: dg.AssetKey, run_id: str, at: float) -> bool:
    """Whether the asset has not been materialized since by a run that did not check it."""
    made = instance.get_latest_materialization_event(asset)
    # What is reported outside of runs has no run's id.
    return made is None or bool(run_id and made.run_id == run_id) or made.timestamp <= at


def rollback_drill(instance: dg.DagsterInstance, pipeline: MLPipeline) -> Iterator[Piece]:
    """The last rollback that was measured, of `mlops rollback` or of the guard."""
    found = instance.fetch_observations(key(pipeline, "endpoint"), limit=_DRILLS_LOOKED_AT)
    for record in found.records:
        observation = record.asset_observation
        seconds = observation.metadata.get(ROLLBACK_SECONDS) if observation else None
        if observation is not None and seconds is not None:
            yield Piece(
                name="rollback drill",
                at=record.timestamp,
                passed=True,
                words=f"{observation.description or 'rolled back'}, in {seconds.value} s",
                link=f"/assets/{pipeline.name}/endpoint?view=events",
            )
            return


def champions_age(
    instance: dg.DagsterInstance, pipeline: MLPipeline, as_of: str, challenged: str, now: float
) -> Piece:
    """How many partitions with features the champion does not know, against ``stale_after``.

    ``challenged``: the newest partition as of which a challenger lost against it on the same rows:
    up to there it is not too old, it is the better one.
    """
    known = max(as_of, challenged)
    partitions = instance.get_materialized_partitions(key(pipeline, "features"))
    newer = sum(partition > known for partition in partitions)
    bound = pipeline.retraining.stale_after
    kept = f", better than a challenger as of {challenged}" if challenged > as_of else ""
    return Piece(
        name="champion's age",
        at=now,
        passed=newer < bound,
        words=f"as of {as_of}{kept}; {newer} newer partitions are there (stale from {bound} on)",
        link=f"/assets/{pipeline.name}/registered_model",
    )


def dependencies(instance: dg.DagsterInstance, pipeline: MLPipeline) -> Iterator[Piece]:
    """The last look of the sensor that tells of changed dependencies, while it is turned on."""
    name = f"{pipeline.name}_dependencies"
    if instance.schedule_storage is None:
        # An instance without sensors, as tests have it.
        return
    for state in instance.all_instigator_state():
        if state.instigator_name != name or not state.is_running:
            continue
        ticks = instance.get_ticks(
            state.instigator_origin_id, state.selector_id, limit=_LOOKED_BACK
        )
        last = next((tick for tick in ticks if tick.status.value in _ENDED), None)
        if last is not None:
            error = last.tick_data.error
            said = error.message.splitlines()[0] if error else last.skip_reason or "looked"
            yield Piece("dependencies watched", last.timestamp, error is None, said, "/automation")
