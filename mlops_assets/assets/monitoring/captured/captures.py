"""Station ``captures``: what the endpoint was asked and what it answered, as rows of the lake.

Here: the asset, its page and checks, and what of a declaration decides how captured files are read.
Not here: reading them (`resources.monitoring.captured_files`), what the answers are worth
(`performance`), whether their features were right (`skew`).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.preview import facts, sample, table
from mlops_assets.assets.station import check, key
from mlops_assets.checks.results import Verdict, warning
from mlops_assets.ml.artifact.spec import FeatureSpec
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring import captured_files
from mlops_assets.resources.monitoring.capture_stage import Capturing, Staged, read_partition
from mlops_assets.resources.monitoring.captured_files import Refreshed
from mlops_assets.resources.monitoring.tables import ANSWERED, check_names
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.session import SageMakerResource

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

NAME = "captures"
REFUSED = "captures_refused"


def capturing(
    pipeline: MLPipeline, store: Store, sagemaker: SageMakerResource | None = None
) -> Capturing:
    """How the pipeline's captured files are read.

    Args:
        sagemaker: asked which order a model's columns have, for requests that do not name them;
            without it these are refused.
    """

    def spec_of(version: int) -> FeatureSpec | None:
        if sagemaker is None or not version:
            return None
        return _spec(store, sagemaker, f"{pipeline.slug}/{version}")

    return Capturing(
        captures_uri=store.uri("captures", pipeline.name),
        staged_uri=store.uri("captured", pipeline.name),
        endpoint=pipeline.slug,
        features=feature_dtypes(pipeline),
        answers=pipeline.label.answers,
        partition_of=pipeline.partitions.containing,
        spec_of=spec_of,
    )


def refresh(
    pipeline: MLPipeline, store: Store, sagemaker: SageMakerResource | None = None
) -> Refreshed:
    """Read what was captured since the last time; which partitions have news of it."""
    return captured_files.refresh(store.open(), capturing(pipeline, store, sagemaker))


def feature_dtypes(pipeline: MLPipeline) -> dict[str, str]:
    """{feature: dtype of the feature schema}."""
    columns = pipeline.feature_schema.to_schema().columns
    return {name: str(columns[name].dtype) for name in pipeline.feature_columns}


@lru_cache(maxsize=64)
def _spec(store: Store, sagemaker: SageMakerResource, package: str) -> FeatureSpec | None:
    """features.json of a registered model; None where model or file are gone."""
    try:
        artifact = registry.describe(sagemaker.client(), package).model_data_url
        with fetch(store, artifact) as model:
            return FeatureSpec.from_json((model / "features.json").read_bytes())
    except (registry.RegistryError, OSError, ValueError):
        return None


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    check_names(feature_dtypes(pipeline), pipeline.label.answers)

    @monitoring_station(
        pipeline,
        NAME,
        description=(
            "Captured requests with their answers, one row an event, by when the event happens. "
            f"What cannot be read is in {pipeline.table(REFUSED)}, with the reason."
        ),
        kinds={"sagemaker", "iceberg"},
        code_version=pipeline.code_version(captured_files.refresh, pipeline.feature_columns),
        deps=[key(pipeline, "endpoint")],
        io_manager_key="lake_io",
        dagster_type=dg.Any,
        checks=[
            check(pipeline, NAME, "decoded", "Every captured record can be read."),
            check(
                pipeline,
                NAME,
                "capture_gap",
                "Rows of features were asked about, but for the share that may be missing.",
            ),
        ],
    )
    def captures(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> dg.MaterializeResult:
        read = refresh(pipeline, store, sagemaker)
        context.log.info(f"{read.files:,} new files read, {read.waiting} not complete yet")
        decoded, gap, found = {}, {}, {}
        for partition in context.partition_keys:
            staged = read_partition(store.open(), capturing(pipeline, store), partition)
            lake.open().write(pipeline.table(REFUSED), partition, staged.refused)
            found[partition] = staged
            decoded[partition] = _decoded(staged)
            gap[partition] = capture_gap(pipeline, lake.open(), partition, staged.events)
        return dg.MaterializeResult(
            value={partition: staged.events for partition, staged in found.items()},
            metadata=_page(pipeline, found[context.partition_keys[-1]], read),
            check_results=[warning("decoded", decoded), warning("capture_gap", gap)],
        )

    return captures


def capture_gap(
    pipeline: MLPipeline, lake: "Lake", partition: str, events: pd.DataFrame
) -> Verdict:
    """Whether the rows of ``features`` were asked about, as far as they are captured at all."""
    name = pipeline.table("features")
    if not lake.exists(name) or partition not in lake.partitions(name):
        return Verdict(True, f"unknown: {name}[{partition}] is not in the lake to compare with")
    rows = lake.read(name, [partition], columns=list(pipeline.entity_key))
    if rows.empty:
        return Verdict(True, "unknown: there are no rows to ask about")
    asked = set(events.loc[events["variant"].isin(ANSWERED), "event_id"])
    share = 1 - event_id(pipeline, rows).isin(asked).mean()
    # What capture leaves out by chance is no gap.
    captured = pipeline.endpoint.capture_share
    bound = 1 - captured * (1 - pipeline.monitors.performance.capture_gap)
    words = f"{100 * share:.1f} % of {len(rows):,} rows have no captured answer"
    words += f" (bound {100 * bound:.1f} %, of every request {100 * captured:g} % is captured)"
    if share <= bound:
        return Verdict(True, words)
    return Verdict(
        False,
        f"{words}. Either nobody asked, or InferenceId is not the event's id: "
        f"{pipeline.name} needs {'/'.join(pipeline.entity_key)}",
    )


def _decoded(staged: Staged) -> Verdict:
    refused = staged.refused
    if refused.empty:
        return Verdict(True, f"{len(staged.events):,} events, no record refused")
    reasons = refused["reason"].value_counts()
    return Verdict(
        False,
        f"{len(refused):,} records could not be read, most: {reasons.index[0]}",
        {"reasons": table(reasons.rename_axis("reason").rename("records").reset_index())},
    )


def _page(pipeline: MLPipeline, staged: Staged, read: Refreshed) -> dict[str, Any]:
    events = staged.events
    shown: dict[str, Any] = {
        "accepted": len(events),
        "refused": len(staged.refused),
        "probes": staged.probes,
        "files": facts({"new": read.files, "not complete yet": read.waiting}),
    }
    if len(events):
        by = events.groupby(["version", "variant"], as_index=False).agg(
            events=("event_id", "size"), mean_prediction=("prediction", "mean")
        )
        shown["by version and variant"] = table(by)
        hidden = (*pipeline.personal, "capture_file", "capture_line")
        shown["sample"] = sample(events, hide=hidden)
    return shown
