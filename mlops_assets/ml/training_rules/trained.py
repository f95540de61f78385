"""Rules on what a training was given and what it left: judged once, when it has ended.

Here: one rule each, pure. Not here: reading datasets or artifacts, or what a finding leads to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ClassImbalance:
    """The rarest class is less than ``share`` of the training rows.

    >>> ClassImbalance(share=0.05).judge_labels({"0": 990, "1": 10})
    "class '1' is 1.0 % of 1,000 training rows, below 5 %: the model may never learn to say it"
    >>> ClassImbalance().judge_labels({"0": 990, "1": 110})
    ''
    """

    share: float = 0.01

    @property
    def name(self) -> str:
        return "class_imbalance"

    def judge_labels(self, counts: Mapping[str, int]) -> str:
        """What is wrong with {class: training rows}; empty where nothing is."""
        rows = sum(counts.values())
        if len(counts) < 2:
            return f"all {rows:,} training rows are of class {next(iter(counts), None)!r}"
        rarest = min(counts, key=lambda label: (counts[label], label))
        share = counts[rarest] / rows
        if share >= self.share:
            return ""
        return (
            f"class {rarest!r} is {100 * share:.1f} % of {rows:,} training rows, below "
            f"{100 * self.share:g} %: the model may never learn to say it"
        )


@dataclass(frozen=True, kw_only=True)
class DeadFeatures:
    """More than ``share`` of the columns have no part in the model.

    >>> DeadFeatures(share=0.3).judge_importance({"a": 0.9, "b": 0.1, "c": 0.0, "d": 0.0})
    '2 of 4 columns have no part in the model, more than 30 %: c, d'
    """

    share: float = 0.3

    @property
    def name(self) -> str:
        return "dead_features"

    def judge_importance(self, importance: Mapping[str, float]) -> str:
        """What is wrong with {column: its share of the model's gain}; empty where nothing is."""
        dead = [column for column, share in importance.items() if not share > 0]
        if not importance or len(dead) <= self.share * len(importance):
            return ""
        shown = ", ".join(dead[:10]) + (f" and {len(dead) - 10} more" if len(dead) > 10 else "")
        return (
            f"{len(dead)} of {len(importance)} columns have no part in the model, more than "
            f"{100 * self.share:g} %: {shown}"
        )


TrainedRule = ClassImbalance | DeadFeatures
