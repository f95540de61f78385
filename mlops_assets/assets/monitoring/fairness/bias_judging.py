"""From the bias metrics of a partition to its record: gates, drift, and what is not known.

Here: what may be judged on how many rows, and the verdicts. Not here: measuring
(`bias_measuring`), what people see of it (`bias_page`).
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from mlops_assets.assets.monitoring.explaining.explanation_subject import Subject
from mlops_assets.assets.monitoring.fairness import bias_measuring as measuring
from mlops_assets.assets.monitoring.fairness.records import (
    BiasBaseline,
    BiasFacet,
    BiasFigure,
    BiasRecord,
)
from mlops_assets.assets.monitoring.records import Line, Status
from mlops_assets.ml.bias.measured import Measured, worse
from mlops_assets.ml.bias.metrics import POST_TRAINING, PRE_TRAINING
from mlops_assets.monitors import Facet
from mlops_assets.pipeline import MLPipeline

_LABELS, _ANSWERS = ("training", "partition"), ("held_out", "served")
WORDS = {
    "training": "training labels",
    "partition": "this partition's labels",
    "held_out": "held-out answers",
    "served": "served answers",
}


def judge(
    pipeline: MLPipeline,
    partition: str,
    found: Subject,
    features: pd.DataFrame,
    known: BiasBaseline | None,
    earlier: Sequence[BiasRecord] = (),
) -> BiasRecord:
    """Measure the partition, compare it with the model's baseline, hold the gates against it.

    Args:
        features: rows of ``features[partition]``, labelled or not.
        known: the baseline of the subject's model; None where there is none.
        earlier: records of the partitions before, which tell what is usual.
    """
    bound = known.positive_above if known else None
    if known is None and pipeline.label.kind == "regression" and len(features):
        bound = float(features[pipeline.label.column].median())
    rows = found.rows.rename(columns={"label": pipeline.label.column})
    before = {(f.column, f.value): f for f in known.facets} if known else {}
    facets, lines = [], []
    for facet in pipeline.monitors.facets:
        name = (facet.column, measuring.value_of(facet))
        one = _facet(
            pipeline, facet, rows, features, before.get(name), bound, _usual(earlier, name)
        )
        facets.append(one)
        lines += _gates(pipeline, facet, one)
        lines += _drift(pipeline, facet, one, rows)
    labelled = int(found.rows["label"].notna().sum())
    return BiasRecord(
        partition=partition,
        package_arn=found.package.arn if found.package else None,
        positive=_positive(pipeline, bound),
        captured=len(found.rows),
        labelled=labelled,
        status=_worst(lines),
        words=_words(lines, found),
        facets=tuple(facets),
        lines=tuple(lines),
    )


def _facet(
    pipeline: MLPipeline,
    facet: Facet,
    rows: pd.DataFrame,
    features: pd.DataFrame,
    earlier: BiasFacet | None,
    bound: float | None,
    usual: Mapping[str, Sequence[float]],
) -> BiasFacet:
    served = measuring.answers_of(pipeline, facet, rows, bound) if len(rows) else ()
    labels = measuring.labels_of(pipeline, facet, features, bound) if len(features) else ()
    held_out = earlier.held_out if earlier else ()
    enough = _served_enough(pipeline, facet, rows)
    return BiasFacet(
        column=facet.column,
        value=measuring.value_of(facet),
        group=measuring.group_of(pipeline, facet),
        rows={**(earlier.rows if earlier else {}), "partition": len(features), "served": len(rows)},
        training=earlier.training if earlier else (),
        partition=labels,
        held_out=held_out,
        served=served,
        worse={
            found.name: found.words
            for found in worse(_measured(held_out), _measured(served), usual=usual)
            if enough[POST_TRAINING[found.name].labels]
        },
    )


def _usual(earlier: Sequence[BiasRecord], name: tuple[str, str]) -> dict[str, list[float]]:
    """{metric: its served values in earlier partitions, one each}, of one facet."""
    found: dict[str, list[float]] = {}
    for record in earlier:
        for facet in record.facets:
            for figure in facet.served if (facet.column, facet.value) == name else ():
                if figure.value is not None:
                    found.setdefault(figure.name, []).append(figure.value)
    return found


def _served_enough(pipeline: MLPipeline, facet: Facet, rows: pd.DataFrame) -> dict[bool, bool]:
    """{the metric needs labels: there are rows enough of both facets to judge}."""
    least = pipeline.monitors.performance.least_rows
    known = rows.loc[rows[pipeline.label.column].notna()]
    return {
        labels: len(there) >= least and min(measuring.sides(pipeline, facet, there)) > 0
        for labels, there in ((False, rows), (True, known))
    }


def _drift(pipeline: MLPipeline, facet: Facet, one: BiasFacet, rows: pd.DataFrame) -> list[Line]:
    name, bound = f"{facet.column} drift", "no further from fair than on held-out rows"
    if one.worse:
        told = "; ".join(one.worse.values())
        return [Line(name=name, figure=told, bound=bound, status="warning")]
    enough = _served_enough(pipeline, facet, rows)
    if not one.held_out:
        figure = "no model, or its held-out rows are gone"
    elif not len(rows):
        figure = "no answer was captured"
    elif not enough[False]:
        figure = f"{len(rows):,} captured answers are too few"
    elif not enough[True]:
        figure = "too few labels are known; what needs none has not drifted"
    else:
        return [Line(name=name, figure="as on held-out rows", bound=bound, status="healthy")]
    return [Line(name=name, figure=figure, bound=bound, status="unknown")]


def _gates(pipeline: MLPipeline, facet: Facet, one: BiasFacet) -> list[Line]:
    lines = []
    for name, (low, high) in facet.gates.items():
        bound = f"{low:g} to {high:g}"
        for side in _LABELS if name in PRE_TRAINING else _ANSWERS:
            figures: Mapping[str, BiasFigure] = {f.name: f for f in getattr(one, side)}
            lines.append(
                Line(
                    name=f"{facet.column} {name}, {WORDS[side]}",
                    figure=shown(figures[name]) if name in figures else "no rows",
                    bound=bound,
                    status=_gate(figures.get(name), low, high),
                )
            )
    return lines


def _gate(figure: BiasFigure | None, low: float, high: float) -> Status:
    """As Clarify's monitor: it fails only when the whole interval lies outside."""
    if figure is None or figure.value is None:
        return "unknown"
    lowest = figure.value if figure.low is None else figure.low
    highest = figure.value if figure.high is None else figure.high
    if lowest > high or highest < low:
        return "failing"
    return "healthy" if low <= figure.value <= high else "warning"


