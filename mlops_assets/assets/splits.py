"""Station ``splits``: the immutable dataset that a model is trained and judged on.

Here: which partitions and rows train and which are held out, written once under the digest of
their content. Not here: the arithmetic of splitting (`ml.splitting`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from mlops_assets.assets.records import SplitMethod, SplitRecord
from mlops_assets.assets.station import check, key, station
from mlops_assets.checks.results import Verdict, combine, warning
from mlops_assets.ml.splitting import Sliding, by_hash, time_ordered, training_window
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import Dataset, write_dataset
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    # pyiceberg takes half a second to import, and the code location needs none of it.
    from mlops_assets.resources.lake.core import Lake


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    window = pipeline.split.window
    mapping = (
        pipeline.partitions.mapping(windows=window.partitions)
        if isinstance(window, Sliding)
        else pipeline.partitions.all_before()
    )

    @station(
        pipeline,
        "splits",
        description=f"Train and holdout rows as of each partition: trained on {_words(pipeline)}.",
        kinds={"parquet"},
        code_version=pipeline.code_version(
            training_window, pipeline.split, pipeline.feature_columns
        ),
        deps=[dg.AssetDep(key(pipeline, "features"), partition_mapping=mapping)],
        checks=[
            check(
                pipeline,
                "splits",
                "no_overlap",
                "No entity is in both train and holdout, and training ends before holdout begins.",
                blocking=True,
            ),
            check(pipeline, "splits", "training_window", "All partitions of the window are there."),
        ],
    )
    def splits(
        context: dg.AssetExecutionContext, lake: LakeResource, store: Store
    ) -> dg.MaterializeResult:
        overlap, complete, records = {}, {}, {}
        for partition in context.partition_keys:
            record, overlap[partition] = _split(pipeline, lake.open(), store, partition)
            records[partition] = record
            complete[partition] = _window_verdict(record)
            store.save(pipeline.name, "splits", partition, record)
            context.log.info(
                f"{partition}: {record.method} split, {record.rows['train']:,} rows to train on, "
                f"{record.rows['holdout']:,} held out"
            )
        last = next(reversed(records.values()))
        return dg.MaterializeResult(
            data_version=dg.DataVersion("-".join(r.digest[:16] for r in records.values())),
            metadata={
                "dataset": dg.MetadataValue.path(last.dataset_uri),
                "method": last.method,
                "trained on": ", ".join(last.train_partitions),
                "train rows": last.rows["train"],
                "holdout rows": last.rows["holdout"],
                "rows without a label": last.unlabelled,
                "features snapshot": str(last.features_snapshot),
            },
            check_results=[
                combine("no_overlap", overlap),
                warning("training_window", complete),
            ],
        )

    return splits


def _words(pipeline: MLPipeline) -> str:
    window = pipeline.split.window
    before = (
        f"the {window.partitions} partitions before it"
        if isinstance(window, Sliding)
        else "all partitions before it"
    )
    if pipeline.split.holdout == "partition":
        return before
    return f"{before} and on it but for its last {pipeline.split.holdout_share:.0%}"


@dataclass(frozen=True)
class _Parts:
    """The rows of a split before they are stored."""

    method: SplitMethod
    trained_on: tuple[str, ...]
    missing: tuple[str, ...]
    unlabelled: int
    train: pd.DataFrame
    holdout: pd.DataFrame


def _split(
    pipeline: MLPipeline, lake: "Lake", store: Store, partition: str
) -> tuple[SplitRecord, Verdict]:
    table = pipeline.table("features")
    there = lake.partitions(table) if lake.exists(table) else []
    window = training_window(
        sorted({*there, *pipeline.source.partitions()}), partition, pipeline.split.window
    )
    present = tuple(p for p in window if p in there)
    # The snapshot that last changed any of them: another partition's commit makes no new split.
    snapshot = lake.last_change(table, [*present, partition])
    if partition not in there or snapshot is None:
        raise dg.Failure(
            f"{pipeline.name}/features[{partition}] is not in the lake: materialize it first.",
            allow_retries=False,
        )
    parts = _parts(
        pipeline,
        lake,
        partition,
        present=present,
        missing=tuple(p for p in window if p not in there),
        snapshot=snapshot,
    )
    dataset = store_split(pipeline, store, parts.train, parts.holdout)
    record = SplitRecord(
        as_of=partition,
        dataset_uri=dataset.uri,
        digest=dataset.digest,
        method=parts.method,
        train_partitions=parts.trained_on,
        missing_partitions=parts.missing,
        rows=dataset.rows,
        unlabelled=parts.unlabelled,
        features_snapshot=snapshot,
    )
    return record, _overlap(pipeline, parts.train, parts.holdout)


def rebuild(pipeline: MLPipeline, lake: "Lake", store: Store, record: SplitRecord) -> str:
    """The digest of a recorded split's dataset, made again from the lake's recorded snapshot."""
    windowed = record.method in ("window", "tail")
    present = tuple(p for p in record.train_partitions if windowed and p != record.as_of)
    parts = _parts(
        pipeline,
        lake,
        record.as_of,
        present=present,
        missing=record.missing_partitions,
        snapshot=record.features_snapshot,
    )
    return store_split(pipeline, store, parts.train, parts.holdout).digest


def _parts(
    pipeline: MLPipeline,
    lake: "Lake",
    partition: str,
    *,
    present: tuple[str, ...],
    missing: tuple[str, ...],
    snapshot: int,
) -> _Parts:
    table = pipeline.table("features")
    rows = lake.read(table, [partition], snapshot_id=snapshot)
    known, unlabelled = labelled(rows, pipeline)
    method: SplitMethod = "window"
    trained_on = present or (partition,)
    if present:
        train, lost = labelled(lake.read(table, present, snapshot_id=snapshot), pipeline)
        holdout, unlabelled = known, unlabelled + lost
        if pipeline.split.holdout == "tail" and pipeline.event_time and len(known):
            method, trained_on = "tail", (*present, partition)
            first, last = time_ordered(known[pipeline.event_time], pipeline.split.holdout_share)
            train, holdout = pd.concat([train, known.loc[first]]), known.loc[last]
    elif known.empty:
        train = holdout = known
    else:
        if pipeline.event_time:
            method = "time"
            masks = time_ordered(known[pipeline.event_time], pipeline.split.holdout_share)
        else:
            method = "hash"
            masks = by_hash(entity(known, pipeline), pipeline.split.holdout_share, pipeline.name)
        train, holdout = known.loc[masks[0]], known.loc[masks[1]]
    for part, frame in (("train", train), ("holdout", holdout)):
        if frame.empty:
            raise dg.Failure(
                f"{pipeline.name}/splits has no labelled {part} rows as of {partition} "
                f"({len(rows):,} rows, {unlabelled:,} without a label). "
                "Materialize earlier partitions, or wait for labels.",
                allow_retries=False,
            )
    return _Parts(method, trained_on, missing, unlabelled, train, holdout)


def store_split(
    pipeline: MLPipeline, store: Store, train: pd.DataFrame, holdout: pd.DataFrame
) -> Dataset:
    """Rows of ``features`` as the dataset of a training job."""
    order = [*([pipeline.event_time] if pipeline.event_time else []), *pipeline.entity_key]
    train = train.sort_values(order, kind="stable")
    return write_dataset(
        store.open(),
        store.uri("datasets", pipeline.name),
        {
            "train": train[[*pipeline.feature_columns, pipeline.label.column]],
            "holdout": holdout[list(pipeline.feature_schema.to_schema().columns)],
        },
    )


def labelled(frame: pd.DataFrame, pipeline: MLPipeline) -> tuple[pd.DataFrame, int]:
    """The rows that have a label, and how many have none."""
    has_label = frame[pipeline.label.column].notna()
    return frame.loc[has_label].reset_index(drop=True), int((~has_label).sum())


def entity(frame: pd.DataFrame, pipeline: MLPipeline) -> pd.Series:
    """What each row is of: the entity key as one text."""
    parts = [frame[column].astype(str) for column in pipeline.entity_key]
    return parts[0].str.cat(parts[1:], sep="\x1f") if len(parts) > 1 else parts[0]


def _overlap(pipeline: MLPipeline, train: pd.DataFrame, holdout: pd.DataFrame) -> Verdict:
    shared = int(entity(holdout, pipeline).isin(entity(train, pipeline)).sum())
    if shared:
        return Verdict(False, f"{shared:,} holdout rows have their entity in train")
    if pipeline.event_time:
        last, first = train[pipeline.event_time].max(), holdout[pipeline.event_time].min()
        return Verdict(last < first, f"training ends {last}, holdout begins {first}")
    return Verdict(True, "no entity is in both")


def _window_verdict(record: SplitRecord) -> Verdict:
    if not record.missing_partitions:
        return Verdict(True, f"trained on {', '.join(record.train_partitions)}")
    return Verdict(
        False,
        f"features of {', '.join(record.missing_partitions)} are not in the lake: the model is "
        "trained on less than declared. Materialize them, then this partition again",
    )
