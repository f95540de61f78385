"""What the sensors that retrain look at: records, lake and registry, as they are now.

Nothing here depends on a cursor or on Dagster's memory of runs. Here: gathering, for each trigger.
Not here: what follows from it (`deciding`).
"""

from collections.abc import Callable
from dataclasses import replace

from mlops_assets.assets.monitoring.drifting.records import DriftRecord
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.automation import learnable
from mlops_assets.automation.condemning import mostly, of_version
from mlops_assets.automation.deciding import Evidence
from mlops_assets.automation.scene import Scene
from mlops_assets.declaration import Gate
from mlops_assets.monitors import Trigger
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage


def gather(scene: Scene, trigger: Trigger) -> Evidence:
    """What a trigger sees; where it calls for a training, also whether that can help."""
    if scene.champion is None:
        return Evidence(
            trigger, "none", False, "nothing serves yet: train the first model yourself"
        )
    found = GATHER[trigger](scene, scene.champion)
    if not found.holds:
        return found
    return with_prospects(scene, scene.champion, found)


def with_prospects(scene: Scene, champion: ModelPackage, found: Evidence) -> Evidence:
    """The evidence, with what says whether a training can help."""
    as_of = learnable.newest_labelled(scene.pipeline, scene.lake, scene.featured)
    if as_of is None:
        return found
    return replace(
        found,
        as_of=as_of,
        broken=_broken(scene, champion, {found.partition, as_of}),
        learned=learnable.nothing_new(scene.pipeline, scene.store, scene.lake, as_of, champion),
        gain=learnable.gain_of_training(
            scene.pipeline, scene.store, scene.featured, as_of, _as_of(champion)
        ),
        facts={"champion": f"version {champion.version}, as of {_as_of(champion)}", **found.facts},
    )


def drift(scene: Scene, champion: ModelPackage) -> Evidence:
    """Drift is a warning; what lies on the model's important columns calls for a training."""
    least = scene.pipeline.monitors.drift.matters
    records = scene.recent(DriftRecord, "drift")
    # What was compared with a former champion's training data tells nothing of this one.
    current = [r for r in records if r.package_arn == champion.arn]
    if not current:
        return _quiet("drift", scene, "no newer partition is compared with what the champion knows")
    record = current[0]
    matters = record.matters or 0.0
    words = (
        f"{matters:.0%} of the model's importance lies on drifted columns in {record.partition} "
        f"(from {least:.0%} on it matters)"
    )
    columns = [f.column for f in record.findings if f.column]
    return Evidence(
        "drift",
        record.partition,
        matters >= least,
        words,
        # Whoever serves: told anew of another champion, the same rows call for the same training.
        seen={"profile": str(record.profile_snapshot)},
        facts={"matters": f"{matters:.3f}", "columns": ", ".join(dict.fromkeys(columns))[:200]},
    )


def performance(scene: Scene, champion: ModelPackage) -> Evidence:
    """Realised quality below its bound; before the labels, the estimate below it."""
    for record in scene.recent(PerformanceRecord, "performance"):
        words = _worse(scene.pipeline, record, champion.version)
        if words:
            return Evidence(
                "performance",
                record.partition,
                True,
                f"{record.partition}: {words}",
                seen={"champion": champion.arn, "status": record.status},
                facts={"labelled": f"{record.labelled:,} of {record.captured:,}"},
            )
    return _quiet("performance", scene, "the champion keeps its bounds, as far as is known")


def freshness(scene: Scene, champion: ModelPackage) -> Evidence:
    """In the time of the data: how many newer partitions have features."""
    newer = [p for p in scene.featured if p > _as_of(champion)]
    limit = scene.pipeline.retraining.stale_after
    return Evidence(
        "freshness",
        scene.featured[-1] if scene.featured else "none",
        scene.pipeline.partitions.kind != "static" and len(newer) >= limit,
        f"{len(newer)} newer partitions than the champion's {_as_of(champion)} have features "
        f"(stale from {limit} on)",
        seen={"champion": champion.arn},
    )


def code(scene: Scene, champion: ModelPackage) -> Evidence:
    """The training script, its files or its hyperparameters are not the champion's."""
    now = learnable.training_code(scene.pipeline)
    changed = learnable.code_changes(scene.pipeline, scene.store, champion)
    return Evidence(
        "code",
        scene.featured[-1] if scene.featured else "none",
        bool(changed),
        f"changed since the champion was trained: {', '.join(changed)}" if changed else "no change",
        seen={"code": now},
    )


def labels(scene: Scene, champion: ModelPackage) -> Evidence:
    """A partition newer than the champion's has its labels."""
    newest = learnable.newest_labelled(scene.pipeline, scene.lake, scene.featured)
    holds = newest is not None and newest > _as_of(champion)
    return Evidence(
        "labels",
        newest or "none",
        holds,
        f"{newest} has its labels, and the champion knows {_as_of(champion)}",
        seen={"champion": champion.arn},
    )


GATHER: dict[Trigger, Callable[[Scene, ModelPackage], Evidence]] = {
    "drift": drift,
    "performance": performance,
    "freshness": freshness,
    "code": code,
    "labels": labels,
}


def scheduled(scene: Scene, at: str) -> Evidence:
    """A tick of the declared schedule."""
    found = Evidence(
        "schedule", at, True, f"the schedule {scene.pipeline.retraining.cron}", seen={"tick": at}
    )
    return with_prospects(scene, scene.champion, found) if scene.champion else found


def bounds(pipeline: MLPipeline) -> tuple[Gate, ...]:
    """What the served model's metrics must keep."""
    return pipeline.monitors.performance.bounds or pipeline.evaluation.gates


def _worse(pipeline: MLPipeline, record: PerformanceRecord, version: int) -> str:
    """What is worse than it may be of a version's answers; empty where nothing is."""
    status, lines, labelled = of_version(record, version)
    if status == "failing":
        failed = [f"{x.name} {x.figure} ({x.bound})" for x in lines if x.status == "failing"]
        return "; ".join(failed) or "realised quality is failing"
    if labelled >= pipeline.monitors.performance.least_rows:
        return ""  # what is realised is known, and counts more than any estimate
    if not mostly(record.versions, version):
        return ""
    broken = [
        f"estimated {gate.metric} {record.estimate[gate.metric]:.4g} breaks {gate}"
        for gate in bounds(pipeline)
        if gate.metric in record.estimate and not gate.holds(record.estimate[gate.metric])
    ]
    return "; ".join(broken)


def _broken(scene: Scene, champion: ModelPackage, partitions: set[str]) -> tuple[str, ...]:
    """Findings of broken data in the partitions, but for columns that the model hardly uses; and
    labels that are no longer what the champion learned."""
    flipped = learnable.changed_labels(scene.pipeline, scene.store, scene.lake, champion)
    found = [flipped] if flipped else []
    for partition in sorted(partitions):
        record = scene.record(DriftRecord, "drift", partition)
        found += [
            f"{partition}: {finding.words}"
            for finding in (record.broken if record else ())
            if finding.importance is None or finding.importance >= learnable.TRIFLE
        ]
    return tuple(found)


def _quiet(trigger: Trigger, scene: Scene, words: str) -> Evidence:
    return Evidence(trigger, scene.featured[-1] if scene.featured else "none", False, words)


def _as_of(package: ModelPackage) -> str:
    return package.lineage.get("as_of", "")
