"""What people see of ``performance``: verdicts of its checks, tables and plots.

Here: a record in words and pictures; everything is drawn from records, so that it costs nothing to
show again. Not here: judging (`performance_judging`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Line
from mlops_assets.assets.preview import image, table
from mlops_assets.checks.results import Verdict
from mlops_assets.ml import plots as reliability
from mlops_assets.ml.performance import plots
from mlops_assets.ml.performance.estimate import ASSUMES
from mlops_assets.ml.performance.intervals import Measured
from mlops_assets.ml.performance.verdict import worst
from mlops_assets.pipeline import MLPipeline

_COVERAGE = frozenset({"labels", "capture", "blocks"})
_CALIBRATION = frozenset({"error rate", "calibration gap", "ece", "mae", "bias"})
_ESTIMATE = "estimate of "


def verdicts(record: PerformanceRecord) -> dict[str, Verdict]:
    """Each check's verdict, by its name."""
    coverage = [line for line in record.lines if line.name in _COVERAGE]
    estimate = [line for line in record.lines if line.name.startswith(_ESTIMATE)]
    # A gate on ECE is a bound as any other; only the last line of that name is about calibration.
    calibration = {line.name: line for line in record.lines if line.name in _CALIBRATION}
    quality = [
        line
        for line in record.lines
        if line not in coverage and line not in estimate and line not in calibration.values()
    ]
    quality += [line for version in record.by_version for line in _failing(version.lines)]
    return {
        "performance": _verdict(f"{record.status}: ", [*quality, *coverage], record.status),
        "calibration": _verdict("", list(calibration.values())),
        "coverage": _verdict("", coverage),
        "estimate": _estimated(record, estimate),
    }


def _verdict(start: str, lines: Sequence[Line], status: str | None = None) -> Verdict:
    # Too few rows to say anything leave no line; that is unknown, and no pass.
    status = status or worst(lines)  # type: ignore[arg-type]
    shown = [line for line in lines if line.status == status] or lines
    words = "; ".join(f"{line.name} {line.figure} (needs {line.bound})" for line in shown)
    return Verdict(status == "healthy", start + (words or "unknown: too few labelled answers"))


def _failing(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.status == "failing"]


def _estimated(record: PerformanceRecord, lines: Sequence[Line]) -> Verdict:
    if not record.estimate:
        return Verdict(False, f"unknown: no calibrated answers to estimate from; {ASSUMES}")
    warned = [line for line in lines if line.status == "warning"]
    words = "; ".join(f"{line.name} {line.figure} (needs {line.bound})" for line in warned or lines)
    if not lines:
        words = f"nothing to compare it with; {ASSUMES}"
    missed = ", ".join(
        f"{name} {error:+.4f}" for name, error in record.estimate_error.items() if name in words
    )
    return Verdict(not warned, words + (f". Realised minus estimated: {missed}" if missed else ""))


def page(
    pipeline: MLPipeline, record: PerformanceRecord, history: Sequence[PerformanceRecord]
) -> dict[str, Any]:
    """The metadata of the newest partition of a run."""
    primary = pipeline.evaluation.primary
    shown: dict[str, Any] = {
        "status": record.status,
        "verdict": _lines(record.lines),
        "metrics": _metrics(record),
        "versions": _versions(record, primary),
    }
    # As numbers, for the plots over partitions: what the model is judged by, and on how much.
    if primary in record.metrics:
        shown[primary] = dg.MetadataValue.float(round(record.metrics[primary].value, 5))
    if record.captured:
        shown["labelled share"] = round(record.labelled / record.captured, 4)
    if record.late:
        shown["labels left out"] = f"{record.late:,} came too late"
    if record.slices:
        shown["slices"] = table(_slices(record, primary))
    if record.calibration:
        points = {record.partition: pd.DataFrame(list(record.calibration))}
        shown["calibration"] = image(reliability.calibration(points), "calibration")
    shown["history"] = image(history_plot(primary, history), f"{primary} by partition")
    return shown


def history_plot(primary: str, history: Sequence[PerformanceRecord]) -> bytes:
    """The primary metric by partition: realised with intervals, estimated, and as promised."""
    latest = sorted(history, key=lambda record: record.partition)
    return plots.history(
        primary,
        {
            r.partition: Measured(**r.metrics[primary].model_dump())
            for r in latest
            if primary in r.metrics
        },
        estimated={r.partition: r.estimate[primary] for r in latest if primary in r.estimate},
        held_out={r.partition: r.held_out[primary] for r in latest if primary in r.held_out},
        failing=[r.partition for r in latest if r.status == "failing"],
    )


def _lines(lines: Sequence[Line]) -> dg.MarkdownMetadataValue:
    columns = ["name", "figure", "bound", "status"]
    return table(pd.DataFrame([line.model_dump() for line in lines], columns=columns))


def _metrics(record: PerformanceRecord) -> dg.MarkdownMetadataValue:
    rows = [
        {
            "metric": name,
            "realised": f"{i.value:.4f}",
            "95 %": f"{i.low:.4f} to {i.high:.4f}",
            "held out": _number(record.held_out.get(name)),
            "estimate": _number(record.estimate.get(name)),
            "estimate missed by": _number(record.estimate_error.get(name), "+"),
        }
        for name, i in record.metrics.items()
    ]
    if not rows:
        rows = [{"metric": n, "estimate": f"{v:.4f}"} for n, v in record.estimate.items()]
    return table(pd.DataFrame(rows))


def _versions(record: PerformanceRecord, primary: str) -> dg.MarkdownMetadataValue:
    rows = [
        {
            "version": version.version,
            "answers": f"{version.captured:,}",
            "labelled": f"{version.labelled:,}",
            primary: _number(getattr(version.metrics.get(primary), "value", None)),
            "held out": _number(version.held_out.get(primary)),
            "status": version.status,
        }
        for version in record.by_version
    ]
    return table(pd.DataFrame(rows))


def _slices(record: PerformanceRecord, primary: str) -> pd.DataFrame:
    found = pd.DataFrame(list(record.slices))
    interval = found["low"].map("{:.4f}".format) + " to " + found["high"].map("{:.4f}".format)
    named = found["slice_column"] + " = " + found["value"].astype(str)
    return pd.DataFrame(
        {
            "slice": named,
            "rows": found["rows"],
            primary: found[primary].map("{:.4f}".format),
            "95 %": interval,
        }
    )


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.4f}"
