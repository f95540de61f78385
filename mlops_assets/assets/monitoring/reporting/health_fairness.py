"""The parts about people and reasons: bias by facet, and what moves the answers.

Here: reading the records and showing them. Not here: measuring (`bias`, `explanation`).
"""

import math

from mlops_assets.assets.monitoring.explaining.records import ExplanationRecord
from mlops_assets.assets.monitoring.fairness.records import BiasFacet, BiasFigure, BiasRecord
from mlops_assets.assets.monitoring.reporting.health_part import Part, absent
from mlops_assets.assets.monitoring.reporting.histories import histories
from mlops_assets.ml import health_plots
from mlops_assets.ml.report.html import Figure, Table
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store

_SHOWN = 15


def bias(pipeline: MLPipeline, store: Store) -> Part:
    if not pipeline.monitors.facets:
        return Part("Bias", None, "no facet is declared", "No facet is declared: monitors.facets.")
    kept = histories(store, BiasRecord, pipeline.name, "bias")
    if not kept:
        return absent("Bias", "materialize bias of a partition with answers or labels.")
    last = list(kept.values())[-1].record
    gated = Table(
        ("held to", "found", "bound", "verdict"),
        tuple((line.name, line.figure, line.bound, line.status) for line in last.lines),
        caption=f"Gates of {last.partition}; positive: {last.positive}",
    )
    figures = Table(
        ("facet", "metric", "held out", "served", "95 %"),
        tuple(row for facet in last.facets for row in _rows(facet)),
        numbers={"held out", "served", "95 %"},
        caption="Answers, by SageMaker Clarify's metrics; 0 is fair, of DI 1",
    )
    return Part(
        name="Bias",
        status=last.status,
        figure=f"{last.partition}: {last.words}".splitlines()[0],
        words=last.words,
        content=(*((gated,) if last.lines else ()), *((figures,) if figures.rows else ())),
    )


def _rows(facet: BiasFacet) -> list[tuple[str, ...]]:
    promised = {figure.name: figure for figure in facet.held_out}
    rows: list[tuple[str, ...]] = []
    for figure in facet.served or facet.held_out:
        before = promised.get(figure.name)
        served = figure if facet.served else None
        rows.append(
            (
                f"{facet.column}: {facet.value}",
                figure.name,
                _number(before),
                _number(served),
                ""
                if figure.low is None or figure.high is None
                else f"{figure.low:.3f} to {figure.high:.3f}".replace("-", "−"),
            )
        )
    return rows


def _number(figure: BiasFigure | None) -> str:
    return "" if figure is None or figure.value is None else f"{figure.value:.3f}".replace("-", "−")


def explanation(pipeline: MLPipeline, store: Store) -> Part:
    kept = histories(store, ExplanationRecord, pipeline.name, "explanation")
    if not kept:
        return absent("Explanation", "materialize explanation of a partition.", counts=False)
    records = [k.record for k in kept.values()]
    last = records[-1]
    series = [math.nan if r.ndcg is None else r.ndcg for r in records]
    content: list[Figure | Table] = []
    if len(records) > 1:
        content.append(
            Figure(
                health_plots.over_partitions(
                    "Attribution drift (NDCG)", {"NDCG": series}, [r.partition for r in records],
                    "1: the same features in the same order",
                ),
                "attribution drift by partition",
                "What moves the answers, against what moved them on the training rows; SageMaker "
                "Clarify alarms below .9.",
            )
        )  # fmt: skip
    if last.now is not None:
        before = last.training.importance if last.training else {}
        # As many decimals for all, so that a column can be compared by eye.
        decimals = 4 if max(last.now.importance.values(), default=0.0) < 100 else 0
        content.append(
            Table(
                ("feature", "now", "in training"),
                tuple(
                    (
                        name,
                        f"{worth:,.{decimals}f}",
                        f"{before[name]:,.{decimals}f}" if name in before else "",
                    )
                    for name, worth in list(last.now.importance.items())[:_SHOWN]
                ),
                numbers={"now", "in training"},
                caption=f"Mean absolute SHAP values ({last.now.space}), {last.now.rows:,} rows of "
                f"{last.partition}",
            )
        )
    known = "unknown" if last.ndcg is None else f"NDCG {last.ndcg:.3f}"
    return Part(
        name="Explanation",
        status=last.status,
        figure=f"{last.partition}: {known}",
        bound="NDCG ≥ 0.9",
        words=last.words,
        content=tuple(content),
    )
