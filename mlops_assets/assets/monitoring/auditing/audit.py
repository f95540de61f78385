"""Station ``audit``: what no gate asks of a model and its data, asked of every one.

Does each feature help, and is it worth what it costs; is every slice answered well enough; do
extreme inputs get finite answers; is each feature allowed, and nothing personal where it must not
be? Here: the asset. Not here: the arithmetic (`ml`), what is made of the figures
(`audit_verdicts`, `audit_page`), the questions about the data's use (`audit_use`).
"""

from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.auditing import audit_page, audit_use, audit_verdicts
from mlops_assets.assets.monitoring.auditing.audit_model import Audit, examine
from mlops_assets.assets.monitoring.auditing.evidence import Evidence, recorded
from mlops_assets.assets.monitoring.auditing.records import AuditRecord
from mlops_assets.assets.monitoring.reporting.histories import histories
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.records import ModelRecord, SplitRecord
from mlops_assets.assets.station import check, key
from mlops_assets.checks.results import Verdict, warning
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import read_split
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

NAME = "audit"
CHECKS = {
    "features_help": "Held-out rows, of all partitions audited, are answered worse without any.",
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
            found, evidence, given = _audit(pipeline, store, lake.open(), partition)
            for name, verdict in given.items():
                verdicts[name][partition] = verdict
            context.log.info(f"{partition}: {len(found.benefits)} groups of features looked at")
        return dg.MaterializeResult(
            metadata=audit_page.show(found, evidence),
            check_results=[warning(name, those) for name, those in verdicts.items()],
        )

    return audit


def _audit(
    pipeline: MLPipeline, store: Store, lake: "Lake", partition: str
) -> tuple[Audit, Evidence, dict[str, Verdict]]:
    split = store.load(SplitRecord, pipeline.name, "splits", partition)
    model = store.load(ModelRecord, pipeline.name, "model", partition)
    holdout = read_split(store.open(), split.dataset_uri, "holdout")
    # Imported here: loading the code location needs no ONNX Runtime.
    from mlops_assets.ml.artifact.load import Artifact

    with fetch(store, model.artifact_uri) as directory:
        artifact = Artifact.load(directory)
        found = examine(pipeline, artifact, holdout)
        taken = [column.name for column in artifact.spec.columns]
    evidence = _kept(pipeline, store, recorded(found, partition, model.artifact_digest))
    return (
        found,
        evidence,
        {
            "features_help": audit_verdicts.features_help(evidence),
            "feature_cost": audit_verdicts.feature_cost(found, evidence),
            "slices": audit_verdicts.slices(pipeline, evidence),
            "numerically_stable": audit_verdicts.numerically_stable(found),
            "allowed_features": audit_use.allowed(pipeline, taken),
            "privacy": audit_use.privacy(
                pipeline,
                lake,
                partition,
                datasets={
                    "held-out rows": list(holdout.columns),
                    "training rows": list(
                        read_split(store.open(), split.dataset_uri, "train").columns
                    ),
                },
            ),
        },
    )


def _kept(pipeline: MLPipeline, store: Store, record: AuditRecord) -> Evidence:
    """Keep what was found of one partition, and read it with that of the others."""
    store.save(pipeline.name, NAME, record.partition, record)
    others = histories(store, AuditRecord, pipeline.name, NAME)
    return Evidence(record, tuple(kept.record for kept in others.values()))
