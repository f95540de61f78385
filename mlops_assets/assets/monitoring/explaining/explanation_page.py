"""What people see of ``explanation``: a verdict, a table, pictures; and Clarify's files.

Here: a record in words, pictures and Clarify's JSON. Not here: explaining (`explanation_making`).
"""

import json
from typing import Any

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.explaining.explanation_making import Made
from mlops_assets.assets.monitoring.explaining.records import Attributions, ExplanationRecord
from mlops_assets.assets.preview import image, table
from mlops_assets.checks.results import Verdict
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store

_SOURCES = {"captures": "captured answers", "features": "feature rows", "none": "no rows"}


def verdict(record: ExplanationRecord) -> Verdict:
    score = "" if record.ndcg is None else f" (NDCG {record.ndcg:.3f}, needs 0.9)"
    return Verdict(record.status == "healthy", f"{record.status}: {record.words}{score}")


def page(pipeline: MLPipeline, made: Made) -> dict[str, Any]:
    """The metadata of the newest partition of a run."""
    record = made.record
    shown: dict[str, Any] = {
        "status": record.status,
        "words": record.words,
        "model": record.package_arn or "none",
    }
    if record.now is None or record.training is None or not made.explained:
        return shown
    from mlops_assets.ml.explanation import plots
    from mlops_assets.ml.explanation.explained import most_answered

    shown["explained"] = f"{record.now.rows:,} {_SOURCES[record.source]}, in {record.now.space}"
    if record.ndcg is not None:
        shown["NDCG"] = dg.MetadataValue.float(round(record.ndcg, 4))
    names = list(record.now.importance)
    shown["mean |SHAP|"] = table(
        pd.DataFrame(
            {
                "feature": names,
                "now": [f"{record.now.importance[n]:.4f}" for n in names],
                "in training": [f"{record.training.importance.get(n, 0.0):.4f}" for n in names],
            }
        )
    )
    # Of several classes, those of the one that was answered most.
    drawn = made.explained[most_answered(made.explained)]
    shown["values"] = image(
        plots.swarm(drawn, made.rows, personal=pipeline.personal),
        f"SHAP values of {drawn.label}" if drawn.label else "SHAP values",
    )
    if record.now.by_class:
        shown["by class"] = image(plots.by_class(record.now.by_class), "mean |SHAP| by class")
    shown["attribution"] = image(
        plots.attributions(record.now.importance, record.training.importance), "attribution"
    )
    if made.curves:
        shown["dependence"] = image(plots.dependences(made.curves), "partial dependence")
    return shown


def keep(pipeline: MLPipeline, store: Store, made: Made) -> str:
    """Write Clarify's files beside each other; returns the URI of analysis.json."""
    from mlops_assets.ml.explanation.attribution import analysis, violations

    record, label = made.record, pipeline.label.column
    below = ("monitoring", pipeline.name, "explanation", record.partition)
    files = {
        "analysis.json": analysis(_told(label, record.now), made.curves),
        "constraint_violations.json": violations(
            label, record.ndcg if record.status == "warning" else None
        ),
    }
    for name, content in files.items():
        store.open().write(store.uri(*below, name), json.dumps(content, indent=2).encode())
    return store.uri(*below, "analysis.json")


def _told(label: str, now: Attributions | None) -> dict[str, tuple[dict[str, float], float]]:
    """Importances and base as Clarify writes them: by class where there are several."""
    if now is None:
        return {label: ({}, 0.0)}
    if now.by_class:
        return {name: (sizes, now.bases[name]) for name, sizes in now.by_class.items()}
    return {label: (now.importance, now.base)}
