"""From a partition's captured answers and labels to its performance record.

Here: which figures go into which rule. Not here: the rules (`ml.performance.verdict`), the figures
(`performance_figures`), reading the lake (`labelled`), what people see of it (`performance_page`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from mlops_assets.assets.monitoring.quality import performance_figures as figures
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord, VersionPerformance
from mlops_assets.assets.monitoring.records import Interval, Line
from mlops_assets.ml.blocks import LEAST_BLOCKS
from mlops_assets.ml.performance import calibration, verdict
from mlops_assets.ml.performance.band import band
from mlops_assets.ml.performance.intervals import Measured
from mlops_assets.pipeline import MLPipeline

# By kind of label: the rate of errors and the gap that partitions are compared by.
_OF_ANSWERS = ("error_rate", "calibration_gap")
RATES = {"binary": _OF_ANSWERS, "multiclass": _OF_ANSWERS, "regression": ("mae", "bias")}


@dataclass(frozen=True)
class Seen:
    """What is known of a partition.

    Args:
        rows: one answer an event, as `labelled.last_answers` gives them.
        expected: events that should have a captured answer; None where nobody knows.
        settled: whether no more labels are to be expected.
        promises: {version: what its package promised, None where the registry has none}.
        baseline: records of earlier partitions that did not fail.
        inputs, judged_by: kept in the record, so that the same work is not done twice.
        late: events whose label came too late to count.
    """

    partition: str
    rows: pd.DataFrame
    expected: float | None
    settled: bool
    promises: figures.Promises
    baseline: Sequence[PerformanceRecord] = ()
    inputs: Mapping[str, int | None] = field(default_factory=dict)
    judged_by: str = ""
    late: int = 0


def judge(pipeline: MLPipeline, seen: Seen) -> PerformanceRecord:
    """The record of a partition: all of it, and each version's answers for themselves."""
    rows, watched = seen.rows, pipeline.monitors.performance
    known = rows.loc[rows["label"].notna()]
    coverage = verdict.coverage(
        verdict.Counts(len(rows), len(known), seen.expected, seen.settled),
        least_rows=watched.least_rows,
        capture_gap=watched.capture_gap,
    )
    coverage += _blocks(pipeline, known)
    held_out = figures.promised(known if len(known) else rows, seen.promises)
    metrics = figures.measured(pipeline, known)
    quality = _quality(pipeline, metrics, held_out, told=coverage[0].status == "healthy")
    enough = len(known) >= watched.least_rows and bool(metrics)
    drift = _drift(pipeline, metrics, held_out, known, seen.baseline) if enough else ()
    estimate, error = figures.estimated(pipeline, rows, seen.promises, metrics)
    guesses = verdict.estimated(
        estimate,
        bounds=_bounds(pipeline),
        held_out=held_out,
        primary=pipeline.evaluation.primary,
        tolerance=_allowed(pipeline, pipeline.evaluation.primary, held_out) or 0.0,
    )
    answered = figures.versions(rows)
    versions = tuple(
        _version(pipeline, seen, version, metrics if len(answered) == 1 else None)
        for version in answered
    )
    # One bad version must not hide behind the others' rows; the estimate has no say.
    failing = any(version.status == "failing" for version in versions)
    return PerformanceRecord(
        partition=seen.partition,
        versions={str(version.version): version.captured for version in versions},
        captured=len(rows),
        labelled=len(known),
        expected=None if seen.expected is None else round(seen.expected),
        status="failing" if failing else verdict.worst([*coverage, *quality, *drift]),
        metrics=_intervals(metrics),
        estimate=estimate,
        held_out={name: figure.value for name, figure in held_out.items()},
        lines=_lines([*coverage, *quality, *drift, *guesses]),
        by_version=versions,
        estimate_error=error,
        calibration=figures.reliability(pipeline, known),
        slices=figures.slices(pipeline, known) if enough else (),
        late=seen.late,
        inputs=dict(seen.inputs),
        judged_by=seen.judged_by,
    )


