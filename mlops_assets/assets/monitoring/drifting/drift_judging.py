"""Judging one partition: its profile against its baseline, its hours, its labels and predictions.

Here: which comparisons a partition gets and what they add up to. Not here: the comparisons
(`ml.drift`), which baseline (`drift_baseline`), what people see (`drift_page`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from mlops_assets.assets.monitoring.drifting.drift_baseline import Baseline, season
from mlops_assets.assets.monitoring.drifting.records import DATA_QUALITY, DriftRecord, Finding
from mlops_assets.assets.monitoring.profiling.profiles import read_profile, read_profiles
from mlops_assets.assets.monitoring.records import Status
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound, Store

if TYPE_CHECKING:
    from mlops_assets.ml.drift.report import Finding as Found
    from mlops_assets.ml.drift.report import Report
    from mlops_assets.ml.profiles.profile import Profile
    from mlops_assets.resources.lake.core import Lake

HOURS = "event_hours"
PREDICTION = "prediction"
# Whose values can no longer mean what the model learnt; the other kinds may be the world's doing.
BROKEN = frozenset({"unit", "schema", "recoded", "filled", "all_null", "constant"})
# A broken column with less of the model's importance does no harm to speak of.
_TRIFLE = 0.01
_HISTORY = 28 * 24
SERVED_BEFORE = 12


class EventHours(BaseModel):
    """Rows by hour of the event, {ISO 8601: rows}, so that later partitions know the usual."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    counts: dict[str, int]


@dataclass(frozen=True)
class Judged:
    """A partition's verdict and what it was made of; without a baseline there is no report."""

    record: DriftRecord
    window: "Profile"
    baseline: "Profile | None"
    report: "Report | None"


def judge(
    pipeline: MLPipeline,
    lake: "Lake",
    store: Store,
    partition: str,
    against: Baseline,
    profiled: Sequence[str],
) -> Judged:
    """Compare a partition's profile with its baseline's, by the declared policy.

    Only profiles are read, the event times of the partition, and rows for the classifier.
    """
    # Imported here: loading the code location needs no NumPy-heavy comparison.
    from mlops_assets.ml.drift.band import band
    from mlops_assets.ml.drift.compare import compare
    from mlops_assets.ml.profiles.profile import merge

    policy = pipeline.monitors.drift
    window = read_profile(pipeline, lake, [partition])
    hours = _hours(pipeline, lake, store, partition, profiled)
    snapshot = lake.partition_snapshot(pipeline.table("profile"), partition)
    if not against.partitions:
        findings = [_told(pipeline, f, f.kind, against) for f in hours]
        record = _record(pipeline, partition, against, window, None, findings, snapshot)
        return Judged(record, window, None, None)
    window, parts = _on_one_grid(
        window, read_profiles(pipeline, lake, against.partitions, snapshot_id=against.snapshot)
    )
    baseline = merge(parts)
    columns = set(pipeline.feature_columns)
    usual = band(parts, policy)
    report = compare(window, baseline, policy, band=usual, columns=columns)
    findings = [_told(pipeline, f, f.kind, against) for f in (*hours, *report.findings)]
    label = compare(window, baseline, policy, band=usual, columns={pipeline.label.column})
    findings += [_told(pipeline, f, "label_drift", against) for f in _moved(label.findings)]
    findings += _predictions(pipeline, lake, partition, against)
    if policy.classifier and report.status != "unknown":
        findings += _classified(pipeline, lake, partition, against)
    record = _record(
        pipeline, partition, against, window, report, findings, snapshot, baseline.rows
    )
    same_season = season(partition, profiled)
    if same_season:
        past = read_profile(pipeline, lake, same_season)
        effects = compare(window, past, policy, columns=columns).effects
        record = record.model_copy(update={"season_effects": _rounded(effects)})
    return Judged(record, window, baseline, report)


def _on_one_grid(
    window: "Profile", parts: "Mapping[str, Profile]"
) -> "tuple[Profile, list[Profile]]":
    """All laid over the newest grids: those may have been renewed in between."""
    from mlops_assets.ml.profiles.profile import regrid

    grids = dict(window.grids)
    for partition in sorted(parts):
        grids |= parts[partition].grids
    return regrid(window, grids), [regrid(part, grids) for part in parts.values()]


def _record(
    pipeline: MLPipeline,
    partition: str,
    against: Baseline,
    window: "Profile",
    report: "Report | None",
    findings: Sequence[Finding],
    snapshot: int | None,
    baseline_rows: int = 0,
) -> DriftRecord:
    drifted = {finding.column for finding in findings if finding.importance is not None}
    told = report is not None and report.status != "unknown" and against.importance
    return DriftRecord(
        partition=partition,
        baseline=against.words,
        baseline_kind=against.kind,
        package_arn=against.package_arn,
        rows=window.rows,
        baseline_rows=baseline_rows,
        status=_status(pipeline, report, findings),
        matters=sum(share(against, name) or 0.0 for name in drifted if name) if told else None,
        findings=tuple(findings),
        effects=_rounded(report.effects) if report else {},
        profile_snapshot=snapshot,
    )


