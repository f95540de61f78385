"""A partition's answers explained, and held against the explanation of the training rows.

Here: which rows are explained, the baseline kept once it is made, and the verdict. Not here: SHAP
values and NDCG (`ml.explanation`), what people see of it (`explanation_page`).
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from mlops_assets.assets.monitoring.explaining.explanation_subject import Subject, opened, spread
from mlops_assets.assets.monitoring.explaining.records import Attributions, ExplanationRecord
from mlops_assets.assets.monitoring.records import Status
from mlops_assets.objects import ObjectNotFound
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import DatasetError, read_split
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

if TYPE_CHECKING:
    from mlops_assets.ml.explanation.dependence import Dependence
    from mlops_assets.ml.explanation.explained import Explained

STATION = "explanation_baseline"
LEAST_ROWS = 30
"""With fewer rows explained, the order of the features is luck."""


@dataclass(frozen=True)
class Made:
    """A partition's record, and what its pictures are drawn from; nothing without a model."""

    record: ExplanationRecord
    rows: pd.DataFrame
    explained: "tuple[Explained, ...]" = ()
    curves: "tuple[Dependence, ...]" = ()


@dataclass(frozen=True)
class Told:
    """Rows explained by a model, its training rows' attributions, and curves of dependence.

    ``explained``: one for each class of several, else one.
    """

    explained: "tuple[Explained, ...]"
    training: Attributions
    curves: "tuple[Dependence, ...]"


def make(
    pipeline: MLPipeline, store: Store, partition: str, found: Subject, features: pd.DataFrame
) -> Made:
    """Explain the partition's captured answers, or its feature rows where none was captured."""
    # Imported here: loading the code location needs no ONNX Runtime.
    from mlops_assets.ml.artifact.errors import ArtifactError, EncodingError

    rows = spread(found.rows if len(found.rows) else features, pipeline.monitors.explained_rows)
    if found.package is None or not len(rows):
        words = "no model has been registered" if found.package is None else "there are no rows"
        return Made(_unknown(partition, found, words), rows)
    try:
        told = tell(pipeline, store, found.package, rows, with_curves=True)
    except EncodingError as error:
        return Made(
            _unknown(partition, found, f"the model does not take these rows: {error}"), rows
        )
    except (ArtifactError, DatasetError, ObjectNotFound) as error:
        return Made(_unknown(partition, found, f"the model cannot be opened: {error}"), rows)
    record = _judged(partition, found, _attributions(told.explained), told.training)
    return Made(record, rows, told.explained, told.curves)


def tell(
    pipeline: MLPipeline,
    store: Store,
    package: ModelPackage,
    rows: pd.DataFrame,
    *,
    with_curves: bool = False,
) -> Told:
    """Explain rows by a registered model.

    Raises:
        EncodingError: rows that the model does not take.
        ArtifactError, DatasetError, ObjectNotFound: the model or its training rows are gone.
    """
    from mlops_assets.ml.artifact import manifest as files
    from mlops_assets.ml.explanation.dependence import curves
    from mlops_assets.ml.explanation.explained import importance, most_moved
    from mlops_assets.ml.explanation.shapley import columns_of, explain

    with opened(store, package) as (directory, artifact):
        training = _kept(pipeline, store, package)
        background = rows.head(0)
        # Trees know their training rows; any other model is asked about some of them.
        if training is None or files.NATIVE not in artifact.manifest.files:
            train = read_split(store.open(), package.lineage["dataset_uri"], "train")
            background = spread(train, pipeline.monitors.explained_rows)
        if training is None:
            training = _attributions(explain(directory, artifact, background, background))
            store.save(pipeline.name, STATION, _name(pipeline, package), training)
        explained = explain(directory, artifact, rows, background)
        shown = {n: v for n, v in importance(explained).items() if n not in pipeline.personal}

        def moved(column: str) -> tuple[int, str]:
            place = most_moved(explained, column)
            return place, explained[place].label

        drawn = (
            curves(
                lambda frame: artifact.predict(columns_of(frame, artifact.spec)),
                rows,
                shown,
                of=moved if len(explained) > 1 else None,
            )
            if with_curves
            else ()
        )
    return Told(explained, training, drawn)


def _kept(pipeline: MLPipeline, store: Store, package: ModelPackage) -> Attributions | None:
    try:
        return store.load(Attributions, pipeline.name, STATION, _name(pipeline, package))
    except RecordNotFound:
        return None


def _name(pipeline: MLPipeline, package: ModelPackage) -> str:
    of = (
        package.lineage["artifact_digest"],
        package.lineage["dataset_digest"],
        str(pipeline.monitors.explained_rows),
    )
    return hashlib.sha256("\n".join(of).encode()).hexdigest()[:32]


def _attributions(explained: "tuple[Explained, ...]") -> Attributions:
    from mlops_assets.ml.explanation.explained import importance

    first, many = explained[0], len(explained) > 1
    return Attributions(
        rows=len(first.values),
        space=first.space,
        base=0.0 if many else first.base,
        importance=importance(explained),
        by_class={one.label: one.importance() for one in explained} if many else {},
        bases={one.label: one.base for one in explained} if many else {},
    )


def _judged(
    partition: str, found: Subject, now: Attributions, training: Attributions
) -> ExplanationRecord:
    from mlops_assets.ml.explanation.attribution import LEAST_NDCG, ndcg

    score = ndcg(training.importance, now.importance)
    leaders = ", ".join(list(now.importance)[:3])
    before = ", ".join(list(training.importance)[:3])
    status: Status = "healthy"
    if score is None or now.rows < LEAST_ROWS:
        status = "unknown"
        words = (
            f"{now.rows} rows are too few to rank features"
            if score is not None
            else "no feature moved any answer in training"
        )
    elif score < LEAST_NDCG:
        status = "warning"
        words = f"other features matter than in training: {leaders}; then: {before}"
    else:
        words = f"what matters is what did in training: {leaders}"
    if now.by_class and status != "unknown":
        words += f" (mean over {len(now.by_class)} classes{_odd_class(now, training)})"
    return ExplanationRecord(
        partition=partition,
        package_arn=found.package.arn if found.package else None,
        source="captures" if len(found.rows) else "features",
        status=status,
        words=words,
        now=now,
        training=training,
        ndcg=score,
    )


def _odd_class(now: Attributions, training: Attributions) -> str:
    """Of several classes the one whose features have changed most, if by enough to be told."""
    from mlops_assets.ml.explanation.attribution import LEAST_NDCG, ndcg

    scores = {
        name: ndcg(training.by_class[name], told)
        for name, told in now.by_class.items()
        if name in training.by_class
    }
    known = {name: score for name, score in scores.items() if score is not None}
    if not known or min(known.values()) >= LEAST_NDCG:
        return ""
    worst = min(known, key=lambda name: known[name])
    return f"; of {worst} other features matter, NDCG {known[worst]:.3f}"


def _unknown(partition: str, found: Subject, words: str) -> ExplanationRecord:
    return ExplanationRecord(
        partition=partition,
        package_arn=found.package.arn if found.package else None,
        source="none",
        status="unknown",
        words=words,
        now=None,
        training=None,
        ndcg=None,
    )
