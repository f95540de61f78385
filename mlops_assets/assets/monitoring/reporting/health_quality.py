"""The parts about the model: quality of what was served, calibration, staleness.

Here: reading the records and showing them. Not here: measuring (`performance`, `staleness`).
"""

import numpy as np
import pandas as pd

from mlops_assets.assets.monitoring.quality.records import PerformanceRecord, StalenessRecord
from mlops_assets.assets.monitoring.reporting.health_part import Part, absent
from mlops_assets.assets.monitoring.reporting.histories import histories, latest
from mlops_assets.declaration import Gate
from mlops_assets.ml import health_plots, plots
from mlops_assets.ml.report.html import Figure, Table
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store

_UNWATCHED = "declare endpoint.capture_share above 0: nobody keeps the answers."
_SHOWN = 12


def performance(pipeline: MLPipeline, store: Store) -> list[Part]:
    """Quality over partitions, and calibration of the newest that has labels."""
    if pipeline.endpoint.capture_share == 0:
        return [absent("Quality", _UNWATCHED)]
    kept = histories(store, PerformanceRecord, pipeline.name, "performance")
    if not kept:
        return [absent("Quality", "materialize captures, ground_truth and performance.")]
    records = [k.record for k in kept.values()]
    return [_quality(pipeline, records), *_calibration(pipeline, records)]


def _quality(pipeline: MLPipeline, records: list[PerformanceRecord]) -> Part:
    metric, last = pipeline.evaluation.primary, _deciding(pipeline, records)
    declared = pipeline.monitors.performance.bounds or pipeline.evaluation.gates
    bounds = {f"bound: {gate}": _bound(gate) for gate in declared if gate.metric == metric}
    return Part(
        name="Quality",
        status=last.status,
        figure=f"{last.partition}: {_measured(last, metric)}",
        bound=", ".join(str(gate) for gate in declared),
        words="\n".join(f"{line.name}: {line.figure} (bound: {line.bound})" for line in last.lines)
        or f"{last.labelled:,} of {last.captured:,} captured answers have a label.",
        content=(
            *_curve_of(metric, _figures(records, metric), bounds),
            Table(
                ("partition", "status", "captured", "labelled", metric, "estimate", "held out",
                 "versions"),
                tuple(_row(record, metric) for record in reversed(records[-_SHOWN:])),
                numbers={"captured", "labelled", metric, "estimate", "held out"},
            ),
        ),
    )  # fmt: skip


def _deciding(pipeline: MLPipeline, records: list[PerformanceRecord]) -> PerformanceRecord:
    """The newest partition that can be told of: labels come late, and must be waited for.

    Of what is unknown for another reason (a gap, too few rows) the newest decides; unless nothing
    was asked in it, nor could have been.
    """
    now, patience = pd.Timestamp.now("UTC"), pipeline.monitors.performance.labels_within
    for record in reversed(records):
        window = pipeline.partitions.window(record.partition)
        waits = window is not None and now < window[1] + patience
        idle = not record.captured and not record.expected
        if record.status != "unknown" or not (waits or idle):
            return record
    return records[-1]


def _measured(record: PerformanceRecord, metric: str) -> str:
    found = record.metrics.get(metric)
    if found is None:
        return f"{record.labelled:,} labels, too few or none"
    return f"{metric} {found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _curve_of(metric: str, figures: pd.DataFrame, bounds: dict[str, float]) -> tuple[Figure, ...]:
    if not figures[["value", "estimate"]].notna().any(axis=None):
        return ()
    return (
        Figure(
            health_plots.quality(metric, figures, bounds=bounds),
            f"{metric} over {len(figures)} partitions",
            "What was served, with its 95 % interval, beside what the champion promised on "
            "held-out rows. The estimate assumes that P(y|x) is unchanged and silences nothing.",
        ),
    )


