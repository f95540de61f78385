"""Station ``registered_model``: models that passed every gate, as packages with their lineage.

Here: what a package must say about where its model comes from. Not here: the registry's own rules
(`resources.sagemaker.registry`).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mlops_assets.assets.preview import facts
from mlops_assets.assets.records import (
    EvaluationRecord,
    ModelRecord,
    RegistrationRecord,
    SplitRecord,
)
from mlops_assets.assets.station import key, station
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sagemaker.registry import provenance, registry
from mlops_assets.resources.sagemaker.registry.person import person
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource

# What starts runs by itself, by the tag that Dagster gives its runs.
_AUTOMATIONS = {"dagster/sensor_name": "sensor", "dagster/schedule_name": "schedule"}
_SHOWN = ("trained_on", "train_rows", "features_snapshot", "dataset_digest", "commit")


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @station(
        pipeline,
        "registered_model",
        description=(
            f"Model packages of group {pipeline.slug}, with lineage and metrics; "
            f"approval is {pipeline.approval}."
        ),
        kinds={"sagemaker"},
        code_version=pipeline.code_version(registry.register, pipeline.approval),
        deps=[key(pipeline, name) for name in ("splits", "model", "evaluation")],
    )
    def registered_model(
        context: dg.AssetExecutionContext,
        store: Store,
        sagemaker: SageMakerResource,
        placement: dg.ResourceParam[Placement],
        signing: Signing,
    ) -> dg.MaterializeResult:
        records = []
        trained_by = started_by(context.run.tags, sagemaker)
        reason = context.run.tags.get("reason", f"started by {trained_by}")
        for partition in context.partition_keys:
            evaluation = store.load(EvaluationRecord, pipeline.name, "evaluation", partition)
            record = (
                _register(
                    pipeline,
                    store,
                    sagemaker,
                    partition,
                    evaluation,
                    placement=placement,
                    trained_by=trained_by,
                    reason=reason,
                    signer=signing,
                )
                if evaluation.passed
                else _refused(evaluation)
            )
            store.save(pipeline.name, "registered_model", partition, record)
            context.log.info(f"{partition}: {record.status}, {record.reason}")
            records.append(record)
        newest = records[-1]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(
                digest_of([(r.package_arn, r.status) for r in records])[:16]
            ),
            metadata={
                "package": newest.package_arn or "none",
                "status": newest.status,
                "reason": newest.reason,
                "trained because": reason,
                **_origin(pipeline, store, newest),
            },
        )

    return registered_model


def started_by(run_tags: Mapping[str, str], sagemaker: SageMakerResource) -> str:
    """Who had the model trained: the automation that started the run, or the person who did."""
    for tag, kind in _AUTOMATIONS.items():
        if name := run_tags.get(tag):
            return f"{kind} {name}"
    return person(sagemaker)


def _origin(
    pipeline: MLPipeline, store: Store, record: RegistrationRecord
) -> dict[str, dg.MarkdownMetadataValue]:
    """Where the package comes from, in short; the package itself keeps all of it."""
    if record.package_arn is None:
        return {}
    split = store.load(SplitRecord, pipeline.name, "splits", record.as_of)
    model = store.load(ModelRecord, pipeline.name, "model", record.as_of)
    told = lineage(pipeline, split, model)
    return {"lineage": facts({name: told[name][:48] for name in _SHOWN})}


def _refused(evaluation: EvaluationRecord) -> RegistrationRecord:
    failed = [gate for gate in evaluation.gates if not gate.passed]
    return RegistrationRecord(
        as_of=evaluation.as_of,
        package_arn=None,
        status="Refused",
        reason="; ".join(f"{gate.name}: {gate.description}" for gate in failed),
    )


def _register(
    pipeline: MLPipeline,
    store: Store,
    sagemaker: SageMakerResource,
    partition: str,
    evaluation: EvaluationRecord,
    **how: Any,
) -> RegistrationRecord:
    split = store.load(SplitRecord, pipeline.name, "splits", partition)
    model = store.load(ModelRecord, pipeline.name, "model", partition)
    if evaluation.artifact_digest != model.artifact_digest:
        raise dg.Failure(
            f"{pipeline.name}/evaluation[{partition}] judged artifact "
            f"{evaluation.artifact_digest[:12]}, the model is {model.artifact_digest[:12]} now. "
            f"Materialize evaluation[{partition}] first.",
            allow_retries=False,
        )
    try:
        provenance.check_archive(store.open(), model.artifact_uri, model.artifact_digest)
    except registry.Untrusted as error:
        raise dg.Failure(
            f"{pipeline.name}/model[{partition}] is not registered: {error}. Materialize "
            f"model[{partition}] again.",
            allow_retries=False,
        ) from None
    package = registry.register(
        sagemaker.client(),
        group=pipeline.slug,
        model_data_url=model.artifact_uri,
        lineage={**lineage(pipeline, split, model), "split_uri": store.keep(pipeline.name, split)},
        metrics=evaluation.metrics,
        metrics_uri=store.uri("records", pipeline.name, "evaluation", f"{partition}.json"),
        status="Approved" if pipeline.approval == "auto" else "PendingManualApproval",
        description=f"{pipeline.name} as of {partition}",
        image_uri=None if pipeline.training.only_trains else model.image,
        **how,
    )
    return RegistrationRecord(
        as_of=partition,
        package_arn=package.arn,
        status=package.status,
        reason=f"every gate passed; version {package.version} of {package.group}",
    )


def lineage(pipeline: MLPipeline, split: SplitRecord, model: ModelRecord) -> dict[str, str]:
    """Everything that `mlops reproduce` needs, and what a reader of the registry asks first."""
    return {
        "pipeline": pipeline.name,
        "as_of": model.as_of,
        "artifact_digest": model.artifact_digest,
        "dataset_uri": split.dataset_uri,
        "dataset_digest": split.digest,
        "split_method": split.method,
        "features_table": pipeline.table("features"),
        "features_snapshot": str(split.features_snapshot),
        "trained_on": f"{split.train_partitions[0]} to {split.train_partitions[-1]}",
        "train_rows": str(split.rows["train"]),
        "job_arn": model.job_arn,
        "code_version": model.code_version,
        "environment_lock": model.environment_lock,
        "seed": model.seed,
        "hyperparameters_digest": digest_of(model.hyperparameters)[:32],
        "platform_version": model.platform_version,
        "commit": model.commit,
    }
