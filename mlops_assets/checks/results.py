"""From findings about partitions to Dagster's check results.

Here: how the findings of a run's partitions become one result. Not here: any finding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg


@dataclass(frozen=True)
class Verdict:
    """What a check found for one partition: whether it holds, a sentence, and the evidence."""

    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def combine(
    name: str,
    verdicts: Mapping[str, Verdict],
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """One result for all partitions of a run: it passes when every partition does.

    The description names the failing partitions, or the only one; evidence is kept for the first
    failing partition, else for the last.
    """
    failed = {key: verdict for key, verdict in verdicts.items() if not verdict.passed}
    shown = failed or verdicts
    evidence = next(iter(failed.values()), None) or list(verdicts.values())[-1]
    return dg.AssetCheckResult(
        check_name=name,
        passed=not failed,
        severity=severity,
        description="\n".join(f"{key}: {verdict.description}" for key, verdict in shown.items()),
        # Dagster draws every number over time; how many there were is not worth a plot.
        metadata={"partitions": _extent(list(verdicts)), **evidence.metadata},
    )


def _extent(keys: Sequence[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{keys[0]} to {keys[-1]} ({len(keys)})"


def warning(name: str, verdicts: Mapping[str, Verdict]) -> dg.AssetCheckResult:
    """As `combine`, but a failure only warns."""
    return combine(name, verdicts, severity=dg.AssetCheckSeverity.WARN)
