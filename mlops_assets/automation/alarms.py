"""The sensor `alerts`: what the stations that watch found, and what was decided, told to people.

The one place that tells, so that turning it off turns off all of it. Here: what is worth telling,
at which level, with which next step. Not here: channels and repetition
(`resources.monitoring.alerts`), measuring, deciding.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.decided import decisions
from mlops_assets.assets.monitoring.drifting.records import DriftRecord, Finding
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.automation.scene import RECENT
from mlops_assets.automation.targets import Targets
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.alerts import Alert, AlertChannels, Level
from mlops_assets.resources.records import RecordNotFound, Store

WATCHED: tuple[tuple[type[DriftRecord | PerformanceRecord | SkewRecord], str], ...] = (
    (DriftRecord, "drift"),
    (PerformanceRecord, "performance"),
    (SkewRecord, "skew"),
)
_SHOWN = 5
# Decisions older than that are no news any more.
_NEWS = dt.timedelta(days=1)


def build(found: Targets) -> dg.SensorDefinition:
    """Tells of alarms and decisions, each once a while."""
    pipeline = found.pipeline

    @dg.sensor(
        name=f"{pipeline.name}_alerts",
        target=None,
        minimum_interval_seconds=60,
        description=(
            "Watches drift, performance, skew and what was decided, and tells of it by log, SNS "
            "topic and webhook; the same is told again only after "
            f"{pipeline.alerts.repeat_after}. It starts nothing."
        ),
        tags=found.tags,
    )
    def alerts(
        context: dg.SensorEvaluationContext,
        store: Store,
        alerts: dg.ResourceParam[AlertChannels],
    ) -> dg.SkipReason:
        now = dt.datetime.now(dt.UTC)
        told = []
        for alert in worth_telling(pipeline, look(pipeline, store, now)):
            channels = alerts.send(store, alert, repeat_after=pipeline.alerts.repeat_after, now=now)
            if channels:
                told.append(f"{alert.title} ({', '.join(channels)})")
                context.log.warning(alert.text)
        return dg.SkipReason("; ".join(told) or "There is nothing new to tell.")

    return alerts


def look(pipeline: MLPipeline, store: Store, now: dt.datetime) -> Iterator[Alert]:
    """Everything that is an alarm now, and every decision of the last day."""
    for kind, station in WATCHED:
        for partition in store.partitions(pipeline.name, station)[-RECENT:]:
            try:
                record = store.load(kind, pipeline.name, station, partition)
            except RecordNotFound:
                continue  # removed meanwhile
            yield from of_record(pipeline, record)
    for decision in decisions(store, pipeline.name):
        if now - dt.datetime.fromisoformat(decision.at) < _NEWS:
            yield from of_decision(decision)


def worth_telling(pipeline: MLPipeline, alerts: Iterable[Alert]) -> Iterator[Alert]:
    """Those of the declared level."""
    pages_only = pipeline.alerts.from_level == "page"
    return (alert for alert in alerts if alert.level == "page" or not pages_only)


def of_record(
    pipeline: MLPipeline, record: DriftRecord | PerformanceRecord | SkewRecord
) -> Iterator[Alert]:
    """The alarms of one record: drift warns, broken data and performance page."""
    if isinstance(record, DriftRecord):
        yield from _of_drift(pipeline, record)
    elif record.status not in ("warning", "failing"):
        return
    elif isinstance(record, PerformanceRecord):
        failing = record.status == "failing"
        yield Alert(
            level="page" if failing else "warning",
            pipeline=pipeline.name,
            title=f"performance of {record.partition} is {record.status}",
            evidence={
                line.name: f"{line.figure} (bound {line.bound})"
                for line in record.lines
                if line.status == record.status
            },
            next_step=f"look at {pipeline.name}/performance[{record.partition}]; the sensors "
            f"{pipeline.name}_performance (retrains) and {pipeline.name}_guard (rolls back) "
            "act on it where they are on",
        )
    else:
        yield Alert(
            level="page" if record.status == "failing" else "warning",
            pipeline=pipeline.name,
            title=f"train/serve skew in {record.partition}",
            evidence={"rows": record.words},
            next_step="compare what the caller sends with `features`: "
            f"{pipeline.name}/skew[{record.partition}] names the columns",
        )


def _of_drift(pipeline: MLPipeline, record: DriftRecord) -> Iterator[Alert]:
    broken = record.broken
    moved = [f for f in record.findings if f not in broken and f.kind != "insufficient"]
    worst: Level = "page" if record.status == "failing" else "warning"
    kinds: tuple[tuple[Sequence[Finding], Level, str, str], ...] = (
        (
            broken,
            worst,
            f"broken data in {record.partition}",
            "mend the source and materialize the partition again; retraining cannot help",
        ),
        (
            moved,
            "warning",
            f"drift in {record.partition}",
            f"look at {pipeline.name}/drift[{record.partition}]; drift alone is no reason to act",
        ),
    )
    for findings, level, title, next_step in kinds:
        if not findings:
            continue
        shown = {
            f.column or f.kind: f.kind if f.column in pipeline.personal else f.words
            for f in findings[:_SHOWN]
        }
        if len(findings) > _SHOWN:
            shown["and"] = f"{len(findings) - _SHOWN} more"
        if record.matters is not None and findings is moved:
            shown["matters"] = f"{record.matters:.0%} of the model's importance"
        yield Alert(
            level=level,
            pipeline=pipeline.name,
            title=title,
            evidence=shown,
            next_step=next_step,
        )


def of_decision(decision: Decision) -> Iterator[Alert]:
    """What was decided, but for what only waits."""
    name = decision.pipeline
    next_steps = {
        "retrain": f"nothing: the challenger must win before it serves; follow {name}/evaluation"
        f"[{decision.partition}]",
        "hold": "look whether you agree; a person can start "
        f"{name}_retraining or `mlops rollback {name}` at any time",
        "roll_back": f"find out what was wrong, then `mlops promote {name} …` or retrain",
    }
    if decision.action not in next_steps:
        return
    rolled_back = decision.action == "roll_back" or decision.trigger == "guard"
    evidence = {k: v for k, v in decision.evidence.items() if k not in ("digest", "seen")}
    yield Alert(
        level="page" if rolled_back else "warning",
        pipeline=name,
        title=f"{decision.action.replace('_', ' ')} ({decision.trigger}): {decision.words}"[:300],
        evidence=evidence,
        next_step=next_steps[decision.action],
    )
