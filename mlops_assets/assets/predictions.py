"""Station ``predictions``: the champion's answers to every row of a partition, by batch transform.

Here: which rows are asked, which model answers, and that each row has its answer. Not here: the
transform job (`resources.sagemaker.transform`), the model (`registry`).
"""

import hashlib
import json
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from mlops_assets.assets.champion import Champion, champion
from mlops_assets.assets.preview import sample
from mlops_assets.assets.station import check, key, station
from mlops_assets.checks.results import Verdict, combine
from mlops_assets.objects import Objects
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.hosting.models import ensure_model
from mlops_assets.resources.sagemaker.hosting.payload import json_rows
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.resources.sagemaker.transform import PipesSageMakerTransformClient
from mlops_assets.resources.sagemaker.transform_request import TransformSpec
from mlops_assets.serving import Batch

_LINES = "application/jsonlines"


def build(pipeline: MLPipeline, batch: Batch) -> dg.AssetsDefinition:
    name = "predictions"

    @station(
        pipeline,
        name,
        description=(
            "The champion's answer to every row of features, by a batch transform on "
            f"{batch.instance_count} × {batch.instance_type}."
        ),
        kinds={"sagemaker", "iceberg"},
        code_version=pipeline.code_version(batch),
        deps=[
            key(pipeline, "features"),
            # Whoever serves now, whatever it is as of: never what makes this stale.
            dg.AssetDep(
                key(pipeline, "endpoint"), partition_mapping=pipeline.partitions.all_before()
            ),
        ],
        pool="sagemaker_transform",
        io_manager_key="lake_io",
        dagster_type=dg.Any,
        checks=[
            check(pipeline, name, "all_answered", "Each row of features has its answer.",
                  blocking=True)
        ],
    )  # fmt: skip
    def predictions(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
        transform_jobs: PipesSageMakerTransformClient,
        placement: dg.ResourceParam[Placement],
    ) -> dg.MaterializeResult:
        model = _who_answers(pipeline, sagemaker.client())
        frames: dict[str, pd.DataFrame] = {}
        verdicts: dict[str, Verdict] = {}
        metadata: dict[str, Any] = {}
        for partition in context.partition_keys:
            rows = lake.open().read(pipeline.table("features"), [partition])
            spec = _spec(pipeline, batch, store, sagemaker.client(), placement, model, rows)
            metadata = dict(transform_jobs.run_spec(context=context, spec=spec).metadata)
            answers = _answers(store.open(), spec.output_uri)
            verdicts[partition] = _verdict(len(rows), len(answers))
            frames[partition] = _frame(pipeline, model, rows, answers)
        return dg.MaterializeResult(
            value=frames,
            metadata={
                **metadata,
                "model": model.package_arn,
                "sample": sample(next(reversed(frames.values())), hide=pipeline.personal),
            },
            check_results=[combine("all_answered", verdicts)],
        )

    return predictions


def _who_answers(pipeline: MLPipeline, client: Any) -> Champion:
    found = champion(client, pipeline)
    if found is None:
        raise dg.Failure(
            f"nothing serves at endpoint {pipeline.slug}, so there is no champion to ask. "
            f"Materialize {pipeline.name}/endpoint first.",
            allow_retries=False,
        )
    return found


def _spec(
    pipeline: MLPipeline,
    batch: Batch,
    store: Store,
    client: Any,
    placement: Placement,
    model: Champion,
    rows: pd.DataFrame,
) -> TransformSpec:
    lines = [json.dumps(row) for row in json_rows(rows, pipeline.feature_columns)]
    body = ("\n".join(lines) + "\n").encode() if lines else b""
    digest = hashlib.sha256(body).hexdigest()[:16]
    place = store.uri("transform", pipeline.name, digest)
    # Content-addressed: a transform job is known by its request, which names this object.
    store.open().write_if_absent(f"{place}/in/rows.jsonl", body)
    return TransformSpec(
        name=f"{pipeline.slug}-predictions",
        model_name=ensure_model(
            client, pipeline.slug, {"ModelPackageName": model.package_arn}, placement
        ),
        input_uri=f"{place}/in/",
        output_uri=f"{place}/v{model.package_arn.rpartition('/')[2]}",
        content_type=_LINES,
        accept=_LINES,
        max_payload_mb=batch.max_payload_mb,
        instance_type=batch.instance_type,
        alternates=batch.alternates,
        instance_count=batch.instance_count,
        placement=placement,
        tags={"mlops:pipeline": pipeline.name, "mlops:asset": "predictions"},
    )


def _answers(objects: Objects, output_uri: str) -> np.ndarray:
    """(rows,) or, of several classes, (rows, classes), in the order of the records."""
    body = objects.read(f"{output_uri}/rows.jsonl.out")
    return np.array([json.loads(line)["prediction"] for line in body.splitlines()], dtype=float)


def _verdict(rows: int, answers: int) -> Verdict:
    words = f"{answers:,} answers to {rows:,} rows"
    return Verdict(rows == answers, words, {"rows": rows, "answers": answers})


def _frame(
    pipeline: MLPipeline, model: Champion, rows: pd.DataFrame, answers: np.ndarray
) -> pd.DataFrame:
    """Who each row is of, and its answer; no rows at all where some have none."""
    columns = [*pipeline.entity_key, *([pipeline.event_time] if pipeline.event_time else [])]
    kept = rows[columns].reset_index(drop=True)
    if len(answers) != len(rows):
        kept, answers = kept.iloc[:0], answers[:0]
    version = int(model.package_arn.rpartition("/")[2])
    if pipeline.label.answers:
        by_class = pd.DataFrame(
            answers.reshape(len(kept), len(pipeline.label.answers)), columns=pipeline.label.answers
        )
        kept = kept.assign(prediction=by_class.to_numpy().argmax(axis=1).astype(float))
        return pd.concat([kept, by_class], axis=1).assign(version=version)
    return kept.assign(prediction=answers.astype(float), version=version)