def shown(figure: BiasFigure) -> str:
    """``0.031 (0.012 to 0.049)``, or why there is no value."""
    if figure.value is None:
        return f"undefined: {figure.error}"
    if figure.low is None or figure.high is None:
        return _fixed(figure.value)
    return f"{_fixed(figure.value)} ({_fixed(figure.low)} to {_fixed(figure.high)})"


def _fixed(value: float) -> str:
    # Adding 0 turns a rounded −0 into 0.
    return f"{round(value, 3) + 0.0:.3f}"


def _measured(figures: Sequence[BiasFigure]) -> list[Measured]:
    return [Measured(description="", **figure.model_dump()) for figure in figures]


def _worst(lines: Sequence[Line]) -> Status:
    for status in ("failing", "warning", "unknown"):
        if any(line.status == status for line in lines):
            return status
    return "healthy" if lines else "unknown"


def _words(lines: Sequence[Line], found: Subject) -> str:
    status = _worst(lines)
    words = "no facet is further from fair than on held-out rows"
    if status != "healthy":
        words = "; ".join(f"{line.name}: {line.figure}" for line in lines if line.status == status)
    others = f" ({found.others:,} answers of other versions left out)" if found.others else ""
    return f"{words}{others}"


def _positive(pipeline: MLPipeline, bound: float | None) -> str:
    label = pipeline.label.column
    if pipeline.label.kind == "binary":
        return f"{label} = 1, answers from {pipeline.monitors.decision_threshold:g} on"
    if pipeline.label.kind == "multiclass":
        return f"{label} is {' or '.join(pipeline.monitors.positive_classes)}"
    return f"{label} above {bound:g}" if bound is not None else f"{label}: no rows"
