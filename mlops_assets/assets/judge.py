"""Judging one model: held-out answers of model, baselines and champion, and what the gates say.

Here: which answers are compared on which rows. Not here: metrics, baselines and intervals (`ml`),
the gates' rules (`checks.gates`), what people see of it (`evaluation`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.blocks import event_blocks
from mlops_assets.assets.champion import Champion
from mlops_assets.assets.records import EvaluationRecord, GateResult, ModelRecord, SplitRecord
from mlops_assets.checks.gates import absolute, against_baselines, against_champion, leakage
from mlops_assets.checks.results import Verdict
from mlops_assets.ml import baselines, metrics
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import read_split
from mlops_assets.resources.records import Store


@dataclass(frozen=True)
class Judged:
    """One model's verdict, with the answers behind it: ``answers`` by who gave them."""

    record: EvaluationRecord
    truth: np.ndarray
    answers: dict[str, np.ndarray]
    slices: pd.DataFrame
    importance: dict[str, float]


def metric_function(pipeline: MLPipeline) -> Callable[[ArrayLike, ArrayLike], dict[str, float]]:
    return metrics.BY_KIND[pipeline.label.kind]


def judge(pipeline: MLPipeline, store: Store, partition: str, now: Champion | None) -> Judged:
    """Answer the held-out rows of a partition's split, by all who may, and ask the gates.

    Raises:
        dagster.Failure: the model was trained on another dataset than the split names now.
    """
    split = store.load(SplitRecord, pipeline.name, "splits", partition)
    model = store.load(ModelRecord, pipeline.name, "model", partition)
    if model.dataset_digest != split.digest:
        raise dg.Failure(
            f"{pipeline.name}/model[{partition}] was trained on dataset {model.dataset_digest[:12]}"
            f", the split is {split.digest[:12]} now. Materialize model[{partition}] first.",
            allow_retries=False,
        )
    measure = metric_function(pipeline)
    holdout = read_split(store.open(), split.dataset_uri, "holdout")
    train = read_split(store.open(), split.dataset_uri, "train")
    columns = list(pipeline.feature_columns)
    truth = holdout[pipeline.label.column].to_numpy(float)
    # Imported here: loading the code location needs no ONNX Runtime.
    from mlops_assets.ml.artifact.load import Artifact

    with fetch(store, model.artifact_uri) as directory:
        artifact = Artifact.load(directory)
        artifact.check_golden()
        answers = {"model": artifact.predict({c: holdout[c].to_numpy() for c in columns})}
        importance = _importance(directory)
    for name in pipeline.baselines:
        answers[name] = baselines.fit_predict(
            name,
            train[columns],
            train[pipeline.label.column],
            holdout[columns],
            pipeline.label.kind,
            max(len(pipeline.label.classes), 2),
        )
    # The champion itself, evaluated again, would only repeat the model's column.
    rival = now if now is not None and now.artifact_digest != model.artifact_digest else None
    not_compared = ""
    if rival is not None and rival.has_seen(split):
        not_compared = "it was trained on these held-out rows"
    elif rival is not None:
        try:
            answers["champion"] = _champion_answers(store, rival, holdout)
        except ArtifactError as error:
            not_compared = f"it cannot answer today's rows: {error}"
    measured = {name: measure(truth, values) for name, values in answers.items()}
    record = EvaluationRecord(
        as_of=partition,
        artifact_digest=model.artifact_digest,
        rows=len(holdout),
        metrics=measured["model"],
        baselines={name: measured[name] for name in pipeline.baselines},
        champion=now.package_arn if now else None,
        champion_metrics=measured.get("champion"),
        gates=(
            _gate("quality", absolute(pipeline.evaluation, measured["model"])),
            _gate(
                "beats_baselines",
                against_baselines(
                    pipeline.evaluation, {n: measured[n] for n in ("model", *pipeline.baselines)}
                ),
            ),
            _gate(
                "beats_champion",
                _against_champion(pipeline, now, holdout, answers, not_compared),
            ),
            _gate("no_leak", leakage(pipeline.evaluation, measured["model"])),
        ),
    )
    slices = metrics.by_slice(
        measure,
        truth,
        answers["model"],
        holdout[list(pipeline.evaluation.slices)],
        pipeline.evaluation.slice_rows,
    )
    return Judged(record, truth, answers, slices, importance)


def _importance(directory: Path) -> dict[str, float]:
    """What the training script says of its features; scripts need not say anything."""
    told = directory / "importance.json"
    return json.loads(told.read_bytes()) if told.is_file() else {}


def _against_champion(
    pipeline: MLPipeline,
    now: Champion | None,
    holdout: pd.DataFrame,
    answers: dict[str, np.ndarray],
    not_compared: str,
) -> Verdict:
    if now is None:
        return Verdict(True, "nothing is serving yet")
    if not_compared:
        return Verdict(True, f"not compared with the champion (as of {now.as_of}): {not_compared}")
    if "champion" not in answers:
        return Verdict(True, f"this model is the champion, {now.package_arn}")
    return against_champion(
        pipeline.evaluation,
        holdout[pipeline.label.column].to_numpy(float),
        answers["model"],
        answers["champion"],
        blocks=event_blocks(pipeline, holdout),
    )


def _champion_answers(store: Store, now: Champion, holdout: pd.DataFrame) -> np.ndarray:
    from mlops_assets.ml.artifact.load import Artifact

    with fetch(store, now.model_data_url) as directory:
        artifact = Artifact.load(directory)
        names = [column.name for column in artifact.spec.columns]
        missing = [name for name in names if name not in holdout.columns]
        if missing:
            # A feature that no longer exists is one the champion would not get when serving, too.
            holdout = holdout.assign(**dict.fromkeys(missing))
        return artifact.predict({name: holdout[name].to_numpy() for name in names})


def _gate(name: str, verdict: Verdict) -> GateResult:
    return GateResult(name=name, passed=verdict.passed, description=verdict.description)
