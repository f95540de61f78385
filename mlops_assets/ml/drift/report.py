"""What a comparison of two windows says: findings in words, and the figures they stand on.

Here: the fields. Not here: how anything is found (`compare`, `diagnosis`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "drift",
    "missing",
    "category",
    "range",
    "constant",
    "all_null",
    "incomparable",
    "unit",
    "schema",
    "recoded",
    "filled",
    "sentinel",
    "clipped",
    "duplicates",
    "gap",
    "late",
    "insufficient",
    "classifier",
]
Name = Literal["ks", "shift", "categories", "missing", "strange", "atom"]


@dataclass(frozen=True)
class Measure:
    """One effect of one column: how large, from where on it counts, and whether chance explains it.

    Args:
        effect: a share of rows, 0 to 1; signed for ``shift`` and ``missing`` (window − baseline).
        threshold: the floor, or the baseline's own band where that is higher.
    """

    column: str
    name: Name
    effect: float
    threshold: float
    p_value: float
    alpha: float

    @property
    def flagged(self) -> bool:
        """Significant *and* above the threshold."""
        return self.p_value <= self.alpha and abs(self.effect) >= self.threshold


@dataclass(frozen=True)
class Finding:
    """One thing that changed, with the likely cause in words."""

    kind: Kind
    column: str | None
    words: str
    effect: float | None = None
    threshold: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Report:
    """A window against a baseline.

    Args:
        status: ``unknown`` where there are too few rows to tell; ``changed`` with any finding.
        effects: {column: the largest of its effects}: at least this share of its rows changed.
    """

    rows: int
    baseline_rows: int
    status: Literal["unchanged", "changed", "unknown"]
    findings: tuple[Finding, ...]
    effects: Mapping[str, float] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()

    @property
    def flagged(self) -> tuple[str, ...]:
        """The columns with a finding, in order."""
        return tuple(dict.fromkeys(f.column for f in self.findings if f.column is not None))
