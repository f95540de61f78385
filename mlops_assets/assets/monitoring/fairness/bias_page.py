"""What people see of ``bias``: verdicts of its checks, tables, a plot; and Clarify's files.

Here: a record in words, pictures and Clarify's JSON. Not here: judging (`bias_judging`).
"""

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.fairness.bias_judging import WORDS, shown
from mlops_assets.assets.monitoring.fairness.records import BiasFacet, BiasFigure, BiasRecord
from mlops_assets.assets.monitoring.records import Line
from mlops_assets.assets.preview import image, table
from mlops_assets.checks.results import Verdict
from mlops_assets.ml.bias import clarify, plots
from mlops_assets.ml.bias.flip import DESCRIPTION
from mlops_assets.ml.bias.measured import Measured, Worse
from mlops_assets.ml.bias.metrics import FLIP_TEST, POST_TRAINING, PRE_TRAINING
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store

_DRIFT = " drift"


def verdicts(record: BiasRecord) -> dict[str, Verdict]:
    """Each check's verdict, by its name."""
    drift = [line for line in record.lines if line.name.endswith(_DRIFT)]
    gates = [line for line in record.lines if line not in drift]
    return {
        "bias": _verdict(gates)
        if gates
        else Verdict(True, "no gates are declared: the figures are shown, nothing is judged"),
        "bias_drift": _verdict(drift),
    }


def _verdict(lines: Sequence[Line]) -> Verdict:
    bad = [line for line in lines if line.status != "healthy"]
    words = "; ".join(
        f"{line.status}: {line.name} {line.figure} (needs {line.bound})" for line in bad or lines
    )
    return Verdict(not bad, words)


def page(record: BiasRecord) -> dict[str, Any]:
    """The metadata of the newest partition of a run."""
    told: dict[str, Any] = {
        "status": record.status,
        "words": record.words,
        "model": record.package_arn or "none",
        "positive means": record.positive,
    }
    for facet in record.facets:
        name = f"{facet.column}: {facet.value}"
        told[f"labels by {facet.column}"] = _table(facet, ("training", "partition"))
        told[f"answers by {facet.column}"] = _table(facet, ("held_out", "served"))
        sides = {
            WORDS[side]: _measured(figures)
            for side in ("held_out", "served")
            if (figures := getattr(facet, side))
        }
        if sides:
            told[f"plot of {facet.column}"] = image(
                plots.differences(f"Bias of answers, {name}", sides), name
            )
        for figure in facet.served or facet.held_out:
            if figure.name == "DPPL" and figure.value is not None:
                told[f"DPPL of {facet.column}"] = dg.MetadataValue.float(round(figure.value, 5))
    return told


def keep(pipeline: MLPipeline, store: Store, record: BiasRecord) -> str:
    """Write Clarify's files beside each other; returns the URI of analysis.json.

    Post-training metrics are those of the served answers, else of the held-out ones.
    """
    found = [
        clarify.FacetAnalysis(
            column=facet.column,
            value=facet.value,
            pre_training=_measured(facet.partition or facet.training),
            post_training=_measured(facet.served or facet.held_out),
        )
        for facet in record.facets
    ]
    positive = "1" if pipeline.label.kind == "binary" else record.positive
    below = ("monitoring", pipeline.name, "bias", record.partition)
    files = {
        "analysis.json": clarify.analysis(pipeline.label.column, positive, found),
        "constraint_violations.json": clarify.violations(
            [
                (facet.column, facet.value, worse)
                for facet in record.facets
                for worse in _worse(facet)
            ]
        ),
    }
    for name, content in files.items():
        store.open().write(store.uri(*below, name), json.dumps(content, indent=2).encode())
    return store.uri(*below, "analysis.json")


def _worse(facet: BiasFacet) -> list[Worse]:
    before, now = ({f.name: f.value for f in side} for side in (facet.held_out, facet.served))
    return [
        Worse(name, before[name] or 0.0, now[name] or 0.0, words)
        for name, words in facet.worse.items()
    ]


def _table(facet: BiasFacet, sides: tuple[str, ...]) -> dg.MarkdownMetadataValue:
    columns = {side: {f.name: f for f in getattr(facet, side)} for side in sides}
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures))
    rows: list[dict[str, str]] = []
    for name in names:
        # The name first: long titles are cut.
        row = {"": name, "metric": description(name).removesuffix(f" ({name})")}
        for side, figures in columns.items():
            row[f"{WORDS[side]} ({facet.rows.get(side, 0):,} rows)"] = _cell(figures.get(name))
        if "served" in sides and facet.worse:
            row["change"] = "**worse**" if name in facet.worse else ""
        rows.append(row)
    return table(pd.DataFrame(rows))


def _cell(figure: BiasFigure | None) -> str:
    return "–" if figure is None else shown(figure)


def description(name: str) -> str:
    """``Class Imbalance (CI)``."""
    metric = PRE_TRAINING.get(name) or POST_TRAINING.get(name)
    return metric.description if metric else DESCRIPTION if name == FLIP_TEST else name


def _measured(figures: Sequence[BiasFigure]) -> list[Measured]:
    return [Measured(description=description(f.name), **f.model_dump()) for f in figures]
