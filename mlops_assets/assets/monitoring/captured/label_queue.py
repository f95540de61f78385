"""Station ``label_queue``: the captured rows whose label would help most, as a sheet to fill in.

Here: the asset and the sheet's columns. Not here: which rows those are (`ml.label_queue`), the
labels' way back (`mlops labels`, then `ground_truth` and `labelled`). Built only where
``monitors.label_queue`` says how many.
"""

from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.captured.captures import NAME as CAPTURES
from mlops_assets.assets.monitoring.captured.ground_truth import NAME as GROUND_TRUTH
from mlops_assets.assets.monitoring.captured.labelled import labelled, last_answers
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.preview import table
from mlops_assets.assets.station import key
from mlops_assets.ml import label_queue as queues
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.label_sheets import ID, LABEL, SCORE, to_csv, to_json_lines
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

NAME = "label_queue"
REASON = "queue_reason"


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @monitoring_station(
        pipeline,
        NAME,
        description=(
            f"Up to {pipeline.monitors.label_queue} captured rows whose label would teach most. "
            f"Fill in the column {LABEL} and bring it back: mlops labels {pipeline.name} FILE"
        ),
        kinds={"pandas"},
        code_version=pipeline.code_version(
            queues.choose, queues.uncertainty, pipeline.monitors.label_queue
        ),
        deps=[key(pipeline, CAPTURES), key(pipeline, GROUND_TRUTH)],
    )
    def label_queue(
        context: dg.AssetExecutionContext, lake: LakeResource, store: Store
    ) -> dg.MaterializeResult:
        sheet = pd.DataFrame()
        for partition in context.partition_keys:
            sheet = queue(pipeline, lake.open(), partition)
            uri = store.uri("label-queue", pipeline.name, partition)
            store.open().write(f"{uri}.csv", to_csv(sheet))
            store.open().write(f"{uri}.jsonl", to_json_lines(sheet))
            context.log.info(f"{partition}: {len(sheet):,} rows in {uri}.csv")
        return dg.MaterializeResult(
            metadata={
                "rows": len(sheet),
                "sheet": dg.MetadataValue.path(f"{uri}.csv"),
                "why": table(sheet[REASON].value_counts().rename("rows").reset_index()),
            }
        )

    return label_queue


def queue(pipeline: MLPipeline, lake: "Lake", partition: str) -> pd.DataFrame:
    """The rows of a partition's captures to be labelled, the most useful first.

    Returns:
        event_id, event_time, prediction, queue_score, queue_reason, the features but for personal
        ones, and an empty label.
    """
    rows = last_answers(labelled(pipeline, lake, partition))
    rows = rows.loc[rows["label"].isna()].sort_values("event_id", ignore_index=True)
    columns = [name for name in pipeline.feature_columns if name not in pipeline.personal]
    strange = queues.unusual(rows, _baseline(pipeline, lake, partition, rows), columns)
    unsure = None  # a regression's answers do not tell
    if pipeline.label.kind != "regression":
        told = list(pipeline.label.answers) or "prediction"
        unsure = queues.uncertainty(rows[told].to_numpy(float))
    chosen = queues.choose(unsure, strange, pipeline.monitors.label_queue)
    sheet = rows.loc[chosen["row"], [ID, "event_time", "prediction", *columns]]
    sheet = sheet.reset_index(drop=True)
    sheet.insert(3, SCORE, chosen["score"].round(4).array)
    sheet.insert(4, REASON, chosen["reason"].array)
    return sheet.assign(**{LABEL: pd.Series([None] * len(sheet), dtype="str")})


def _baseline(
    pipeline: MLPipeline, lake: "Lake", partition: str, rows: pd.DataFrame
) -> pd.DataFrame:
    """What rows are usually like: the features of the partition before, else of this one."""
    name = pipeline.table("features")
    there = [p for p in (lake.partitions(name) if lake.exists(name) else []) if p <= partition]
    before = [p for p in there if p < partition] or there
    if not before:
        return rows.head(0)
    return lake.read(name, before[-1:], columns=list(pipeline.feature_columns))
