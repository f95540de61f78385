"""One partition's audit read together with those of the others.

A month has thirty days, which are thirty pieces of evidence and no more: what is worth little, or
concerns few rows, only shows over several partitions, each answered by the model that had not seen
it. Here: that reading. Not here: what is made of it (`audit_verdicts`), the pooling (`ml.pooling`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from mlops_assets.assets.monitoring.auditing.audit_model import Audit
from mlops_assets.assets.monitoring.auditing.records import AuditRecord, Figure
from mlops_assets.ml.pooling import Estimate, pooled


@dataclass(frozen=True)
class Evidence:
    """What was found of a partition (``newest``), and what is kept ``of_all`` partitions."""

    newest: AuditRecord
    of_all: tuple[AuditRecord, ...]

    @cached_property
    def alike(self) -> tuple[AuditRecord, ...]:
        """Those of the same features in the same metric, in order of their partitions."""
        others = [
            record
            for record in self.of_all
            if record.partition != self.newest.partition
            and record.metric == self.newest.metric
            and record.features.keys() == self.newest.features.keys()
        ]
        return tuple(sorted([*others, self.newest], key=lambda record: record.partition))

    @cached_property
    def features(self) -> dict[str, Estimate]:
        """{feature: what it is worth}, the most valuable first."""
        found = {
            name: pooled([_estimate(record.features[name]) for record in self.alike])
            for name in self.newest.features
        }
        return dict(sorted(found.items(), key=lambda item: (-item[1].value, item[0])))

    @cached_property
    def slices(self) -> dict[str, Estimate]:
        """{slice of the newest: its gain over its own mean}."""
        return {
            name: pooled([_estimate(r.slices[name]) for r in self.alike if name in r.slices])
            for name in self.newest.slices
        }

    @cached_property
    def newest_slices(self) -> dict[str, Estimate]:
        return {name: _estimate(figure) for name, figure in self.newest.slices.items()}

    @property
    def span(self) -> str:
        """Which partitions, in words."""
        first, last = self.alike[0].partition, self.alike[-1].partition
        return first if first == last else f"{first} to {last}, {len(self.alike)} partitions"


def recorded(found: Audit, partition: str, artifact_digest: str) -> AuditRecord:
    """What is kept of an audit."""
    return AuditRecord(
        partition=partition,
        artifact_digest=artifact_digest,
        metric=found.metric,
        features=_figures({name: b.worth for b in found.benefits for name in b.features}),
        slices=_figures({each.name: each.gain for each in found.slices}),
    )


def _figures(estimates: Mapping[str, Estimate]) -> dict[str, Figure]:
    return {
        name: Figure(rows=each.rows, value=each.value, low=each.low, high=each.high)
        for name, each in estimates.items()
    }


def _estimate(figure: Figure) -> Estimate:
    return Estimate(figure.rows, figure.value, figure.low, figure.high)
