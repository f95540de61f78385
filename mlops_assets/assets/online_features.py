"""Station ``online_features``: the newest features of each entity, where the endpoint reads them.

Here: which rows go to the online store, and the proof that serving will see what training saw. Not
here: how records are written (`resources.sagemaker.features.feature_put`) or read by the endpoint
(`containers.online_features.online`). Built only for pipelines that declare `Endpoint(online=…)`.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from mlops_assets.assets.station import check, key, station
from mlops_assets.checks.results import Verdict, combine
from mlops_assets.ml.artifact.values import is_missing
from mlops_assets.ml.feature_record import EVENT_TIME, entity_id
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource

STATION = "online_features"
_SAMPLE_ROWS = 200


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    online = pipeline.endpoint.online
    if online is None:
        raise ValueError(f"{pipeline.name} declares no endpoint.online: there is nothing to build")
    group, columns = pipeline.slug, online.columns

    @station(
        pipeline,
        STATION,
        description=(
            f"The newest {', '.join(columns)} of each {', '.join(pipeline.entity_key)} in the "
            f"online feature store, group {group}: what the endpoint reads when a caller sends "
            "the key alone."
        ),
        kinds={"sagemaker"},
        code_version=pipeline.code_version(entity_id, online, pipeline.entity_key),
        deps=[key(pipeline, "features")],
        checks=[
            check(
                pipeline,
                STATION,
                "parity",
                "Sampled rows read back from the online store are exactly those of `features`.",
                blocking=True,
            )
        ],
    )
    def online_features(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
        placement: dg.ResourceParam[Placement],
    ) -> dg.MaterializeResult:
        # botocore, which they import, is not needed to load the code location.
        from mlops_assets.resources.sagemaker.features.feature_put import put, records_of
        from mlops_assets.resources.sagemaker.features.feature_store import (
            ensure_group,
            feature_types,
            read,
        )

        rows = lake.open().read(pipeline.table("features"), list(context.partition_keys))
        ensure_group(
            sagemaker.client(),
            group,
            feature_types(rows, columns),
            placement=placement,
            offline_uri=store.uri("feature-store"),
            description=f"{pipeline.name}: features by {', '.join(pipeline.entity_key)}",
        )
        runtime = sagemaker.feature_store()
        times = rows[pipeline.event_time] if pipeline.event_time else _now(rows)
        records = records_of(rows, pipeline.entity_key, columns, times)
        report = put(runtime, group, records, columns)
        context.log.info(
            f"{group}: {report.written:,} written, {report.corrected:,} corrected, "
            f"{report.unchanged:,} as they were, {report.superseded:,} older than what is there"
        )
        sample = newest(rows, pipeline.entity_key, times).head(_SAMPLE_ROWS)
        identifiers = [entity_id(values) for values in _keys(sample, pipeline.entity_key)]
        verdict = parity(
            sample,
            columns,
            identifiers,
            read(runtime, group, identifiers, columns),
            {identifier: records[identifier][EVENT_TIME] for identifier in identifiers},
        )
        return dg.MaterializeResult(
            metadata={
                "group": group,
                "records": len(records),
                "written": report.written,
                "corrected": report.corrected,
                "unchanged": report.unchanged,
                "superseded": report.superseded,
                "retried": report.retried,
                "failed": 0,
                "oldest event": report.oldest or "none",
                "newest event": report.newest or "none",
            },
            check_results=[combine("parity", {context.partition_keys[-1]: verdict})],
        )

    return online_features


def newest(rows: pd.DataFrame, key_columns: Sequence[str], times: pd.Series) -> pd.DataFrame:
    """The newest row of each entity, in an order that does not depend on time."""
    order = times.sort_values(kind="stable").index
    last = rows.loc[order].drop_duplicates(list(key_columns), keep="last")
    return last.sort_values(list(key_columns), kind="stable").sample(
        frac=1, random_state=len(last), replace=False
    )


def parity(
    rows: pd.DataFrame,
    columns: Sequence[str],
    identifiers: Sequence[str],
    there: dict[str, dict[str, str]],
    times: dict[str, str],
) -> Verdict:
    """Whether what the store answers is what was computed, to the last bit.

    A record whose event time is newer than the row's belongs to another partition and is left out.
    """
    compared, wrong = 0, []
    for identifier, (_, row) in zip(identifiers, rows.iterrows(), strict=True):
        record = there.get(identifier, {})
        if record.get(EVENT_TIME, "") > times[identifier]:
            continue
        compared += 1
        wrong += [
            f"{identifier}: {name}" for name in columns if not _same(row[name], record.get(name))
        ]
    if wrong:
        return Verdict(
            False,
            f"{len(wrong)} of {compared * len(columns)} values differ, the first {wrong[0]}. "
            "Serving would see other features than training: do not deploy; materialize again",
        )
    return Verdict(True, f"{compared} records of {len(columns)} features are the same to the bit")


def _same(value: Any, text: str | None) -> bool:
    """Whether the endpoint would give the model what training gave it."""
    if is_missing(value) or value == "":
        return text is None
    if text is None:
        return False
    if isinstance(value, str):
        return text == value
    read, trained = np.float64(text), np.float64(value)
    return read.tobytes() == trained.tobytes()


def _keys(rows: pd.DataFrame, key_columns: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name].tolist() for name in key_columns), strict=True))


def _now(rows: pd.DataFrame) -> pd.Series:
    """Without an event time, a record is as old as its materialization."""
    return pd.Series(pd.Timestamp.now("UTC").floor("ms"), index=rows.index)
