"""What is watched of a pipeline, and what follows from it: the monitoring part of a declaration.

Here: monitors, performance bounds, facets, retraining and alerts, each checked when it is made. Not
here: any measurement (`ml`), what the stations do (`assets.monitoring`), sensors (`automation`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlops_assets.declaration import Gate, Label, require
from mlops_assets.ml.bias.metrics import NAMES as BIAS_METRICS
from mlops_assets.ml.drift.policy import Drift, Thresholds
from mlops_assets.ml.metrics import IN_LABELS_UNIT

__all__ = [
    "Alerts",
    "Drift",
    "Facet",
    "Monitors",
    "Performance",
    "Retraining",
    "Thresholds",
    "Trigger",
]

Trigger = Literal["drift", "performance", "freshness", "schedule", "code", "labels"]
TRIGGERS: tuple[Trigger, ...] = (
    "drift",
    "performance",
    "freshness",
    "schedule",
    "code",
    "labels",
)


@dataclass(frozen=True, kw_only=True)
class Performance:
    """When a served model counts as worse than promised.

    Args:
        bounds: on metrics of captured predictions with their labels; by default the gates that
            the model passed to be registered.
        tolerance: how much worse than the champion's own held-out figure the primary metric may
            be, beyond its confidence interval: in points of a metric that has no unit (AUC,
            log-loss, accuracy, R²).
        tolerance_share: the same for metrics in the label's unit (RMSE, MAE, bias), as a share of
            the champion's held-out error: .05 allows an RMSE of 21 where 20 was promised.
        least_rows: with fewer labelled rows the performance is unknown.
        labels_within: labels come at most so long after the event; what has none by then counts
            as never labelled.
        capture_gap: share of a partition's rows that may lack a captured prediction before that
            is told as a gap.
    """

    bounds: tuple[Gate, ...] = ()
    tolerance: float = 0.02
    tolerance_share: float = 0.05
    least_rows: int = 500
    labels_within: dt.timedelta = dt.timedelta(days=7)
    capture_gap: float = 0.05

    def __post_init__(self) -> None:
        require(
            self.tolerance >= 0 and self.least_rows >= 1 and 0 <= self.capture_gap <= 1,
            "monitors.performance",
            f"tolerance={self.tolerance}, least_rows={self.least_rows}, "
            f"capture_gap={self.capture_gap} are no bounds",
            "Give a tolerance from 0 on, at least one row, and a share",
        )
        require(
            0 <= self.tolerance_share <= 1,
            "monitors.performance.tolerance_share",
            f"{self.tolerance_share} is no share",
            "Give the share of the held-out error that may be lost, such as 0.05",
        )

    def allowed(self, metric: str, held_out: Mapping[str, float]) -> float | None:
        """How much worse a metric may be, in its own unit.

        Args:
            held_out: the champion's held-out figures. A bias, which may be 0, is measured by the
                error beside it.

        None for a metric in the label's unit of which no held-out error is known.

        >>> watched = Performance()
        >>> watched.allowed("auc", {}), watched.allowed("rmse", {"rmse": 20.0})
        (0.02, 1.0)
        """
        if metric not in IN_LABELS_UNIT:
            return self.tolerance
        errors = (held_out.get(name) for name in (metric, "mae", "rmse") if name != "bias")
        error = next((value for value in errors if value is not None), None)
        return None if error is None else self.tolerance_share * error


@dataclass(frozen=True, kw_only=True)
class Facet:
    """A group of rows that must not be treated worse than the others.

    Args:
        column: of ``features``.
        disadvantaged: values of a category; or, by ``above``, numbers above a bound.
        gates: {Clarify's metric, such as ``DPPL``: (lowest, highest)}; outside them the check
            fails. Without gates the figures are shown and nothing fails.
    """

    column: str
    disadvantaged: tuple[str | int | bool, ...] = ()
    above: float | None = None
    gates: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            bool(self.disadvantaged) != (self.above is not None),
            f"monitors.facets[{self.column!r}]",
            "needs exactly one of disadvantaged and above",
            "Write Facet(column='carrier', disadvantaged=('F9',)) or Facet(column='age', above=60)",
        )
        for metric, (low, high) in self.gates.items():
            require(
                metric in BIAS_METRICS,
                f"monitors.facets[{self.column!r}].gates",
                f"{metric!r} is none of Clarify's metrics",
                f"Choose from {', '.join(BIAS_METRICS)}",
            )
            require(
                low <= high,
                f"monitors.facets[{self.column!r}].gates[{metric!r}]",
                f"{low} to {high} is no range",
                "Give (lowest, highest)",
            )


@dataclass(frozen=True, kw_only=True)
class Monitors:
    """What is watched, from the rows on their way in to the served model's answers.

    Args:
        quarantine_share: the share of bad rows above which nothing downstream may run.
        rows: bounds on the clean rows of a partition; outside them the check warns.
        label_share: bounds on the mean of the label; outside them the check warns.
        point_in_time_rows: how many rows of a partition are recomputed from truncated data.
        positive_classes: of a multiclass label, the classes that count as positive ones in bias
            metrics; needed where facets are declared.
        decision_threshold: the probability from which an answer counts as a positive one (in bias
            metrics and accuracy).
        explained_rows: how many rows of a partition are explained by SHAP values.
        label_queue: how many rows a partition are exported for labelling; 0: none.
        quiet_after: a source that should have delivered and has not for so long is told; None:
            it is not watched.
    """

    quarantine_share: float = 0.01
    rows: tuple[int, int | None] = (1, None)
    label_share: tuple[float, float] | None = None
    point_in_time_rows: int = 20
    drift: Drift = field(default_factory=Drift)
    performance: Performance = field(default_factory=Performance)
    facets: tuple[Facet, ...] = ()
    positive_classes: tuple[str, ...] = ()
    decision_threshold: float = 0.5
    explained_rows: int = 500
    label_queue: int = 0
    quiet_after: dt.timedelta | None = None

    def __post_init__(self) -> None:
        require(
            0 < self.decision_threshold < 1,
            "monitors.decision_threshold",
            f"{self.decision_threshold} is no probability",
            "Give a number between 0 and 1",
        )
        require(
            self.explained_rows >= 1 and self.label_queue >= 0,
            "monitors",
            f"explained_rows={self.explained_rows}, label_queue={self.label_queue}",
            "Explain at least one row; 0 turns the label queue off",
        )

    def check_label(self, label: Label) -> None:
        """Raise DeclarationError unless the monitors fit the kind of label."""
        strange = sorted(set(self.positive_classes) - set(label.classes))
        require(
            not strange,
            "monitors.positive_classes",
            f"{strange} are no classes of {label.column}",
            f"Choose from {', '.join(label.classes)}" if label.classes else "Leave it empty",
        )
        require(
            bool(self.positive_classes) or label.kind != "multiclass" or not self.facets,
            "monitors.positive_classes",
            "is empty, and bias metrics ask which classes are positive ones",
            f"Name some of {', '.join(label.classes)}",
        )


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """When a new model is trained by itself, within what bounds, and what undoes a bad one.

    Each reason has a sensor of its own, which somebody turns on in the UI; ``on`` says which
    exist. Nothing is trained while a model of the pipeline is being trained.

    Args:
        on: what starts a training.
        cron: when, for the reason ``schedule``.
        stale_after: the number of newer partitions with features from which on the champion counts
            as stale, for the reason ``freshness``.
        fresh_for: the model asset is shown as stale in the UI when so old; None: no policy.
        per_day: trainings that may start by themselves in 24 hours.
        pause: after one started, so long no other starts.
        worth_it: ask before training whether evidence says that it cannot help.
        roll_back: take out a champion that quality or skew condemns, by itself.
    """

    on: tuple[Trigger, ...] = ("drift", "performance", "freshness", "code")
    cron: str | None = None
    stale_after: int = 3
    fresh_for: dt.timedelta | None = None
    per_day: int = 4
    pause: dt.timedelta = dt.timedelta(minutes=30)
    worth_it: bool = True
    roll_back: bool = True

    def __post_init__(self) -> None:
        unknown = [name for name in self.on if name not in TRIGGERS]
        require(
            not unknown,
            "retraining.on",
            f"{unknown} start no training",
            f"Choose from {', '.join(TRIGGERS)}",
        )
        require(
            ("schedule" in self.on) == (self.cron is not None),
            "retraining.cron",
            f"is {self.cron!r}, and schedule is {'' if 'schedule' in self.on else 'not '}in `on`",
            "Give both, as in on=('schedule',), cron='0 6 * * 1', or neither",
        )
        require(
            self.stale_after >= 1 and self.per_day >= 1 and self.pause >= dt.timedelta(0),
            "retraining",
            f"stale_after={self.stale_after}, per_day={self.per_day}, pause={self.pause}",
            "Give at least 1 partition, at least 1 training a day, and no negative pause",
        )


METRICS = (
    "DriftedColumns",
    "DriftedImportance",
    "DriftStatus",
    "FreshnessHours",
    "LabelledShare",
    "PerformanceStatus",
    "QuarantinedRows",
    "QuarantinedShare",
    "Rows",
    "SkewShare",
    "SkewStatus",
)
"""What CloudWatch is told; a status is 0 healthy, 1 warning, 2 failing."""


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """Who is told. The log always is; topic and webhook are settings of the environment
    (``MLOPS_ALERT_TOPIC_ARN``, ``MLOPS_ALERT_WEBHOOK``).

    Args:
        from_level: warnings too, or only what pages.
        repeat_after: the same alarm is told again only after so long.
        above: {metric of CloudWatch: bound}: alarms of CloudWatch on what the monitors send there
            (where ``MLOPS_METRICS_NAMESPACE`` is set), such as ``{"DriftStatus": 1.5}``.
    """

    from_level: Literal["warning", "page"] = "warning"
    repeat_after: dt.timedelta = dt.timedelta(days=1)
    above: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.above:
            require(
                name in METRICS or name.startswith(("Performance.", "Estimate.")),
                "alerts.above",
                f"{name!r} is no metric that the monitors send",
                f"Choose from {', '.join(METRICS)}, or Performance.<metric>",
            )
