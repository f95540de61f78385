"""When a change counts as drift: the thresholds, declared for a pipeline or for one column.

Here: the numbers and their check. Not here: how effects are measured (`effects`) or compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Effect sizes below which a change is none, however significant.

    Args:
        ks: Kolmogorov and Smirnov's distance of a numeric column, 0 to 1.
        shift: how far the probability that a window's value is above a baseline's is from ½: a
            small move of a whole numeric column, which KS sees late (.02 is .07 σ of a normal one).
        categories: total variation distance of a categorical column beyond what chance explains.
        missing: difference of the shares of missing values.
        strange: share of values of a category, or outside of a range, that the baseline lacks;
            or of one single value that it (nearly) lacks.
    """

    ks: float = 0.06
    shift: float = 0.02
    categories: float = 0.04
    missing: float = 0.02
    strange: float = 0.005

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value <= 1:
                raise ValueError(f"drift.{name}: {value} is outside 0 to 1. Give a share above 0.")


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A column is flagged only when its change is significant *and* above an effect floor.

    Args:
        alpha: share of reports on unchanged data that may flag anything, before the floors.
        columns: thresholds of single columns, instead of ``thresholds``.
        ignored: columns that are profiled but never flagged.
        least_rows: below so many rows a side there is insufficient data, never drift.
        band_partitions: with so many baseline partitions or more, a threshold is at least what
            they differ among themselves: mean + ``band_sigmas`` σ of leave-one-out effects.
        matters: drift weighted by the model's feature importance counts as one that *matters*
            from this share of the importance on.
        classifier: also train a classifier to tell the baseline's rows from the window's, which
            sees what no single column shows; reads rows, not profiles.
        classifier_auc: the classifier's AUC above which that is drift.
    """

    alpha: float = 0.001
    thresholds: Thresholds = field(default_factory=Thresholds)
    columns: Mapping[str, Thresholds] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    least_rows: int = 200
    band_partitions: int = 8
    band_sigmas: float = 3.0
    matters: float = 0.1
    classifier: bool = False
    classifier_auc: float = 0.60

    def __post_init__(self) -> None:
        for name in ("alpha", "matters"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ValueError(f"drift.{name}: {value} is outside 0 to 1. Give a share.")
        if not 0.5 < self.classifier_auc < 1:
            raise ValueError(
                f"drift.classifier_auc: {self.classifier_auc} is outside 0.5 to 1. 0.5 is chance."
            )
        if self.least_rows < 2 or self.band_partitions < 3:
            raise ValueError(
                f"drift: least_rows={self.least_rows}, band_partitions={self.band_partitions}: "
                "nothing can be told from fewer than 2 rows or 3 partitions."
            )

    def of(self, column: str) -> Thresholds:
        """The thresholds that hold for a column."""
        return self.columns.get(column, self.thresholds)
