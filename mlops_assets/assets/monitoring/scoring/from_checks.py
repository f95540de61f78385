"""Evidence from Dagster's own history: the newest evaluation of each check, and rollback drills.

Here: reading the instance. Not here: records (`from_records`), the registry (`from_registry`).
"""

from collections.abc import Iterable, Iterator

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from mlops_assets.assets.monitoring.scoring.evidence import Piece
from mlops_assets.assets.station import key
from mlops_assets.pipeline import MLPipeline

_ENDED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
_DRILLS_LOOKED_AT = 50
ROLLBACK_SECONDS = "rollback seconds"


def checks(
    instance: dg.DagsterInstance, pipeline: MLPipeline, names: Iterable[str]
) -> Iterator[Piece]:
    """What each check, named ``<station>/<check>``, found last; nothing of one that never ran."""
    for name in names:
        station, _, check = name.partition("/")
        asset = key(pipeline, station)
        found = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(asset, check), limit=1, status=_ENDED
        )
        if not found:
            continue
        newest, evaluation = found[0], found[0].evaluation
        said = (evaluation.description if evaluation else None) or "passed"
        yield Piece(
            name=name,
            at=newest.create_timestamp,
            passed=newest.status == AssetCheckExecutionRecordStatus.SUCCEEDED,
            words=said.splitlines()[0][:300],
            link=f"/assets/{pipeline.name}/{station}?view=checks&checkDetail={check}",
            current=_current(instance, asset, newest.run_id, newest.create_timestamp),
        )


def _current(instance: dg.DagsterInstance, asset: dg.AssetKey, run_id: str, at: float) -> bool:
    """Whether the asset has not been materialized since by a run that did not check it."""
    made = instance.get_latest_materialization_event(asset)
    return made is None or made.run_id == run_id or made.timestamp <= at


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
