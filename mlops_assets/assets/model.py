"""Station ``model``: the training job of each as-of partition, and the artifact it left.

Here: from a split and a declaration to a job. Not here: how a job is started, adopted, followed or
stopped (`resources.sagemaker`), nor what the artifact is (`ml.artifact`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets import __version__
from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.commit import commit
from mlops_assets.assets.from_aws import sealed_artifact, trainable
from mlops_assets.assets.records import (
    UNKNOWN,
    HyperparametersRecord,
    ModelRecord,
    SplitRecord,
)
from mlops_assets.assets.station import check, key, station
from mlops_assets.assets.training_watch import TrainingWatch
from mlops_assets.checks.results import Verdict, combine, warning
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.experiments.experiments import Experiments
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.requests import TrainingSpec
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient

COMMIT_TAG = "mlops:commit"
# What may differ between two trainings of the same model.
_NO_PART = ("alternates", "input")
VERSION_TAG = "mlops:platform-version"


@dataclass(frozen=True)
class Sealed:
    """What a verified artifact says of itself: its digest, and what it was trained on."""

    uri: str
    digest: str
    lock: str = UNKNOWN
    seed: str = UNKNOWN


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    training = pipeline.training
    script_version = pipeline.code_version(*training.version)

    @station(
        pipeline,
        "model",
        description=(
            f"The model as of each partition: {training.program} as a training job on "
            f"{training.instance_count} × {training.instance_type}."
        ),
        kinds={"sagemaker", "onnx"},
        code_version=pipeline.code_version(
            *training.version,
            # Paths differ between machines, and their content is already in; rules only watch.
            {
                **{name: value for name, value in vars(training).items() if name not in _NO_PART},
                "script": None,
                "files": None,
                "rules": None,
            },
        ),
        deps=[
            key(pipeline, "splits"),
            *([key(pipeline, "hyperparameters")] if pipeline.tuning else []),
        ],
        pool="sagemaker_training",
        freshness_policy=_freshness(pipeline),
        checks=[
            check(
                pipeline,
                "model",
                "artifact",
                "The artifact is whole (digests) and answers its golden rows as at export.",
                blocking=True,
            ),
            check(
                pipeline,
                "model",
                "training_rules",
                "No rule found anything in metrics, data and model of the training: "
                + (", ".join(rule.name for rule in training.rules) or "none is declared")
                + ".",
            ),
        ],
    )
    def model(
        context: dg.AssetExecutionContext,
        store: Store,
        sagemaker: SageMakerResource,
        training_jobs: PipesSageMakerTrainingClient,
        experiments: dg.ResourceParam[Experiments],
    ) -> dg.MaterializeResult:
        records, verdicts, ruled = [], {}, {}
        metadata: dict[str, Any] = {}
        for partition in context.partition_keys:
            split = store.load(SplitRecord, pipeline.name, "splits", partition)
            spec = training_spec(
                pipeline,
                partition,
                dataset_uri=trainable(pipeline, store, split.dataset_uri),
                searched=_searched(pipeline, store, partition),
            )
            watch = TrainingWatch(pipeline, context, experiments, spec, split)
            finished = watch.train(training_jobs)
            metadata = dict(finished.metadata)
            for reported in finished.get_results(implicit_materializations=False):
                metadata.update(reported.metadata or {})
            job = sagemaker.client().describe_training_job(
                TrainingJobName=finished.metadata["job_name"].value
            )
            tags = sagemaker.client().list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
            artifact_uri = sealed_artifact(pipeline, store, split.dataset_uri, job)
            sealed, verdicts[partition] = _verify(store, artifact_uri)
            ruled[partition] = watch.verdict(store, artifact_uri)
            record = _record(partition, job, tags, split, sealed, script_version)
            store.save(pipeline.name, "model", partition, record)
            records.append(record)
        return dg.MaterializeResult(
            data_version=dg.DataVersion("-".join(r.artifact_digest[:16] for r in records)),
            metadata={**metadata, "artifact_digest": records[-1].artifact_digest[:16]},
            check_results=[combine("artifact", verdicts), warning("training_rules", ruled)],
        )

    return model


def _freshness(pipeline: MLPipeline) -> dg.FreshnessPolicy | None:
    """By the clock, for the UI; what retrains goes by the time of the data."""
    fresh_for = pipeline.retraining.fresh_for
    return None if fresh_for is None else dg.FreshnessPolicy.time_window(fail_window=fresh_for)


def _searched(pipeline: MLPipeline, store: Store, partition: str) -> Mapping[str, str]:
    """The hyperparameters that a search found for a partition; none where none is declared."""
    if pipeline.tuning is None:
        return {}
    found = store.load(HyperparametersRecord, pipeline.name, "hyperparameters", partition)
    return found.hyperparameters


def training_spec(
    pipeline: MLPipeline,
    partition: str,
    *,
    dataset_uri: str,
    searched: Mapping[str, str],
    asset: str = "model",
) -> TrainingSpec:
    """The training job that a declaration asks for on a dataset.

    Args:
        searched: hyperparameters that take precedence over the declared ones.
        asset: the station that asks.
    """
    training = pipeline.training
    return TrainingSpec(
        pipeline=pipeline.name,
        asset=asset,
        partition=partition,
        source=training.code,
        program=training.program if training.script else "",
        channels={
            "train": f"{dataset_uri}/train",
            "holdout" if training.script else "validation": f"{dataset_uri}/holdout",
        },
        hyperparameters={**training.told(pipeline.label), **searched},
        image_uri=training.from_aws or training.image,
        lustre=training.input == "lustre",
        instance_type=training.instance_type,
        alternates=training.alternates,
        instance_count=training.instance_count,
        volume_gb=training.volume_gb,
        max_runtime_s=int(training.max_runtime.total_seconds()),
        use_spot=training.use_spot,
        metric_definitions=training.metrics,
        # Tags are no part of a job's identity: a new commit with the same code adopts the job, and
        # the job keeps telling which commit made it.
        tags={COMMIT_TAG: commit(), VERSION_TAG: __version__},
    )


def _verify(store: Store, artifact_uri: str) -> tuple[Sealed, Verdict]:
    # Imported here: ONNX Runtime is not needed to load the code location.
    from mlops_assets.ml.artifact.load import Artifact

    try:
        with fetch(store, artifact_uri) as directory:
            artifact = Artifact.load(Path(directory))
            artifact.check_golden()
            rows, worst = artifact.manifest.check.rows, artifact.manifest.check.max_abs_diff
            return _sealed(artifact_uri, artifact.digest(), artifact.manifest.training), Verdict(
                True,
                f"{len(artifact.manifest.files)} files as sealed; {rows:,} rows agree with the "
                f"training framework to {worst:.1e}",
            )
    except ArtifactError as error:
        return Sealed(artifact_uri, "invalid"), Verdict(False, str(error))


def _sealed(uri: str, digest: str, training: Mapping[str, Any]) -> Sealed:
    seed = training.get("seed")
    lock = training.get("environment", {}).get("lock", UNKNOWN)
    return Sealed(uri, digest, lock, UNKNOWN if seed is None else str(seed))


def _record(
    partition: str,
    job: dict[str, Any],
    tags: list[dict[str, str]],
    split: SplitRecord,
    sealed: Sealed,
    code_version: str,
) -> ModelRecord:
    told = {tag["Key"]: tag["Value"] for tag in tags}
    return ModelRecord(
        as_of=partition,
        job_name=job["TrainingJobName"],
        job_arn=job["TrainingJobArn"],
        artifact_uri=sealed.uri,
        artifact_digest=sealed.digest,
        environment_lock=sealed.lock,
        seed=sealed.seed,
        dataset_digest=split.digest,
        image=job["AlgorithmSpecification"]["TrainingImage"],
        hyperparameters=job["HyperParameters"],
        code_version=code_version,
        commit=told.get(COMMIT_TAG, UNKNOWN),
        platform_version=told.get(VERSION_TAG, UNKNOWN),
        billable_seconds=job.get("BillableTimeInSeconds"),
        metrics={m["MetricName"]: m["Value"] for m in job.get("FinalMetricDataList", [])},
    )
