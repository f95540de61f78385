"""From one prediction to everything behind it: model, reasons, data, runs, code, label.

Here: collecting it, from the lake, the records and the registry. Not here: showing it (the command
``mlops explain-prediction``), its form (`explanation_told`), finding rows (`explanation_rows`).
"""

from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pandas as pd

from mlops_assets.assets.monitoring.captured.labelled import labelled, last_answers
from mlops_assets.assets.monitoring.explaining.explanation_making import tell
from mlops_assets.assets.monitoring.explaining.explanation_rows import (
    RawRows,
    of_event,
    raw_rows,
    stored,
    where,
)
from mlops_assets.assets.monitoring.explaining.explanation_subject import completed, find
from mlops_assets.assets.monitoring.explaining.explanation_told import (
    Answer,
    Model,
    Raw,
    Reason,
    Table,
    Trace,
    Trained,
    Truth,
    Why,
)
from mlops_assets.assets.records import SplitRecord
from mlops_assets.checks.rows import REDACTED
from mlops_assets.objects import ObjectNotFound
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import DatasetError
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.errors import found_or_none
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

_RUN_TAG, _LAKE_RUN = "dagster/run-id", "dagster.run_id"
_TABLES = ("raw", "clean", "features", "captures")


def trace(
    pipeline: MLPipeline,
    event: str,
    *,
    lake: "Lake",
    store: Store,
    client: Any,
    instance: dg.DagsterInstance,
    partition: str | None = None,
) -> Trace:
    """Everything behind the last answer to an event.

    Args:
        partition: look there only; by default in all, the newest first.

    Raises:
        UnknownEvent: no captured answer is of this event.
    """
    found, captured = where(pipeline, lake, event, partition)
    untold: list[str] = []
    rows = labelled(pipeline, lake, found)
    rows = last_answers(rows.loc[rows["event_id"] == event].reset_index(drop=True))
    row = (rows if len(rows) else captured.tail(1)).reset_index(drop=True)
    row = completed(pipeline, lake, found, row)
    if not len(rows):
        untold.append("only a shadow variant answered: nobody was told this answer")
    version = int(row["version"].iloc[0])
    package = find(client, pipeline, version)
    if package is None:
        untold.append(f"version {version} is not in the registry: no model, no explanation")
    offline = of_event(pipeline, stored(pipeline, lake, "features", found), event)
    if offline.empty:
        untold.append(f"features[{found}] has no row of this event")
    behind = raw_rows(pipeline, lake, found, event)
    if behind.why_none:
        untold.append(behind.why_none)
    return Trace(
        pipeline=pipeline.name,
        event_id=event,
        partition=found,
        event_time=_time(row["event_time"].iloc[0]),
        prediction=float(row["prediction"].iloc[0]),
        answers=_answers(captured),
        label=_label(row),
        why=_why(pipeline, store, package, row, untold) if package else None,
        model=_model(client, package) if package else None,
        trained=_trained(store, package, untold) if package else None,
        sent={c: _text(pipeline, c, row[c].iloc[0]) for c in pipeline.feature_columns if c in row},
        offline=_different(pipeline, row, offline),
        tables=_tables(pipeline, lake, found),
        raw=_raw(pipeline, instance, found, behind) if behind.total else None,
        untold=tuple(untold),
    )


def _answers(captured: pd.DataFrame) -> tuple[Answer, ...]:
    ordered = captured.sort_values("inference_time", kind="stable")
    return tuple(
        Answer(
            at=str(row.inference_time),
            variant=row.variant,
            version=int(row.version),
            prediction=float(row.prediction),
            file=str(row.capture_file),
        )
        for row in ordered.itertuples()
    )


def _label(row: pd.DataFrame) -> Truth | None:
    if "label" not in row or pd.isna(row["label"].iloc[0]):
        return None
    return Truth(
        value=float(row["label"].iloc[0]),
        known_at=_time(row["known_at"].iloc[0]),
        source=str(row["label_source"].iloc[0]),
        provenance=str(row["provenance"].iloc[0]),
    )


def _why(
    pipeline: MLPipeline, store: Store, package: ModelPackage, row: pd.DataFrame, untold: list[str]
) -> Why | None:
    from mlops_assets.ml.artifact.errors import ArtifactError, EncodingError
    from mlops_assets.ml.explanation.explained import most_answered

    try:
        every = tell(pipeline, store, package, row).explained
    except EncodingError as error:
        # Without the value: the column may be personal.
        untold.append(f"the artifact does not take the value sent as {error.column!r}")
        return None
    except (ArtifactError, DatasetError, ObjectNotFound) as error:
        untold.append(f"the answer cannot be explained: {error}")
        return None
    # Of several classes, why it was the one that was answered.
    told = every[most_answered(every)]
    points = told.in_probability()
    order = abs(told.values[0]).argsort()[::-1]
    return Why(
        space=f"{told.space} of {told.label}" if told.label else told.space,
        base=told.base,
        base_answer=points.base,
        answered_again=float(told.answers[0]),
        reasons=tuple(
            Reason(
                feature=told.columns[i],
                value=_text(pipeline, told.columns[i], _first(row, told.columns[i])),
                shap=float(told.values[0, i]),
                points=float(points.values[0, i]),
            )
            for i in order.tolist()
        ),
    )


