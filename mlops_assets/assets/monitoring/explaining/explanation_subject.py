"""Whose answers a partition got: the model that bias and explanation are told of.

Here: finding the model package, its rows of a partition, its artifact, and what stations that read
them depend on. Not here: any measurement.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.assets.monitoring.captured.labelled import labelled, last_answers
from mlops_assets.assets.station import key
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

if TYPE_CHECKING:
    from mlops_assets.ml.artifact.load import Artifact
    from mlops_assets.resources.lake.core import Lake


@dataclass(frozen=True)
class Subject:
    """A model and what it answered in a partition.

    Args:
        package: of the version that answered most events, else of the champion; None where the
            pipeline has no model yet.
        rows: its answers with their labels, as `labelled` gives them, one row an event.
        others: answers of other versions, which are left out.
    """

    package: ModelPackage | None
    rows: pd.DataFrame
    others: int


def subject(client: Any, pipeline: MLPipeline, lake: "Lake", partition: str) -> Subject:
    """The model that gave most of a partition's captured answers, and these."""
    rows = last_answers(labelled(pipeline, lake, partition))
    rows = rows.loc[rows["prediction"].notna()].reset_index(drop=True)
    rows = completed(pipeline, lake, partition, rows)
    for version in rows["version"].value_counts().index:
        package = find(client, pipeline, int(version))
        if package is not None:
            mine = rows.loc[rows["version"] == version].reset_index(drop=True)
            return Subject(package, mine, len(rows) - len(mine))
    arn = serving_package(client, pipeline.slug)
    package = registry.describe(client, arn) if arn else None
    return Subject(package, rows.head(0), len(rows))


def completed(
    pipeline: MLPipeline, lake: "Lake", partition: str, rows: pd.DataFrame
) -> pd.DataFrame:
    """Captured rows with what the endpoint read from the online store itself, as far as
    ``features`` know it: callers do not send it, and so it was not captured."""
    online = pipeline.endpoint.online
    if online is None or rows.empty:
        return rows
    stored = features_of(pipeline, lake, partition)
    stored = stored.assign(event_id=event_id(pipeline, stored)) if len(stored) else stored
    if stored.empty:
        return rows
    stored = stored.drop_duplicates("event_id", keep="last").set_index("event_id")
    mine = stored.reindex(rows["event_id"]).set_axis(rows.index)
    return rows.assign(
        **{c: rows[c].where(rows[c].notna(), mine[c]) for c in online.columns if c in rows}
    )


def find(client: Any, pipeline: MLPipeline, version: int) -> ModelPackage | None:
    """A version of the pipeline's group; None where the registry knows no such."""
    newest = registry.latest(client, pipeline.slug, status=None)
    if newest is None:
        return None
    try:
        return registry.describe(client, f"{newest.arn.rpartition('/')[0]}/{version}")
    except registry.RegistryError:
        return None


def answered(pipeline: MLPipeline) -> list[dg.AssetDep | dg.AssetKey]:
    """What a station depends on that reads a partition's rows and answers: with answers captured,
    also these and the labels that come later; else the endpoint, whose model it asks itself."""
    if pipeline.endpoint.capture_share <= 0:
        return [key(pipeline, "features"), key(pipeline, "endpoint")]
    labels = pipeline.partitions.mapping(
        lookback=pipeline.horizon, ahead=pipeline.monitors.performance.labels_within
    )
    return [
        key(pipeline, "features"),
        key(pipeline, "captures"),
        dg.AssetDep(key(pipeline, "ground_truth"), partition_mapping=labels),
    ]


def features_of(pipeline: MLPipeline, lake: "Lake", partition: str) -> pd.DataFrame:
    """The rows of ``features[partition]``; none where there are none."""
    table = pipeline.table("features")
    if lake.partition_snapshot(table, partition) is None:
        return pd.DataFrame(columns=list(pipeline.feature_schema.to_schema().columns))
    return lake.read(table, [partition])


@contextmanager
def opened(store: Store, package: ModelPackage) -> "Iterator[tuple[Path, Artifact]]":
    """The package's artifact and the directory where it lies, as long as it is needed."""
    # Imported here: loading the code location needs no ONNX Runtime.
    from mlops_assets.ml.artifact.load import Artifact

    with fetch(store, package.model_data_url) as directory:
        yield directory, Artifact.load(directory)


def spread(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """At most so many rows of a frame, evenly spread over it."""
    if len(frame) <= rows:
        return frame.reset_index(drop=True)
    places = [round(i * (len(frame) - 1) / max(rows - 1, 1)) for i in range(rows)]
    return frame.iloc[places].reset_index(drop=True)
