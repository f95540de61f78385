"""Rows counted by what every bias metric is made of: group, facet, label and prediction.

Belongs here: the table of counts and its bootstrap. Does not: any metric (`metrics`). Because a
metric needs no more than these counts, resampling rows is drawing counts (one multinomial draw a
repeat), and a thousand repeats cost the same for a hundred rows and for a million.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Cells = NDArray[np.float64]
"""(..., groups, 2, 2, 2): by group, facet (0: advantaged, 1: disadvantaged), label, prediction."""


@dataclass(frozen=True)
class Counts:
    """How many rows there are of each kind, and what is known of them.

    `cells` has the shape (groups, 2, 2, 2), see `Cells`. Where labels, predictions or groups are
    not known, all rows lie in the first place of that axis, and metrics that need them say so.
    """

    cells: NDArray[np.int64]
    labelled: bool
    predicted: bool
    grouped: bool

    @property
    def rows(self) -> int:
        """All rows."""
        return int(self.cells.sum())

    @property
    def advantaged(self) -> int:
        """Rows of facet a."""
        return int(self.cells[:, 0].sum())

    @property
    def disadvantaged(self) -> int:
        """Rows of facet d."""
        return int(self.cells[:, 1].sum())

    def resampled(self, repeats: int, seed: int = 0) -> Cells:
        """The cells of `repeats` bootstrap samples of the rows: (repeats, groups, 2, 2, 2)."""
        if not self.rows:
            return np.zeros((repeats, *self.cells.shape))
        shares = (self.cells / self.rows).ravel()
        drawn = np.random.default_rng(seed).multinomial(self.rows, shares, size=repeats)
        return drawn.reshape(repeats, *self.cells.shape).astype(float)


def tabulate(
    disadvantaged: ArrayLike,
    *,
    label: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
    group: ArrayLike | None = None,
) -> Counts:
    """Count rows, each argument (n,): booleans, and for `group` the stratum of the row.

    A missing group is a stratum of its own. ValueError for arrays of unequal length.

    >>> counts = tabulate([True, True, False], label=[1, 0, 1], predicted=[1, 1, 0])
    >>> counts.rows, counts.advantaged, counts.disadvantaged
    (3, 1, 2)
    """
    facet = _flags("disadvantaged", disadvantaged, None)
    rows = len(facet)
    labels = _flags("label", label, rows)
    answers = _flags("predicted", predicted, rows)
    strata = np.zeros(rows, dtype=np.int64)
    if group is not None:
        strata, _ = pd.factorize(np.asarray(group, dtype=object), use_na_sentinel=False)
        if len(strata) != rows:
            raise ValueError(f"group has {len(strata)} rows, disadvantaged has {rows}")
    groups = int(strata.max()) + 1 if rows else 1
    place = ((strata * 2 + facet) * 2 + labels) * 2 + answers
    cells = np.bincount(place, minlength=groups * 8).reshape(groups, 2, 2, 2)
    return Counts(
        cells,
        labelled=label is not None,
        predicted=predicted is not None,
        grouped=group is not None,
    )


def _flags(name: str, values: ArrayLike | None, rows: int | None) -> NDArray[np.int64]:
    if values is None:
        return np.zeros(rows or 0, dtype=np.int64)
    given = np.asarray(values)
    if given.ndim != 1 or (rows is not None and len(given) != rows):
        raise ValueError(f"{name} has shape {given.shape}, and {rows} rows are due")
    if not np.isin(given, (0, 1)).all():
        raise ValueError(
            f"{name} holds more than true and false: say first which rows are positive"
        )
    return given.astype(np.int64)
