"""From a pipeline's rows to the bias metrics of its facets.

Here: which columns say facet, group, label and answer; the baseline of a model, kept once it is
made. Not here: the metrics (`ml.bias`), what they mean for a partition (`bias_judging`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from mlops_assets.assets.monitoring.explaining.explanation_subject import opened
from mlops_assets.assets.monitoring.fairness.records import BiasBaseline, BiasFacet, BiasFigure
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.bias import facets
from mlops_assets.ml.bias.counts import tabulate
from mlops_assets.ml.bias.flip import flip_test
from mlops_assets.ml.bias.measured import Measured, post_training, pre_training
from mlops_assets.ml.bias.metrics import POST_TRAINING
from mlops_assets.monitors import Facet
from mlops_assets.objects import ObjectNotFound
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import DatasetError, read_split
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

STATION = "bias_baseline"
ANSWER = "prediction"

Figures = tuple[BiasFigure, ...]


def baseline(pipeline: MLPipeline, store: Store, package: ModelPackage) -> BiasBaseline | None:
    """The metrics of a model's training labels, and of its answers to its held-out rows.

    Kept by artifact, dataset and declaration: every partition that the model answers needs them.
    None where artifact or rows are gone.
    """
    watched = pipeline.monitors
    parts = (watched.facets, watched.decision_threshold, watched.positive_classes, _VERSION)
    declared = repr(parts)
    name = hashlib.sha256(
        "\n".join(
            [package.lineage["artifact_digest"], package.lineage["dataset_digest"], declared]
        ).encode()
    ).hexdigest()[:32]
    try:
        return store.load(BiasBaseline, pipeline.name, STATION, name)
    except RecordNotFound:
        pass
    try:
        made = _baseline(pipeline, store, package)
    except (ArtifactError, DatasetError, ObjectNotFound):
        return None
    store.save(pipeline.name, STATION, name, made)
    return made


# Of what is kept: a new one where the same rows give other figures.
_VERSION = 2


def _baseline(pipeline: MLPipeline, store: Store, package: ModelPackage) -> BiasBaseline:
    uri, label = package.lineage["dataset_uri"], pipeline.label.column
    train = read_split(store.open(), uri, "train")
    holdout = read_split(store.open(), uri, "holdout")
    with opened(store, package) as (_, artifact):
        names = [column.name for column in artifact.spec.columns]
        matrix = artifact.encoder.encode({name: holdout[name].to_numpy() for name in names})
        answers = artifact.answer(matrix)
    if pipeline.label.kind == "multiclass":
        answers = answers.argmax(axis=1).astype(float)
    holdout = holdout.assign(**{ANSWER: answers})
    bound = float(train[label].median()) if pipeline.label.kind == "regression" else None
    return BiasBaseline(
        positive_above=bound,
        facets=tuple(
            BiasFacet(
                column=facet.column,
                value=value_of(facet),
                group=group_of(pipeline, facet),
                rows={"training": len(train), "held_out": len(holdout)},
                training=labels_of(pipeline, facet, train, bound),
                partition=(),
                held_out=answers_of(pipeline, facet, holdout, bound),
                served=(),
            )
            for facet in pipeline.monitors.facets
        ),
    )


def labels_of(
    pipeline: MLPipeline, facet: Facet, rows: pd.DataFrame, bound: float | None
) -> Figures:
    """Pre-training metrics of the rows whose label and facet are known."""
    rows = rows.loc[rows[pipeline.label.column].notna()]
    member = _members(facet, rows)
    label = positive(pipeline, rows[pipeline.label.column], bound, answers=False)
    counts = tabulate(
        member.disadvantaged[member.known],
        label=label[member.known],
        group=_group(pipeline, facet, rows.loc[member.known]),
    )
    return _figures(pre_training(counts))


def answers_of(
    pipeline: MLPipeline, facet: Facet, rows: pd.DataFrame, bound: float | None
) -> Figures:
    """Post-training metrics of rows with answers, and labels as far as they are known.

    What needs no label is measured on all rows, the rest on those with one.
    """
    rows = rows.loc[_members(facet, rows).known].reset_index(drop=True)
    member = _members(facet, rows).disadvantaged
    answer = positive(pipeline, rows[ANSWER], bound, answers=True)
    labels = rows[pipeline.label.column]
    known = labels.notna().to_numpy(bool)
    label = positive(pipeline, labels.fillna(0), bound, answers=False)
    group = _group(pipeline, facet, rows)
    counted = tabulate(member, predicted=answer, group=group)
    judged = tabulate(
        member[known],
        label=label[known],
        predicted=answer[known],
        group=None if group is None else group[known],
    )
    every = {m.name: m for m in post_training(counted)}
    found: list[Measured] = [
        m if POST_TRAINING[m.name].labels else every[m.name] for m in post_training(judged)
    ]
    others = [c for c in pipeline.feature_columns if c != facet.column and c in rows]
    return _figures([*found, flip_test(rows[others], member, answer)])


def positive(
    pipeline: MLPipeline, values: pd.Series, bound: float | None, *, answers: bool
) -> np.ndarray:
    """Which labels or answers are positive: 1 or a probability from the threshold on; of several
    classes, those declared as positive (an answer is the most probable one); of a regression, what
    lies above the median of the training labels."""
    if bound is not None:
        return facets.above(values.to_numpy(float), bound)
    if pipeline.label.kind == "multiclass":
        numbers = [pipeline.label.classes.index(c) for c in pipeline.monitors.positive_classes]
        return values.isin(numbers).to_numpy(bool)
    threshold = pipeline.monitors.decision_threshold if answers else 1.0
    return facets.at_least(values.to_numpy(float), threshold)


def value_of(facet: Facet) -> str:
    return facets.written(facet.disadvantaged, facet.above)


def group_of(pipeline: MLPipeline, facet: Facet) -> str | None:
    """The column that conditional disparity looks within: the first declared slice that is
    another column than the facet's own."""
    others = [c for c in pipeline.evaluation.slices if c != facet.column]
    return next((c for c in others if c in pipeline.feature_columns), None)


def sides(pipeline: MLPipeline, facet: Facet, rows: pd.DataFrame) -> tuple[int, int]:
    """How many rows are of the advantaged and of the disadvantaged facet."""
    member = _members(facet, rows)
    return int((~member.disadvantaged & member.known).sum()), int(member.disadvantaged.sum())


def _members(facet: Facet, rows: pd.DataFrame) -> facets.Membership:
    if facet.column not in rows:
        # A facet that callers do not send is known of nobody.
        return facets.membership(pd.Series([None] * len(rows), dtype=object), disadvantaged=("",))
    return facets.membership(
        rows[facet.column], disadvantaged=facet.disadvantaged, above=facet.above
    )


def _group(pipeline: MLPipeline, facet: Facet, rows: pd.DataFrame) -> np.ndarray | None:
    column = group_of(pipeline, facet)
    return None if column is None else rows[column].to_numpy(object)


def _figures(measured: Sequence[Measured]) -> Figures:
    return tuple(
        BiasFigure(**{k: v for k, v in asdict(one).items() if k != "description"})
        for one in measured
    )
