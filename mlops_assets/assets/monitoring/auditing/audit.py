"""Station ``audit``: what no gate asks of a model and its data, asked of every one.

Does each feature help, and is it worth what it costs; is every slice answered well enough; do
extreme inputs get finite answers; is each feature allowed, and nothing personal where it must not
be? Here: the asset and its page. Not here: the arithmetic (`ml`), the questions about the data's
use (`audit_use`).
"""

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import pandas as pd

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.auditing import audit_use
from mlops_assets.assets.monitoring.auditing.audit_model import Audit, examine
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.preview import image, table
from mlops_assets.assets.records import ModelRecord, SplitRecord
from mlops_assets.assets.station import check, key
from mlops_assets.checks.results import Verdict, warning
from mlops_assets.ml import audit_plots
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import read_split
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

NAME = "audit"
CHECKS = {
    "features_help": "Held-out rows are answered worse without any of the features.",
    "feature_cost": "A feature that is mostly missing helps at least.",
    "slices": "Each declared slice is answered better than by its own mean.",
    "numerically_stable": "NaN, infinite and extreme inputs get finite answers or a refusal.",
    "allowed_features": "Features hold neither label, key, personal columns nor what comes late.",
    "privacy": "What is personal is declared, and its values are where they may be only.",
}


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @monitoring_station(
        pipeline,
        NAME,
        description=(
            "What no gate asks: whether each feature helps, slices, numerical stability, what "
            "data may be used for."
        ),
        kinds={"onnx"},
        code_version=pipeline.code_version(
            examine, audit_use.privacy, pipeline.evaluation, pipeline.personal
        ),
        deps=[key(pipeline, "model"), key(pipeline, "splits"), key(pipeline, "quarantine")],
        checks=[check(pipeline, NAME, name, words) for name, words in CHECKS.items()],
    )
    def audit(
        context: dg.AssetExecutionContext, store: Store, lake: LakeResource
    ) -> dg.MaterializeResult:
        verdicts: dict[str, dict[str, Verdict]] = {name: {} for name in CHECKS}
        for partition in context.partition_keys:
            found, given = _audit(pipeline, store, lake.open(), partition)
            for name, verdict in given.items():
                verdicts[name][partition] = verdict
            context.log.info(f"{partition}: {len(found.benefits)} groups of features looked at")
        return dg.MaterializeResult(
            metadata=_show(found),
            check_results=[warning(name, those) for name, those in verdicts.items()],
        )

    return audit


def _audit(
    pipeline: MLPipeline, store: Store, lake: "Lake", partition: str
) -> tuple[Audit, dict[str, Verdict]]:
    split = store.load(SplitRecord, pipeline.name, "splits", partition)
    model = store.load(ModelRecord, pipeline.name, "model", partition)
    holdout = read_split(store.open(), split.dataset_uri, "holdout")
    # Imported here: loading the code location needs no ONNX Runtime.
    from mlops_assets.ml.artifact.load import Artifact

    with fetch(store, model.artifact_uri) as directory:
        artifact = Artifact.load(directory)
        found = examine(pipeline, artifact, holdout)
        taken = [column.name for column in artifact.spec.columns]
    return found, {
        "features_help": _help(found),
        "feature_cost": _cost(found),
        "slices": _slices(pipeline, found),
        "numerically_stable": _stable(found),
        "allowed_features": audit_use.allowed(pipeline, taken),
        "privacy": audit_use.privacy(
            pipeline,
            lake,
            partition,
            datasets={
                "held-out rows": list(holdout.columns),
                "training rows": list(read_split(store.open(), split.dataset_uri, "train").columns),
            },
        ),
    }


def _help(found: Audit) -> Verdict:
    useless = [benefit.group for benefit in found.benefits if not benefit.helps]
    whole = len(found.benefits)
    if useless:
        named = ", ".join(useless)
        return Verdict(
            False,
            f"{len(useless)} of {whole} groups are not shown to help on {found.rows:,} rows: "
            f"{named}. Take them out, or hold out more rows",
        )
    return Verdict(True, f"each of {whole} groups of features helps on {found.rows:,} rows")


def _cost(found: Audit) -> Verdict:
    helping = {name for benefit in found.benefits if benefit.helps for name in benefit.features}
    costly = [n for n, share in found.missing.items() if share > 0.5 and n not in helping]
    words = f"one row is answered in {found.one_row_ms:.2g} ms"
    if costly:
        return Verdict(False, f"mostly missing and no help: {', '.join(costly)}; {words}")
    worst = max(found.missing, key=lambda name: found.missing[name])
    return Verdict(True, f"most often missing: {worst} ({found.missing[worst]:.0%}); {words}")


def _slices(pipeline: MLPipeline, found: Audit) -> Verdict:
    if not pipeline.evaluation.slices:
        return Verdict(False, "no slices are declared: name columns in evaluation.slices")
    if not found.slices:
        return Verdict(False, f"no slice has {pipeline.evaluation.slice_rows:,} held-out rows")
    weak = [s for s in found.slices if not s.sufficient]
    if weak:
        named = ", ".join(
            f"{s.column} = {s.value} ({s.gain:+.4f} [{s.low:+.4f}, {s.high:+.4f}], {s.rows:,} rows)"
            for s in weak
        )
        return Verdict(False, f"not shown to be better than their own mean: {named}")
    least = min(found.slices, key=lambda s: s.low)
    return Verdict(
        True,
        f"{len(found.slices)} slices; the least gain is {least.gain:.4f} "
        f"[{least.low:.4f}, {least.high:.4f}] at {least.column} = {least.value}",
    )


def _stable(found: Audit) -> Verdict:
    if found.unstable:
        return Verdict(False, f"no finite answer to {', '.join(found.unstable[:10])}")
    return Verdict(True, f"{found.edge_cases:,} extreme inputs, all answered or refused")


def _show(found: Audit) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {
        "benefit": image(
            audit_plots.benefits(
                [b.group if len(b.features) == 1 else f"{b.group} + {len(b.features) - 1}"
                 for b in found.benefits],
                np.array([[b.low, b.value, b.high] for b in found.benefits]),
                found.metric,
            ),
            "benefit of the features",
        ),
    }  # fmt: skip
    joint = [b for b in found.benefits if len(b.features) > 1]
    if joint:
        shown["groups"] = table(
            pd.DataFrame(
                {
                    "group": [b.group for b in joint],
                    "stand in for each other": [", ".join(b.features) for b in joint],
                }
            )
        )
    if found.slices:
        shown["slices"] = table(
            pd.DataFrame(
                {
                    "slice": [f"{s.column} = {s.value}" for s in found.slices],
                    "rows": [s.rows for s in found.slices],
                    "gain over its mean": [f"{s.gain:.4f}" for s in found.slices],
                    "95 %": [f"{s.low:.4f} to {s.high:.4f}" for s in found.slices],
                }
            )
        )
    return shown
