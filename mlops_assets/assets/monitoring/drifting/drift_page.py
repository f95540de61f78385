"""What people see of ``drift``: verdicts, a table in words, pictures; and SageMaker's files.

Here: a judged partition in words, pictures and JSON. Not here: judging (`drift_judging`).
"""

import json
from typing import Any

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.drifting.drift_judging import Judged, broken, harms
from mlops_assets.assets.monitoring.drifting.records import DriftRecord, Finding
from mlops_assets.assets.preview import image, table
from mlops_assets.checks.results import Verdict
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store

_PICTURES = 2


def quality(record: DriftRecord) -> Verdict:
    """Whether the data are whole, as far as they can be told from a changed world."""
    found = broken(record.findings)
    if not found:
        return Verdict(True, "no broken data found")
    return Verdict(False, _sentence(found))


def severity(record: DriftRecord) -> dg.AssetCheckSeverity:
    """An error where the model is fed broken values; nothing is blocked by it."""
    harmed = any(harms(finding) for finding in record.findings)
    return dg.AssetCheckSeverity.ERROR if harmed else dg.AssetCheckSeverity.WARN


def moved(record: DriftRecord) -> Verdict:
    """Whether the world changed."""
    if record.baseline_kind == "none":
        return Verdict(False, record.baseline)
    found = [f for f in record.findings if f not in broken(record.findings)]
    if not found:
        return Verdict(True, f"as in {record.baseline}")
    weight = ""
    if record.matters is not None:
        weight = f"{record.matters:.0%} of the model's importance lies on changed columns. "
    return Verdict(False, weight + _sentence(found))


def _sentence(findings: list[Finding], most: int = 5) -> str:
    ranked = sorted(findings, key=lambda f: -(f.importance or 0.0))
    shown = "; ".join(f"{f.column}: {f.words}" if f.column else f.words for f in ranked[:most])
    return shown + (f"; and {len(ranked) - most} more" if len(ranked) > most else "")


def page(pipeline: MLPipeline, judged: Judged) -> dict[str, Any]:
    """The metadata of the newest partition of a run."""
    matters, personal = pipeline.monitors.drift.matters, pipeline.personal
    record = judged.record
    shown: dict[str, Any] = {
        "status": record.status,
        "against": record.baseline,
        "findings": _findings(record, matters),
    }
    if record.matters is not None:
        shown["matters"] = dg.MetadataValue.float(round(record.matters, 4))
    if judged.report is None or judged.baseline is None:
        return shown
    from mlops_assets.ml.drift import plots

    shown["change by column"] = image(plots.strength(judged.report.measures), "change by column")
    ranked = sorted(record.findings, key=lambda f: (-(f.importance or 0.0), -(f.effect or 0.0)))
    columns = dict.fromkeys(f.column for f in ranked if f.column in judged.baseline.columns)
    for name in [c for c in columns if c not in personal][:_PICTURES]:
        shown[f"plot of {name}"] = image(
            plots.column(str(name), judged.window, judged.baseline), str(name)
        )
    if record.season_effects:
        shown["same season"] = _seasons(record)
    return shown


def _findings(record: DriftRecord, matters: float) -> dg.MarkdownMetadataValue:
    ranked = sorted(record.findings, key=lambda f: (-(f.importance or 0.0), -(f.effect or 0.0)))
    return table(
        pd.DataFrame(
            [
                {
                    "what": f.words,
                    "column": f.column or "all rows",
                    "kind": f.kind.replace("_", " "),
                    "weight": _weight(f, matters),
                    "effect": "" if f.effect is None else f"{f.effect:.3f}",
                    "bound": "" if f.threshold is None else f"{f.threshold:.3f}",
                }
                for f in ranked
            ]
        ),
        longest=160,
    )


def _weight(finding: Finding, matters: float) -> str:
    if finding.importance is None:
        return ""
    word = "matters" if finding.importance >= matters else "moved"
    return f"{word}, {finding.importance:.1%}"


def _seasons(record: DriftRecord) -> dg.MarkdownMetadataValue:
    ranked = sorted(record.effects, key=lambda name: -record.effects[name])
    return table(
        pd.DataFrame(
            {
                "column": ranked,
                "against the baseline": [f"{record.effects[n]:.3f}" for n in ranked],
                "against the same season": [
                    f"{record.season_effects.get(n, 0.0):.3f}" for n in ranked
                ],
            }
        )
    )


def keep(pipeline: MLPipeline, store: Store, judged: Judged) -> str | None:
    """Write constraints.json and constraint_violations.json; returns the latter's URI."""
    if judged.baseline is None or judged.report is None:
        return None
    from mlops_assets.ml.drift.constraints import constraints, violations

    columns = pipeline.feature_columns
    told = {
        "constraints.json": constraints(judged.baseline, pipeline.monitors.drift, columns=columns),
        "constraint_violations.json": violations(
            judged.report.findings, judged.window, judged.baseline
        ),
    }
    uri = ""
    for name, content in told.items():
        uri = store.uri("monitoring", pipeline.name, "drift", judged.record.partition, name)
        store.open().write(uri, json.dumps(content, indent=2).encode())
    return uri
