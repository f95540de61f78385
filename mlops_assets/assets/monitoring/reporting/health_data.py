"""The parts about data: drift against the champion's training data, and skew.

Here: reading the records and showing them. Not here: measuring (`drift`, `skew`).
"""

import pandas as pd

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.drifting.records import DriftRecord
from mlops_assets.assets.monitoring.reporting.health_part import Part, absent
from mlops_assets.assets.monitoring.reporting.histories import histories
from mlops_assets.ml import health_plots
from mlops_assets.ml.report.html import Figure, Table
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store

_SHOWN = 12


def drift(pipeline: MLPipeline, store: Store) -> Part:
    kept = histories(store, DriftRecord, pipeline.name, "drift")
    if not kept:
        return absent(
            "Drift", "materialize profile and drift of a partition; they run with new data."
        )
    records = [k.record for k in kept.values()]
    last = records[-1]
    return Part(
        name="Drift",
        status=last.status,
        figure=_drift_figure(last),
        bound=f"columns of at least {pipeline.monitors.drift.matters:.0%} of the importance",
        words=_drift_words(last),
        content=(
            Figure(
                health_plots.drift(_effects(records), _flagged(records)),
                f"drift of {len(last.effects)} columns over {len(records)} partitions",
                "Effect size against each partition's baseline, by column and partition; an orange "
                f"bar: counted as drift. {_order(records)}",
            ),
            *_findings(last),
        ),
    )


def _order(records: list[DriftRecord]) -> str:
    if any(f.importance is not None for r in records for f in r.findings):
        return "Columns on top weigh most in the model."
    return "The largest changes are on top: no champion has told its importances yet."


def _drift_figure(record: DriftRecord) -> str:
    if record.status == "unknown":
        return f"{record.partition}: cannot be told"
    drifted = len({f.column for f in record.findings if f.column})
    weight = "" if record.matters is None else f", {record.matters:.0%} of the importance"
    return f"{record.partition}: {drifted} columns changed{weight}"


def _drift_words(record: DriftRecord) -> str:
    if record.baseline_kind == "none":
        return f"{record.rows:,} rows of {record.partition}; there is no baseline yet."
    return (
        f"{record.rows:,} rows of {record.partition} against {record.baseline_rows:,} of "
        f"{record.baseline}."
    )


def _findings(record: DriftRecord) -> tuple[Table, ...]:
    if not record.findings:
        return ()
    ranked = sorted(record.findings, key=lambda f: (-(f.importance or 0.0), -(f.effect or 0.0)))
    weighed = any(finding.importance is not None for finding in ranked)
    rows = tuple(
        (
            finding.column or "all rows",
            finding.kind.replace("_", " "),
            _number(finding.effect),
            _number(finding.threshold),
            *([f"{finding.importance or 0:.1%}"] if weighed else []),
            finding.words,
        )
        for finding in ranked[:_SHOWN]
    )
    more = len(ranked) - len(rows)
    importance = ("importance",) if weighed else ()
    return (
        Table(
            ("column", "kind", "effect", "bound", *importance, "what it looks like"),
            rows,
            numbers={"effect", "bound", "importance"},
            caption=f"What changed in {record.partition}"
            + (f"; {more} of less weight are not shown" if more else ""),
        ),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _effects(records: list[DriftRecord]) -> pd.DataFrame:
    frame = pd.DataFrame({r.partition: r.effects for r in records}, dtype=float)
    weights: dict[str, float] = {}
    for record in records:
        for finding in record.findings:
            if finding.column and finding.importance is not None:
                weights[finding.column] = finding.importance
    order = pd.DataFrame(
        {
            "weight": [weights.get(str(c), 0.0) for c in frame.index],
            "effect": frame.max(axis=1).fillna(0.0).to_numpy(),
        },
        index=frame.index,
    ).sort_values(["weight", "effect"], ascending=False, kind="stable")
    return frame.loc[order.index]


def _flagged(records: list[DriftRecord]) -> set[tuple[str, str]]:
    return {(f.column, r.partition) for r in records for f in r.findings if f.column}


def skew(pipeline: MLPipeline, store: Store) -> Part:
    if pipeline.endpoint.capture_share == 0:
        return absent("Skew", "declare endpoint.capture_share above 0: nobody keeps the requests.")
    kept = histories(store, SkewRecord, pipeline.name, "skew")
    if not kept:
        return absent("Skew", "materialize captures and skew of a partition that was asked about.")
    records = [k.record for k in kept.values()]
    last = records[-1]
    shown = [_skew_row(record) for record in reversed(records[-_SHOWN:])]
    return Part(
        name="Skew",
        status=last.status,
        figure=f"{last.partition}: {last.different_rows:,} of {last.compared:,} rows differ",
        bound="captured features are the offline ones",
        words=last.words,
        content=(
            Table(
                ("partition", "status", "captured", "compared", "rows differ", "columns"),
                tuple(shown),
                numbers={"captured", "compared", "rows differ"},
                caption="Captured feature rows against the same rows recomputed offline",
            ),
        ),
    )


def _skew_row(record: SkewRecord) -> tuple[str, ...]:
    worst = sorted(record.columns.items(), key=lambda item: -item[1])[:3]
    return (
        record.partition,
        record.status,
        f"{record.captured:,}",
        f"{record.compared:,}",
        f"{record.different_rows:,}",
        ", ".join(f"{name} ({count:,})" for name, count in worst if count),
    )
