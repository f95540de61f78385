"""The back-test behind ``staleness``: each recorded model measured on each later partition.

Here: which pairs there are, and measuring only those that are new; kept by the artifact's digest
and the snapshot of the features. Not here: what they say (`ml.performance.staleness`).
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.quality.records import (
    StalenessPair,
    StalenessScore,
    StalenessScores,
)
from mlops_assets.assets.records import ModelRecord
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.performance.intervals import metrics_of
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound, Store

if TYPE_CHECKING:
    from mlops_assets.ml.artifact.load import Artifact
    from mlops_assets.resources.lake.core import Lake

MODELS = 36
"""The latest models are back-tested: older ones say little of what is trained today."""
OLDEST = 24
"""Partitions of age after which no model is measured any more."""
KEPT = "staleness_scores"


def back_test(
    pipeline: MLPipeline, lake: "Lake", store: Store, log: Callable[[str], None]
) -> tuple[int, list[StalenessPair]]:
    """How many models there are, and every pair of one with a later partition of enough labels."""
    table = pipeline.table("features")
    there = lake.partitions(table) if lake.exists(table) else []
    # Ages count the pipeline's partitions, also those whose rows are not there (any more).
    place = {key: at for at, key in enumerate(pipeline.partitions.definition.get_partition_keys())}
    as_of = [key for key in store.partitions(pipeline.name, "model") if key in place][-MODELS:]
    models = {key: store.load(ModelRecord, pipeline.name, "model", key) for key in as_of}
    known = {key: _kept(pipeline, store, model) for key, model in models.items()}
    scores = {key: dict(kept.scores) for key, kept in known.items()}
    pairs: list[StalenessPair] = []
    with ExitStack() as stack:
        opened: dict[str, Artifact] = {}
        for partition in (key for key in there if key in place):
            ages = {key: place[partition] - place[key] for key in models}
            ages = {key: age for key, age in ages.items() if 1 <= age <= OLDEST}
            snapshot = lake.partition_snapshot(table, partition)
            new = [key for key in ages if _stale(scores[key].get(partition), snapshot)]
            if new:
                rows = _labelled(pipeline, lake, partition)
                log(f"{partition}: {len(rows):,} labelled rows, {len(new)} models to measure")
                for key in new:
                    if key not in opened:
                        opened[key] = _open(stack, store, models[key])
                    value = _score(pipeline, opened[key], rows)
                    scores[key][partition] = StalenessScore(
                        snapshot=snapshot, rows=len(rows), value=value
                    )
            pairs += _pairs(partition, ages, scores)
    for key, kept in known.items():
        if kept.scores != scores[key]:
            changed = kept.model_copy(update={"scores": scores[key]})
            store.save(pipeline.name, KEPT, _name(models[key]), changed)
    return len(models), pairs


def _name(model: ModelRecord) -> str:
    return model.artifact_digest[:32]


def _kept(pipeline: MLPipeline, store: Store, model: ModelRecord) -> StalenessScores:
    primary = pipeline.evaluation.primary
    try:
        known = store.load(StalenessScores, pipeline.name, KEPT, _name(model))
        if known.metric == primary:
            return known
    except RecordNotFound:
        pass
    return StalenessScores(artifact_digest=model.artifact_digest, metric=primary, scores={})


def _stale(score: StalenessScore | None, snapshot: int | None) -> bool:
    return score is None or score.snapshot != snapshot


def _pairs(
    partition: str, ages: Mapping[str, int], scores: Mapping[str, Mapping[str, StalenessScore]]
) -> list[StalenessPair]:
    found = []
    for as_of, age in ages.items():
        score = scores[as_of][partition]
        if score.value is not None:
            found.append(
                StalenessPair(
                    as_of=as_of, partition=partition, age=age, rows=score.rows, value=score.value
                )
            )
    return found


def _open(stack: ExitStack, store: Store, model: ModelRecord) -> "Artifact":
    # Imported here: loading the code location needs no ONNX Runtime.
    from mlops_assets.ml.artifact.load import Artifact

    return Artifact.load(stack.enter_context(fetch(store, model.artifact_uri)))


def _labelled(pipeline: MLPipeline, lake: "Lake", partition: str) -> pd.DataFrame:
    rows = lake.read(pipeline.table("features"), [partition])
    return rows.loc[rows[pipeline.label.column].notna()].reset_index(drop=True)


def _score(pipeline: MLPipeline, artifact: "Artifact", rows: pd.DataFrame) -> float | None:
    """The primary metric; None where the rows are too few, the metric is undefined on them, or the
    model can no longer answer them."""
    if len(rows) < pipeline.monitors.performance.least_rows:
        return None
    names = [column.name for column in artifact.spec.columns]
    # A feature that no longer exists is one the model would not get when serving, too.
    rows = rows.assign(**dict.fromkeys(name for name in names if name not in rows))
    try:
        answers = artifact.predict({name: rows[name].to_numpy() for name in names})
    except ArtifactError:
        return None
    metrics = metrics_of(pipeline.label.kind, pipeline.monitors.decision_threshold)
    truth = rows[pipeline.label.column].to_numpy(float)
    value = metrics[pipeline.evaluation.primary](truth, answers)(np.ones(len(rows)))
    return float(value) if np.isfinite(value) else None
