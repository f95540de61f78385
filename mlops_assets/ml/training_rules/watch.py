"""A training's metrics as they come, held against its rules: each finding is told once.

Here: the state of one training. Not here: the rules (`stream`), or stopping a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mlops_assets.ml.training_rules.stream import StreamRule

# Points of a metric that are looked back on: each new one is held against all of them.
_KEPT = 1_000


@dataclass(frozen=True)
class Finding:
    """A rule that found something; ``stop``: it was declared that the training ends by it."""

    rule: str
    words: str
    stop: bool


@dataclass
class Watch:
    """Watches one training.

    >>> from mlops_assets.ml.training_rules.stream import Exploding
    >>> watch = Watch((Exploding(metric="loss", stop=True),))
    >>> watch.feed([("loss", 1.0)])
    []
    >>> watch.feed([("loss", float("inf")), ("loss", float("inf"))])
    [Finding(rule='exploding(loss)', words='loss is inf', stop=True)]
    >>> watch.feed([("loss", float("inf"))])
    []
    """

    rules: Sequence[StreamRule]
    findings: list[Finding] = field(default_factory=list)
    _series: dict[str, list[float]] = field(default_factory=dict)

    def feed(self, points: Iterable[tuple[str, float]]) -> list[Finding]:
        """Take the next points, (metric, value) in their order; what is newly found."""
        before = len(self.findings)
        for metric, value in points:
            series = self._series.setdefault(metric, [])
            series.append(value)
            del series[:-_KEPT]
            told = {finding.rule for finding in self.findings}
            self.findings += [
                Finding(rule.name, words, rule.stop)
                for rule in self.rules
                if metric in rule.metrics and rule.name not in told
                if (words := rule.judge(self._series))
            ]
        return self.findings[before:]
