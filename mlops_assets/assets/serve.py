"""From a pipeline's declaration and records to what a rollout needs: the endpoint, the rows.

Here: what the station ``endpoint`` and the commands that deploy share. Not here: the rollout itself
(`resources.sagemaker.rollout`), what people see of it (`rollout_page`).
"""

import dataclasses

import numpy as np
import pandas as pd

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.records import SplitRecord
from mlops_assets.ml.artifact.spec import FeatureSpec
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import read_split
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec
from mlops_assets.resources.sagemaker.hosting.payload import json_rows
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.rollout.rollout import HeldOut
from mlops_assets.resources.sagemaker.rollout.rollout_verdict import Expected
from mlops_assets.rollouts import Rollout

_ROWS = 2000


def endpoint_spec(
    pipeline: MLPipeline,
    store: Store,
    placement: Placement,
    package_arn: str,
    *,
    rollout: Rollout | None = None,
    champion_arn: str | None = None,
) -> EndpointSpec:
    """The pipeline's endpoint with this package, by the declared policy or by another.

    Args:
        champion_arn: the package that may answer beside this one during the rollout.
    """
    declared = pipeline.endpoint
    if rollout is not None:
        declared = dataclasses.replace(declared, rollout=rollout)
    return EndpointSpec(
        name=pipeline.slug,
        package_arn=package_arn,
        declared=declared,
        capture_uri=_capture_uri(pipeline, store, package_arn),
        shared_capture_uri=champion_arn
        and _capture_uri(pipeline, store, champion_arn, package_arn),
        output_uri=store.uri("answers", pipeline.name),
        online=_online(pipeline),
        placement=placement,
        tags={"mlops:pipeline": pipeline.name, "mlops:asset": "endpoint"},
    )


def _capture_uri(pipeline: MLPipeline, store: Store, *package_arns: str) -> str:
    """Where captures go: by version, so that each answer tells which model gave it.

    ``v4``; ``v3-v4`` where version 3 answers and 4 is its shadow or challenger
    (`resources.monitoring.capture_listing` reads it).
    """
    versions = "-".join(f"v{arn.rpartition('/')[2]}" for arn in package_arns)
    return store.uri("captures", pipeline.name, versions)


def _online(pipeline: MLPipeline) -> dict[str, object] | None:
    """What the container must know to read features by itself."""
    online = pipeline.endpoint.online
    if online is None:
        return None
    return {
        "group": pipeline.slug,
        "key": list(pipeline.entity_key),
        "columns": list(online.columns),
        "max_age_s": online.max_age_s,
    }


def held_out(
    pipeline: MLPipeline, store: Store, package: ModelPackage, champion: ModelPackage | None = None
) -> HeldOut:
    """Rows that the package's model was not trained on, spread over its own split.

    The split is the one that the package was registered with, whatever was split since. None of
    them where the endpoint is asynchronous: it takes objects, and is judged by its metrics alone.

    Args:
        champion: what serves, and is asked the same rows: what it wants to be told beyond what the
            split holds, such as a feature that was dropped since, is unknown in each.
    """
    frame = _holdout(pipeline, store, package)
    if pipeline.endpoint.asynchronous:
        frame = frame.head(0)
    places = np.unique(np.linspace(0, len(frame) - 1, min(_ROWS, len(frame))).astype(int))
    rows = frame.iloc[places]
    truth = rows[pipeline.label.column].to_numpy(float)
    metric = pipeline.evaluation.primary
    probable = pipeline.label.kind != "regression"
    spread = float(np.std(truth)) if len(truth) else 1.0
    columns = _asked_for(pipeline, store, package, champion)
    return HeldOut(
        rows=json_rows(rows.reindex(columns=columns), columns),
        expected=Expected(metric, package.metrics.get(metric), len(frame), truth),
        scale=1.0 if probable else spread or 1.0,
        unit="in probability" if probable else "standard deviations of the label",
    )


def _asked_for(pipeline: MLPipeline, store: Store, *packages: ModelPackage | None) -> list[str]:
    """What these models ask for, by their own schemas; a declaration may be another by now."""
    names: dict[str, None] = {}
    for package in packages:
        if package is None:
            continue
        try:
            with fetch(store, package.model_data_url) as model:
                spec = FeatureSpec.from_json((model / "features.json").read_bytes())
        except (OSError, ValueError):
            # Gone, or not ours: the rollout tells what is wrong with it.
            names |= dict.fromkeys(pipeline.feature_columns)
        else:
            names |= dict.fromkeys(spec.names)
    return list(names)


def _holdout(pipeline: MLPipeline, store: Store, package: ModelPackage) -> pd.DataFrame:
    uri = package.lineage.get("dataset_uri")
    if uri is None:
        try:
            as_of = package.lineage.get("as_of", "")
            uri = store.load(SplitRecord, pipeline.name, "splits", as_of).dataset_uri
        except RecordNotFound as error:
            raise RecordNotFound(
                f"{package.arn} names no dataset, and its split is gone: {error}"
            ) from None
    return read_split(store.open(), uri, "holdout")