def _status(pipeline: MLPipeline, report: "Report | None", findings: Sequence[Finding]) -> Status:
    """Broken data that the model uses fails; everything else that changed warns."""
    if any(harms(finding) for finding in findings):
        return "failing"
    if report is None or report.status == "unknown":
        return "unknown"
    return "warning" if findings else "healthy"


def harms(finding: Finding) -> bool:
    """Whether a finding tells of broken values in a column that the model uses."""
    used = finding.importance is None or finding.importance >= _TRIFLE
    return finding.kind in BROKEN and used


def broken(findings: Iterable[Finding]) -> list[Finding]:
    """What tells of broken data rather than of a changed world."""
    return [finding for finding in findings if finding.kind in DATA_QUALITY]


def share(against: Baseline, column: str | None) -> float | None:
    """A column's share of the model's importance, 0 to 1; None where the model tells of none.

    Importances of a one-hot column stand under ``column=level`` or the like: they count together.
    """
    if column is None or not against.importance:
        return None
    total = sum(abs(weight) for weight in against.importance.values())
    if not total:
        return None
    own = [w for name, w in against.importance.items() if _of(name, column)]
    return sum(abs(weight) for weight in own) / total


def _of(name: str, column: str) -> bool:
    return name == column or (name.startswith(column) and name[len(column)] in "=[:")


def _told(pipeline: MLPipeline, found: "Found", kind: str, against: Baseline) -> Finding:
    hidden = found.column in pipeline.personal
    feature = kind not in ("label_drift", "prediction_drift")
    return Finding(
        kind=kind,
        column=found.column,
        effect=found.effect,
        threshold=found.threshold,
        p_value=found.p_value,
        importance=share(against, found.column) if feature else None,
        # Least, most and levels of a personal column are personal, too.
        words="changed (values of a personal column are not told)" if hidden else found.words,
    )


def _moved(findings: Iterable["Found"]) -> list["Found"]:
    """Changes of the distribution: labels that are still missing are no drift."""
    kinds = ("drift", "category", "range", "recoded", "unit", "constant", "sentinel", "clipped")
    return [finding for finding in findings if finding.kind in kinds]


def _rounded(effects: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 5) for name, value in effects.items()}


def _hours(
    pipeline: MLPipeline, lake: "Lake", store: Store, partition: str, profiled: Sequence[str]
) -> list["Found"]:
    """What the event times tell; of one column of the partition's own rows."""
    from mlops_assets.ml.drift.hours import hourly, odd_hours

    window = pipeline.partitions.window(partition)
    if window is None or pipeline.event_time is None:
        return []
    times = lake.read(pipeline.table("features"), [partition], columns=[pipeline.event_time])
    counts = hourly(times[pipeline.event_time])
    store.save(pipeline.name, HOURS, partition, EventHours(counts=counts))
    earlier: list[dict[str, int]] = []
    if pipeline.partitions.kind in ("hourly", "daily"):
        days = _HISTORY if pipeline.partitions.kind == "hourly" else _HISTORY // 24
        for name in [p for p in profiled if p < partition][-days:]:
            try:
                earlier.append(store.load(EventHours, pipeline.name, HOURS, name).counts)
            except RecordNotFound:
                continue
    return odd_hours(
        counts, window, earlier=earlier, time_zone=pipeline.partitions.time_zone,
        alpha=pipeline.monitors.drift.alpha,
    )  # fmt: skip


def _predictions(
    pipeline: MLPipeline, lake: "Lake", partition: str, against: Baseline
) -> list[Finding]:
    """The served predictions against those of earlier partitions, where there are any."""
    from mlops_assets.ml.drift.compare import compare

    table = pipeline.table("served_profile")
    if not lake.exists(table):
        return []
    served = lake.partitions(table)
    earlier = [p for p in served if p < partition][-SERVED_BEFORE:]
    if partition not in served or not earlier:
        return []
    window = read_profile(pipeline, lake, [partition], table="served_profile")
    past = read_profile(pipeline, lake, earlier, table="served_profile")
    report = compare(window, past, pipeline.monitors.drift, columns={PREDICTION})
    return [_told(pipeline, f, "prediction_drift", against) for f in _moved(report.findings)]


def _classified(
    pipeline: MLPipeline, lake: "Lake", partition: str, against: Baseline
) -> list[Finding]:
    from mlops_assets.ml.drift.classifier import domain_auc

    policy = pipeline.monitors.drift
    columns = [c for c in pipeline.feature_columns if c not in policy.ignored]
    table = pipeline.table("features")
    window = lake.read(table, [partition], columns=columns)
    # The newest of the baseline: rows are read here, and a few thousand are enough.
    baseline = lake.read(table, list(against.partitions[-3:]), columns=columns)
    auc = domain_auc(window, baseline)
    if auc <= policy.classifier_auc:
        return []
    words = (
        f"a classifier tells this partition's rows from the baseline's (AUC {auc:.3f}, chance is "
        ".5), whatever single columns show: a join on the wrong key?"
    )
    return [
        Finding(
            kind="classifier", column=None, effect=auc, threshold=policy.classifier_auc, words=words
        )
    ]
