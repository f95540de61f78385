"""What the model package behind an answer promised: its figures on its own held-out rows.

Here: finding a captured version's package, its held-out figures with intervals, and the calibration
that an estimate needs; computed once an artifact and kept. Not here: judging.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.blocks import event_blocks
from mlops_assets.assets.monitoring.quality.records import HeldOutRecord
from mlops_assets.assets.monitoring.records import Interval
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.blocks import LEAST_BLOCKS
from mlops_assets.ml.performance.calibration import Calibrator, confidence, fit
from mlops_assets.ml.performance.intervals import Measured, measure, metrics_of
from mlops_assets.objects import ObjectNotFound
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import DatasetError, read_split
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.registry import registry

STATION = "held_out"


@dataclass(frozen=True)
class Promise:
    """A package's own held-out figures; without them nothing can be told to be worse.

    Args:
        calibrator: None for a regression, and where the held-out rows are gone.
    """

    package_arn: str
    held_out: dict[str, Measured]
    calibrator: Calibrator | None


def promise(client: Any, store: Store, pipeline: MLPipeline, version: int) -> Promise | None:
    """What a version of the pipeline's group promised; None where the registry knows no such."""
    try:
        package = registry.describe(client, f"{pipeline.slug}/{version}")
    except registry.RegistryError:
        return None
    record = _recorded(store, pipeline, package)
    # The registry's figures are the promise; what was measured again adds how sure they are.
    held_out = {name: Measured(value, value, value) for name, value in package.metrics.items()}
    if record is None:
        return Promise(package.arn, held_out, None)
    for name, interval in record.metrics.items():
        promised = held_out[name].value if name in held_out else interval.value
        held_out[name] = Measured(
            promised,
            promised + interval.low - interval.value,
            promised + interval.high - interval.value,
        )
    curve = Calibrator(record.says, record.means) if record.says else None
    return Promise(package.arn, held_out, curve)


def _recorded(
    store: Store, pipeline: MLPipeline, package: registry.ModelPackage
) -> HeldOutRecord | None:
    """The kept figures, made now where there are none; None where the rows or artifact are gone."""
    threshold = pipeline.monitors.decision_threshold
    name = f"{package.lineage['artifact_digest'][:24]}-{package.lineage['dataset_digest'][:16]}"
    name = f"{name}-{threshold:g}"
    if block := pipeline.evaluation.block:
        name = f"{name}-{block.total_seconds():g}s"
    try:
        return store.load(HeldOutRecord, pipeline.name, STATION, name)
    except RecordNotFound:
        pass
    try:
        record = _measured(store, pipeline, package)
    except (ArtifactError, DatasetError, ObjectNotFound):
        return None
    store.save(pipeline.name, STATION, name, record)
    return record


def _measured(store: Store, pipeline: MLPipeline, package: registry.ModelPackage) -> HeldOutRecord:
    # Imported here: loading the code location needs no ONNX Runtime.
    from mlops_assets.ml.artifact.load import Artifact

    rows = read_split(store.open(), package.lineage["dataset_uri"], "holdout")
    with fetch(store, package.model_data_url) as directory:
        artifact = Artifact.load(directory)
        names = [column.name for column in artifact.spec.columns]
        answers = artifact.predict({name: rows[name].to_numpy() for name in names})
    truth = rows[pipeline.label.column].to_numpy(float)
    kind = pipeline.label.kind
    metrics = metrics_of(kind, pipeline.monitors.decision_threshold)
    blocks = event_blocks(pipeline, rows)
    if blocks is not None and len(np.unique(blocks)) < LEAST_BLOCKS:
        # Too short a time to tell how sure the promise is: it is taken at its word.
        blocks = None
    curve = fit(*confidence(kind, truth, answers)) if kind != "regression" else Calibrator((), ())
    return HeldOutRecord(
        artifact_digest=package.lineage["artifact_digest"],
        dataset_digest=package.lineage["dataset_digest"],
        rows=len(rows),
        metrics={
            name: Interval(**vars(figure))
            for name, figure in measure(truth, answers, metrics, kind=kind, blocks=blocks).items()
        },
        says=curve.says,
        means=curve.means,
    )
