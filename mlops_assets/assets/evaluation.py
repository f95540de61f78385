"""Station ``evaluation``: is this model good enough, better than simple, better than the champion?

Here: answering the held-out rows with the sealed artifact (the very code that serves), and the
gates. Not here: metrics, baselines and intervals (`ml`), nor who the champion is (`resources`).
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
from mlops_assets.assets.champion import Champion, champion
from mlops_assets.assets.preview import image, metrics_table, slices_table
from mlops_assets.assets.records import EvaluationRecord, GateResult, ModelRecord, SplitRecord
from mlops_assets.assets.station import check, key, station
from mlops_assets.checks.gates import absolute, against_baselines, against_champion, leakage
from mlops_assets.checks.results import Verdict, combine
from mlops_assets.ml import baselines, metrics, plots
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import read_split
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

GATES = {
    "quality": "Held-out metrics keep their declared bounds.",
    "beats_baselines": "A simpler model is not better.",
    "beats_champion": "The serving model is not better on the same held-out rows.",
    "no_leak": "The result is not too good to be true.",
}


@dataclass(frozen=True)
class _Judged:
    record: EvaluationRecord
    truth: np.ndarray
    answers: dict[str, np.ndarray]
    slices: pd.DataFrame
    importance: dict[str, float]


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @station(
        pipeline,
        "evaluation",
        description=f"Held-out quality of the model; compared by {pipeline.evaluation.primary}.",
        kinds={"onnx"},
        code_version=pipeline.code_version(
            absolute, metrics.binary, baselines.fit_predict, pipeline.evaluation, pipeline.baselines
        ),
        deps=[key(pipeline, "model"), key(pipeline, "splits")],
        checks=[
            check(pipeline, "evaluation", name, description, blocking=True)
            for name, description in GATES.items()
        ],
    )
    def evaluation(
        context: dg.AssetExecutionContext, store: Store, sagemaker: SageMakerResource
    ) -> dg.MaterializeResult:
        now = champion(sagemaker.client(), pipeline)
        judged = {p: _judge(pipeline, store, p, now) for p in context.partition_keys}
        for partition, result in judged.items():
            store.save(pipeline.name, "evaluation", partition, result.record)
            value = result.record.metrics[pipeline.evaluation.primary]
            context.log.info(f"{partition}: {pipeline.evaluation.primary} {value:.4f}")
        # Older partitions of a range are a back-test: they are shown, the newest is what is gated.
        newest = judged[context.partition_keys[-1]]
        return dg.MaterializeResult(
            metadata=_show(pipeline, judged, newest),
            check_results=[
                combine(
                    gate.name,
                    {newest.record.as_of: Verdict(gate.passed, gate.description)},
                )
                for gate in newest.record.gates
            ],
        )

    return evaluation


def metric_function(pipeline: MLPipeline) -> Callable[[ArrayLike, ArrayLike], dict[str, float]]:
    return metrics.binary if pipeline.label.kind == "binary" else metrics.regression


def _judge(pipeline: MLPipeline, store: Store, partition: str, now: Champion | None) -> _Judged:
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
        )
    # The champion itself, evaluated again, would only repeat the model's column.
    rival = now if now is not None and now.artifact_digest != model.artifact_digest else None
    if rival is not None and not rival.has_seen(split):
        answers["champion"] = _champion_answers(store, rival, holdout)
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
            _gate("beats_champion", _against_champion(pipeline, now, model, truth, answers)),
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
    return _Judged(record, truth, answers, slices, importance)


def _importance(directory: Path) -> dict[str, float]:
    """What the training script says of its features; scripts need not say anything."""
    told = directory / "importance.json"
    return json.loads(told.read_bytes()) if told.is_file() else {}


def _against_champion(
    pipeline: MLPipeline,
    now: Champion | None,
    model: ModelRecord,
    truth: np.ndarray,
    answers: dict[str, np.ndarray],
) -> Verdict:
    if now is None:
        return Verdict(True, "nothing is serving yet")
    if now.artifact_digest == model.artifact_digest:
        return Verdict(True, f"this model is the champion, {now.package_arn}")
    if "champion" not in answers:
        return Verdict(
            True,
            f"the champion (as of {now.as_of}) was trained on these held-out rows, so the two "
            "cannot be compared on them",
        )
    return against_champion(pipeline.evaluation, truth, answers["model"], answers["champion"])


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


def _show(
    pipeline: MLPipeline, judged: dict[str, _Judged], newest: _Judged
) -> dict[str, dg.MetadataValue | int]:
    measure = metric_function(pipeline)
    shown: dict[str, dg.MetadataValue | int] = {
        "metrics": metrics_table({n: measure(newest.truth, a) for n, a in newest.answers.items()}),
        "holdout rows": newest.record.rows,
    }
    # As numbers, for the plots over partitions: what the model is judged by.
    gated = dict.fromkeys(
        [pipeline.evaluation.primary, *(g.metric for g in pipeline.evaluation.gates)]
    )
    for metric in gated:
        shown[metric] = dg.MetadataValue.float(round(newest.record.metrics[metric], 5))
    if len(judged) > 1:
        shown["as of"] = metrics_table({p: j.record.metrics for p, j in judged.items()})
    if not newest.slices.empty:
        shown["slices"] = slices_table(newest.slices, pipeline.evaluation.primary)
    if newest.importance:
        shown["importance"] = image(plots.importance(newest.importance), "feature importance")
    if pipeline.label.kind == "binary":
        shown["roc"] = image(
            plots.roc({n: metrics.roc_points(newest.truth, a) for n, a in newest.answers.items()}),
            "ROC",
        )
        shown["calibration"] = image(
            plots.calibration(
                {
                    n: metrics.calibration_points(newest.truth, a, 10)
                    for n, a in newest.answers.items()
                    if n in ("model", "champion")
                }
            ),
            "calibration",
        )
    return shown
