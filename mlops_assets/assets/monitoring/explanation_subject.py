"""Whose answers a partition got: the model that bias and explanation are told of.

Here: finding the model package, its rows of a partition, its artifact. Not here: any measurement.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.labelled import labelled, last_answers
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
    for version in rows["version"].value_counts().index:
        package = find(client, pipeline, int(version))
        if package is not None:
            mine = rows.loc[rows["version"] == version].reset_index(drop=True)
            return Subject(package, mine, len(rows) - len(mine))
    arn = serving_package(client, pipeline.slug)
    package = registry.describe(client, arn) if arn else None
    return Subject(package, rows.head(0), len(rows))


def find(client: Any, pipeline: MLPipeline, version: int) -> ModelPackage | None:
    """A version of the pipeline's group; None where the registry knows no such."""
    newest = registry.latest(client, pipeline.slug, status=None)
    if newest is None:
        return None
    try:
        return registry.describe(client, f"{newest.arn.rpartition('/')[0]}/{version}")
    except registry.RegistryError:
        return None


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
