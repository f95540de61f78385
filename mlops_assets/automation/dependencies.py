"""The sensor `dependencies`: what the pipeline stands on has changed, or has fallen silent.

Watched: the columns and types of the source (as they came with the newest partition), the versions
of the installed packages that train and serve, and the time since the source delivered anything.
Here: looking and telling. Not here: new data itself (`new_data`), channels
(`resources.monitoring.alerts`).
"""

import datetime as dt
import importlib.metadata
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import BaseModel

from mlops_assets.automation.targets import Targets
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.alerts import Alert, AlertChannels
from mlops_assets.resources.records import RecordNotFound, Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

# What a model's answers depend on; the lock pins them, and this tells when it was changed.
PACKAGES = ("numpy", "pandas", "scikit-learn", "xgboost-cpu", "xgboost", "onnx", "onnxruntime",
            "skl2onnx", "onnxmltools", "pyarrow", "pyiceberg", "sagemaker")  # fmt: skip
STATION, NOW = "dependencies", "now"


class Dependencies(BaseModel):
    """What a pipeline stood on when it was last looked at.

    ``versions``: {partition: the source's version of it}; ``changed``: when any of these last did.
    ``snapshot``: what wrote the partition that the columns were read of.
    """

    columns: dict[str, str] = {}
    snapshot: int | None = None
    packages: dict[str, str] = {}
    versions: dict[str, str] = {}
    changed: dt.datetime


def build(found: Targets) -> dg.SensorDefinition:
    """Tells of changed dependencies; starts nothing, for ``code`` and ``new_data`` do."""
    pipeline = found.pipeline
    quiet = pipeline.monitors.quiet_after

    @dg.sensor(
        name=f"{pipeline.name}_dependencies",
        target=None,
        minimum_interval_seconds=300,
        description=(
            "Watches the columns of the source, the versions of packages that answers depend on"
            + (f", and whether the source delivers at least every {quiet}" if quiet else "")
            + "; a change is told. It starts nothing."
        ),
        tags=found.tags,
    )
    def dependencies(
        context: dg.SensorEvaluationContext,
        lake: LakeResource,
        store: Store,
        alerts: dg.ResourceParam[AlertChannels],
    ) -> dg.SkipReason:
        now = dt.datetime.now(dt.UTC)
        try:
            before = store.load(Dependencies, pipeline.name, STATION, NOW)
        except RecordNotFound:
            before = None
        current = look(pipeline, lake.open(), before, now)
        told = []
        for alert in changes(pipeline, before, current, now):
            alerts.send(store, alert, repeat_after=pipeline.alerts.repeat_after, now=now)
            told.append(alert.title)
        if current != before:
            # After telling: a tick that dies in between tells again.
            store.save(pipeline.name, STATION, NOW, current)
        for words in told:
            context.log.warning(words)
            context.instance.report_runless_asset_event(
                dg.AssetObservation(found.key("raw"), description=words)
            )
        return dg.SkipReason("; ".join(told) or "Nothing that it stands on has changed.")

    return dependencies


def look(
    pipeline: MLPipeline, lake: "Lake", before: Dependencies | None, now: dt.datetime
) -> Dependencies:
    """What the pipeline stands on now."""
    versions = {p: pipeline.source.version(p) for p in pipeline.source.partitions()}
    same = before is not None and before.versions == versions
    table = pipeline.table("raw")
    newest = lake.partitions(table)[-1] if lake.exists(table) else ""
    snapshot = lake.partition_snapshot(table, newest) if newest else None
    read = before is not None and before.snapshot == snapshot
    return Dependencies(
        columns=before.columns if before is not None and read else _columns(lake, table, newest),
        snapshot=snapshot,
        packages=_installed(),
        versions=versions,
        changed=before.changed if before is not None and same else now,
    )


def changes(
    pipeline: MLPipeline, before: Dependencies | None, current: Dependencies, now: dt.datetime
) -> list[Alert]:
    """What is worth telling of: changed columns, changed packages, a silent source."""
    found: list[tuple[str, Mapping[str, str], str]] = []
    if before is not None and before.columns and (moved := _moved(before.columns, current.columns)):
        found.append(
            (
                "the source's columns have changed",
                moved,
                "see whether raw_schema still says what is meant",
            )
        )
    if before is not None and (moved := _moved(before.packages, current.packages)):
        found.append(
            (
                "packages have changed",
                moved,
                f"run `mlops reproduce {pipeline.name}`: the same inputs must give the same model",
            )
        )
    quiet = pipeline.monitors.quiet_after
    if quiet is not None and now - current.changed >= quiet:
        since = {"silent since": current.changed.isoformat(timespec="minutes")}
        found.append((f"the source has delivered nothing for {quiet}", since, "ask its owner"))
    return [
        Alert(
            level="warning", pipeline=pipeline.name, title=title, evidence=what, next_step=next_step
        )
        for title, what, next_step in found
    ]


def _columns(lake: "Lake", table: str, partition: str) -> dict[str, str]:
    """{column: type} of raw rows as they came with a partition."""
    if not partition:
        return {}
    frame = lake.read(table, [partition])
    # A column that the partition did not bring reads as missing throughout.
    brought = [name for name in frame.columns if frame.empty or frame[name].notna().any()]
    return {str(name): str(frame[name].dtype) for name in brought}


def _installed() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _moved(before: Mapping[str, str], current: Mapping[str, str]) -> dict[str, str]:
    return {
        name: f"{before.get(name, 'absent')} → {current.get(name, 'absent')}"
        for name in sorted({*before, *current})
        if before.get(name) != current.get(name)
    }
