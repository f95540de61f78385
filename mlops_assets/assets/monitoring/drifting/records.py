"""What is found of a partition's drift.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from typing import Literal

from pydantic import Field

from mlops_assets.assets.monitoring.records import Record, Status
from mlops_assets.ml.drift.report import Kind

FindingKind = Literal[Kind, "prediction_drift", "label_drift"]


DATA_QUALITY: frozenset[FindingKind] = frozenset(
    {
        "unit",
        "schema",
        "recoded",
        "filled",
        "sentinel",
        "clipped",
        "duplicates",
        "gap",
        "late",
        "all_null",
        "constant",
        "incomparable",
    }
)
"""Kinds that tell of broken data rather than of a changed world: retraining cannot help them."""


class Finding(Record):
    """One thing that changed: what, how much against which bound, and the likely cause in words."""

    kind: FindingKind
    column: str | None
    effect: float | None
    threshold: float | None
    p_value: float | None = None
    importance: float | None = None
    words: str


class DriftRecord(Record):
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
    season_effects: dict[str, float] = Field(default_factory=dict)
    profile_snapshot: int | None = None

    @property
    def broken(self) -> tuple[Finding, ...]:
        """What tells of broken data rather than of a changed world."""
        return tuple(f for f in self.findings if f.kind in DATA_QUALITY)
