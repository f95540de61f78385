"""Station ``model``: the training job of each as-of partition, and the artifact it left.

Here: from a split and a declaration to a job. Not here: how a job is started, adopted, followed or
stopped (`resources.sagemaker`), nor what the artifact is (`ml.artifact`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets import __version__
from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.commit import commit
from mlops_assets.assets.records import HyperparametersRecord, ModelRecord, SplitRecord
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
VERSION_TAG = "mlops:platform-version"


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    training = pipeline.training
    script_version = pipeline.code_version(training.script, *training.files)

    @station(
        pipeline,
        "model",
        description=(
            f"The model as of each partition: {training.script.name} as a training job on "
            f"{training.instance_count} × {training.instance_type}."
        ),
        kinds={"sagemaker", "onnx"},
        code_version=pipeline.code_version(
            training.script,
            *training.files,
            # Paths differ between machines, and their content is already in; rules only watch.
            {**vars(training), "script": None, "files": None, "rules": None},
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
                dataset_uri=split.dataset_uri,
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
            digest, verdicts[partition] = _verify(store, job)
            ruled[partition] = watch.verdict(store, job["ModelArtifacts"]["S3ModelArtifacts"])
            record = _record(partition, job, tags, split, digest, script_version)
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
        source=(training.script, *training.files),
        program=training.script.name,
        channels={name: f"{dataset_uri}/{name}" for name in ("train", "holdout")},
        hyperparameters={
            "label": pipeline.label.column,
            **training.hyperparameters,
            **searched,
        },
        image_uri=training.image,
        instance_type=training.instance_type,
        instance_count=training.instance_count,
        volume_gb=training.volume_gb,
        max_runtime_s=int(training.max_runtime.total_seconds()),
        use_spot=training.use_spot,
        metric_definitions=training.metrics,
        # Tags are no part of a job's identity: a new commit with the same code adopts the job, and
        # the job keeps telling which commit made it.
        tags={COMMIT_TAG: commit(), VERSION_TAG: __version__},
    )


def _verify(store: Store, job: dict[str, Any]) -> tuple[str, Verdict]:
    # Imported here: ONNX Runtime is not needed to load the code location.
    from mlops_assets.ml.artifact.load import Artifact

    try:
        with fetch(store, job["ModelArtifacts"]["S3ModelArtifacts"]) as directory:
            artifact = Artifact.load(Path(directory))
            artifact.check_golden()
            rows, worst = artifact.manifest.check.rows, artifact.manifest.check.max_abs_diff
            return artifact.digest(), Verdict(
                True,
                f"{len(artifact.manifest.files)} files as sealed; {rows:,} rows agree with the "
                f"training framework to {worst:.1e}",
            )
    except ArtifactError as error:
        return "invalid", Verdict(False, str(error))


def _record(
    partition: str,
    job: dict[str, Any],
    tags: list[dict[str, str]],
    split: SplitRecord,
    digest: str,
    code_version: str,
) -> ModelRecord:
    told = {tag["Key"]: tag["Value"] for tag in tags}
    return ModelRecord(
        as_of=partition,
        job_name=job["TrainingJobName"],
        job_arn=job["TrainingJobArn"],
        artifact_uri=job["ModelArtifacts"]["S3ModelArtifacts"],
        artifact_digest=digest,
        dataset_digest=split.digest,
        image=job["AlgorithmSpecification"]["TrainingImage"],
        hyperparameters=job["HyperParameters"],
        code_version=code_version,
        commit=told.get(COMMIT_TAG, "unknown"),
        platform_version=told.get(VERSION_TAG, "unknown"),
        billable_seconds=job.get("BillableTimeInSeconds"),
        metrics={m["MetricName"]: m["Value"] for m in job.get("FinalMetricDataList", [])},
    )