def _first(row: pd.DataFrame, column: str) -> Any:
    return row[column].iloc[0] if column in row else None


def _model(client: Any, package: ModelPackage) -> Model:
    lineage = package.lineage
    job = lineage.get("job_arn", "")
    found = found_or_none(lambda: client.list_tags(ResourceArn=job)) if job else None
    tags = {tag["Key"]: tag["Value"] for tag in (found or {}).get("Tags", [])}
    return Model(
        package_arn=package.arn,
        version=package.version,
        status=package.status,
        state=package.state,
        decision=package.decision,
        note=package.note,
        trained_by=package.trained_by,
        reason=package.reason,
        registered=f"{package.created:%Y-%m-%d %H:%M}",
        as_of=lineage.get("as_of", ""),
        commit=lineage.get("commit", "unknown"),
        platform_version=lineage.get("platform_version", ""),
        code_version=lineage.get("code_version", ""),
        artifact_digest=lineage.get("artifact_digest", ""),
        training_job=job.rpartition("/")[2],
        run_id=tags.get(_RUN_TAG),
        metrics=dict(package.metrics),
    )


def _trained(store: Store, package: ModelPackage, untold: list[str]) -> Trained | None:
    lineage = package.lineage
    try:
        split = SplitRecord.model_validate_json(store.open().read(lineage["split_uri"]))
    except (KeyError, ObjectNotFound):
        untold.append("the record of the model's split is gone: its partitions are not known")
        return None
    return Trained(
        features_table=lineage.get("features_table", ""),
        features_snapshot=str(split.features_snapshot),
        partitions=split.train_partitions,
        missing_partitions=split.missing_partitions,
        rows=split.rows,
        dataset_uri=split.dataset_uri,
        dataset_digest=split.digest,
    )


def _tables(pipeline: MLPipeline, lake: "Lake", partition: str) -> tuple[Table, ...]:
    found = []
    for station in _TABLES:
        table = pipeline.table(station)
        snapshot = lake.partition_snapshot(table, partition)
        if snapshot is not None:
            run = lake.origin(table, partition).get(_LAKE_RUN)
            found.append(
                Table(table=table, partition=partition, snapshot=str(snapshot), run_id=run)
            )
    return tuple(found)


def _raw(
    pipeline: MLPipeline, instance: dg.DagsterInstance, partition: str, behind: RawRows
) -> Raw:
    recorded = _recorded_version(pipeline, instance, partition)
    return Raw(
        source=pipeline.source.describe(),
        version=recorded or pipeline.source.version(partition),
        version_of="recorded" if recorded else "now",
        rows=tuple(
            {str(name): _plain(value) for name, value in row.items()}
            for row in behind.rows.to_dict("records")
        ),
        places=behind.places,
        total=behind.total,
        quarantined=behind.quarantined,
    )


def _recorded_version(
    pipeline: MLPipeline, instance: dg.DagsterInstance, partition: str
) -> str | None:
    """The source's version when the raw rows were read, as the run noted it."""
    events = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([pipeline.name, "raw"]), asset_partitions=[partition]
        ),
        limit=1,
    ).records
    for event in events:
        made = event.asset_materialization
        noted = made.metadata.get("source_version") if made else None
        versions = noted.value if noted else None
        if isinstance(versions, dict) and partition in versions:
            return str(versions[partition])
    return None


def _different(pipeline: MLPipeline, sent: pd.DataFrame, offline: pd.DataFrame) -> dict[str, str]:
    if offline.empty:
        return {}
    found = {}
    for column in pipeline.feature_columns:
        if column in sent and column in offline:
            before, now = sent[column].iloc[0], offline[column].iloc[0]
            if not _same(before, now):
                found[column] = _text(pipeline, column, now)
    return found


def _same(one: Any, other: Any) -> bool:
    if pd.isna(one) or pd.isna(other):
        return bool(pd.isna(one) and pd.isna(other))
    # As the model sees numbers: what differs more finely changes no answer.
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.float32(one) == np.float32(other))
    return bool(one == other)


def _text(pipeline: MLPipeline, column: str, value: Any) -> str:
    return REDACTED if column in pipeline.personal else _plain(value)


def _plain(value: Any) -> str:
    if value is None or pd.isna(value):
        return "missing"
    return str(value)


def _time(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)