def _row(record: PerformanceRecord, metric: str) -> tuple[str, ...]:
    found = record.metrics.get(metric)
    return (
        record.partition,
        record.status,
        f"{record.captured:,}",
        f"{record.labelled:,}",
        "" if found is None else f"{found.value:.4f} ± {(found.high - found.low) / 2:.4f}",
        _number(record.estimate.get(metric)),
        _number(record.held_out.get(metric)),
        ", ".join(f"{version} ({rows:,})" for version, rows in record.versions.items()),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _figures(records: list[PerformanceRecord], metric: str) -> pd.DataFrame:
    nan = float("nan")
    rows = {}
    for record in records:
        found = record.metrics.get(metric)
        rows[record.partition] = {
            "value": found.value if found else nan,
            "low": found.low if found else nan,
            "high": found.high if found else nan,
            "estimate": record.estimate.get(metric, nan),
            "held_out": record.held_out.get(metric, nan),
        }
    return pd.DataFrame.from_dict(rows, orient="index", dtype=float)


def _bound(gate: Gate) -> float:
    bound = gate.at_least if gate.at_least is not None else gate.at_most
    return float("nan") if bound is None else bound


def _calibration(pipeline: MLPipeline, records: list[PerformanceRecord]) -> list[Part]:
    if pipeline.label.kind == "regression":
        return []
    drawn = {r.partition: pd.DataFrame(list(r.calibration)) for r in records if r.calibration}
    if not drawn:
        return [absent("Calibration", "its points come with the labels of a partition.",
                       counts=False)]  # fmt: skip
    newest = list(drawn)[-1]
    shown = {name: drawn[name] for name in reversed(list(drawn)[-3:])}
    gaps = {name: _gap(frame) for name, frame in drawn.items()}
    content = [
        Figure(
            plots.calibration(shown),
            f"calibration of {', '.join(shown)}",
            "On the dashed line an answer of 30 % comes true 30 times of a hundred. The newest "
            "partitions; bars are 95 % intervals.",
        )
    ]
    if len(gaps) > 1:
        content.append(
            Figure(
                health_plots.over_partitions(
                    "Calibration gap by partition", {"gap": list(gaps.values())}, list(gaps),
                    "observed − predicted",
                ),
                "calibration gap by partition",
                "Above zero the events were more frequent than the model said.",
            )
        )  # fmt: skip
    return [
        Part(
            name="Calibration",
            status=None,
            figure=f"{newest}: observed − predicted {gaps[newest]:+.3f}",
            words=f"In {newest} {_what(pipeline)} {abs(gaps[newest]) * 100:.1f} points "
            f"{'more' if gaps[newest] > 0 else 'less'} often than the answers said.",
            content=tuple(content),
        )
    ]


def _what(pipeline: MLPipeline) -> str:
    """What is calibrated: the event, or of several classes that the most probable one was right."""
    return "events happened" if pipeline.label.kind == "binary" else "the answered class was right"


def _gap(points: pd.DataFrame) -> float:
    """Mean of observed − predicted over all rows of the points."""
    weight = points["rows"] if "rows" in points else pd.Series(np.ones(len(points)))
    return float(np.average(points["observed"] - points["predicted"], weights=weight))


def staleness(pipeline: MLPipeline, store: Store) -> Part:
    if pipeline.partitions.kind == "static":
        return Part("Staleness", None, "does not apply", "The pipeline has no partitions in time.")
    kept = latest(store, StalenessRecord, pipeline.name, "staleness", "now")
    if kept is None:
        return absent("Staleness", "materialize staleness once several models were trained.")
    record = kept.record
    loss = record.loss_per_partition
    return Part(
        name="Staleness",
        status=record.status,
        figure="loss unknown"
        if loss is None
        else f"{record.primary} {loss.value:+.4f} a partition of age",
        words=record.words,
        content=(*_curve(record), _ages(record)),
    )


def _curve(record: StalenessRecord) -> tuple[Figure, ...]:
    if len(record.ages) < 2:
        return ()
    return (
        Figure(
            health_plots.staleness(
                record.primary,
                [age.age for age in record.ages],
                [age.mean.value for age in record.ages],
                [age.mean.low for age in record.ages],
                [age.mean.high for age in record.ages],
                "partitions",
            ),
            f"{record.primary} by age of {record.models} models",
            "Recorded models on later partitions: a model of age 1 answers the partition after "
            "the one that it was judged on.",
        ),
    )


def _ages(record: StalenessRecord) -> Table:
    rows = tuple(
        (
            f"{age.age}",
            f"{age.pairs}",
            f"{age.mean.value:.4f}",
            ""
            if age.loss is None
            else f"{age.loss.value:+.4f} [{age.loss.low:+.4f}, {age.loss.high:+.4f}]",
        )
        for age in record.ages
    )
    columns = ("age", "pairs", record.primary, "loss to the freshest")
    return Table(columns, rows, numbers=columns)
