"""What the monitoring stations tell each other and the people: small, typed, stored as JSON.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["healthy", "warning", "failing", "unknown"]
"""``unknown`` (no baseline, too few rows, a gap) is a state of its own, never healthy."""

FindingKind = Literal[
    "drift",
    "missing",
    "category",
    "range",
    "constant",
    "all_null",
    "incomparable",
    "unit",
    "schema",
    "duplicates",
    "gap",
    "late",
    "insufficient",
    "prediction_drift",
    "label_drift",
    "classifier",
]
DATA_QUALITY: frozenset[FindingKind] = frozenset(
    {"unit", "schema", "duplicates", "gap", "late", "all_null", "constant", "incomparable"}
)
"""Kinds that tell of broken data rather than of a changed world: retraining cannot help them."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Record):
    """One thing that changed: what, how much against which bound, and the likely cause in words."""

    kind: FindingKind
    column: str | None
    effect: float | None
    threshold: float | None
    p_value: float | None = None
    importance: float | None = None
    words: str


class Line(_Record):
    """One line of a verdict, as a person reads it."""

    name: str
    figure: str
    bound: str
    status: Status


class DriftRecord(_Record):
    """A partition's features against the champion's training data.

    ``matters``: share (0 to 1) of the model's importance that lies on drifted columns; None where
    no model tells its importances. ``effects``: {column: effect size}, for the heat map.
    ``season_effects``: the same against the same season, where there is one.
    """

    partition: str
    baseline: str
    baseline_kind: Literal["champion", "earlier", "none"]
    package_arn: str | None
    rows: int
    baseline_rows: int
    status: Status
    matters: float | None
    findings: tuple[Finding, ...]
    effects: dict[str, float]
    season_effects: dict[str, float] = {}
    profile_snapshot: int | None = None

    @property
    def broken(self) -> tuple[Finding, ...]:
        """What tells of broken data rather than of a changed world."""
        return tuple(f for f in self.findings if f.kind in DATA_QUALITY)


class Interval(_Record):
    """A figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class PerformanceRecord(_Record):
    """How good the served answers of a partition are, as far as its labels are known.

    ``estimate``: before the labels, assuming that P(y|x) is unchanged; it never silences what is
    realised. ``versions``: {model package version: captured rows}. ``inputs``: {table: snapshot},
    what was read; the same inputs need no second look.
    """

    partition: str
    versions: dict[str, int]
    captured: int
    labelled: int
    expected: int | None
    status: Status
    metrics: dict[str, Interval]
    estimate: dict[str, float]
    held_out: dict[str, float]
    lines: tuple[Line, ...]
    slices: tuple[dict[str, str | int | float], ...] = ()
    inputs: dict[str, int | None] = {}


class SkewRecord(_Record):
    """Captured feature rows against the same rows recomputed offline, value by value."""

    partition: str
    captured: int
    offline: int
    compared: int
    different_rows: int
    columns: dict[str, int]
    status: Status
    words: str


class Decision(_Record):
    """What an automation decided on which evidence, and why; kept for good, in order of time.

    ``action``: ``retrain`` and ``roll_back`` start a run; ``hold`` says why not (nothing to learn,
    broken data, no gain expected); ``wait`` comes back to it (pause, budget, one is running).
    """

    at: str
    pipeline: str
    trigger: str
    partition: str
    action: Literal["retrain", "roll_back", "hold", "wait"]
    words: str
    evidence: dict[str, str] = {}
    run_key: str | None = None