def _version(
    pipeline: MLPipeline, seen: Seen, version: int, metrics: dict[str, Measured] | None
) -> VersionPerformance:
    """One version's answers; how much of the partition was captured is no question to it.

    ``metrics``: of its labelled rows, where they are known already.
    """
    rows = seen.rows.loc[seen.rows["version"] == version]
    known = rows.loc[rows["label"].notna()]
    labels, _ = verdict.coverage(
        verdict.Counts(len(rows), len(known), len(rows), seen.settled),
        least_rows=pipeline.monitors.performance.least_rows,
        capture_gap=1.0,
    )
    promise = seen.promises.get(version)
    held_out = promise.held_out if promise else {}
    metrics = figures.measured(pipeline, known) if metrics is None else metrics
    lines = [
        labels,
        *_blocks(pipeline, known),
        *_quality(pipeline, metrics, held_out, told=labels.status == "healthy"),
    ]
    return VersionPerformance(
        version=version,
        package_arn=promise.package_arn if promise else None,
        captured=len(rows),
        labelled=len(known),
        status=verdict.worst(lines),
        metrics=_intervals(metrics),
        held_out={name: figure.value for name, figure in held_out.items()},
        lines=_lines(lines),
    )


def _bounds(pipeline: MLPipeline) -> list[verdict.Bound]:
    gates = pipeline.monitors.performance.bounds or pipeline.evaluation.gates
    return [verdict.Bound(gate.metric, gate.at_least, gate.at_most) for gate in gates]


def _quality(
    pipeline: MLPipeline,
    metrics: Mapping[str, Measured],
    held_out: Mapping[str, Measured],
    *,
    told: bool,
) -> tuple[verdict.Line, ...]:
    return verdict.quality(
        metrics,
        bounds=_bounds(pipeline),
        held_out=held_out,
        primary=pipeline.evaluation.primary,
        tolerance=_allowed(pipeline, pipeline.evaluation.primary, held_out) or 0.0,
        told=told,
    )


def _allowed(
    pipeline: MLPipeline, metric: str, held_out: Mapping[str, Measured | Interval]
) -> float | None:
    """How much worse a metric may be, in its own unit; None where nothing says what is much."""
    values = {name: figure.value for name, figure in held_out.items()}
    return pipeline.monitors.performance.allowed(metric, values)


def _blocks(pipeline: MLPipeline, known: pd.DataFrame) -> tuple[verdict.Line, ...]:
    """Whether there are blocks enough, where the pipeline declares them and there are labels."""
    length, blocks = pipeline.evaluation.block, figures.blocks_of(pipeline, known)
    if length is None or blocks is None or known.empty:
        return ()
    return (verdict.blocks(figures.count_of(blocks, known), length, LEAST_BLOCKS),)


def _drift(
    pipeline: MLPipeline,
    metrics: Mapping[str, Measured],
    held_out: Mapping[str, Measured],
    known: pd.DataFrame,
    baseline: Sequence[PerformanceRecord],
) -> tuple[verdict.Line, ...]:
    """Concept drift: error rate and calibration gap against what partitions differ by anyway; with
    too few of them, the gap against the held-out one."""
    rate, gap = RATES[pipeline.label.kind]
    errors: Mapping[str, Measured | Interval] = held_out
    if not held_out and baseline:
        # Without a promise the partition before says how large an error is.
        errors = baseline[-1].metrics
    lines = []
    for name in (rate, gap):
        earlier = [record for record in baseline if name in record.metrics]
        floor = _allowed(pipeline, name, errors)
        usual = band(
            [record.metrics[name].value for record in earlier],
            [record.labelled for record in earlier],
            floor=floor or 0.0,
        )
        words = name.replace("_", " ")
        if usual is not None:
            lines.append(verdict.drifted(words, metrics[name], usual, only_above=name == rate))
        elif name == gap and name in held_out and floor is not None:
            lines.append(verdict.moved(words, metrics[name], held_out[name], floor))
    if "ece" in held_out and "ece" in metrics:
        truth, sure = figures.confident(pipeline, known)
        chance = calibration.gap(truth, sure, blocks=figures.blocks_of(pipeline, known))
        most = max(chance.ece_by_chance, held_out["ece"].value)
        bound = verdict.Bound("ece", at_most=most + pipeline.monitors.performance.tolerance)
        lines.append(verdict.only_warns(verdict.against_bound(bound, metrics["ece"])))
    return tuple(lines)


def _intervals(metrics: Mapping[str, Measured]) -> dict[str, Interval]:
    return {name: Interval(**vars(figure)) for name, figure in metrics.items()}


def _lines(lines: Sequence[verdict.Line]) -> tuple[Line, ...]:
    return tuple(Line(**vars(line)) for line in lines)
