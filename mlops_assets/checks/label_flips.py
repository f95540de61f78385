"""Have labels changed that a model was trained on already? Poisoning, or a source gone wrong.

A label may come late; once it is there it stays, but for the rare correction. Here: comparing two
versions of the same rows, as a whole and by slice, since a poisoner changes few rows of one kind.
Not here: whether to train then (`automation.deciding`).
"""

from collections.abc import Sequence

import pandas as pd

from mlops_assets.checks.results import Verdict

ALL, SLICE = 0.01, 0.05
"""Share of changed labels, of all rows and of a slice's, from which on that is no correction."""
_SLICE_ROWS = 50


def label_flips(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    key: Sequence[str],
    label: str,
    slices: Sequence[str] = (),
) -> Verdict:
    """Whether the labels of rows that both versions have are still the same.

    Args:
        before, after: rows with the columns of key, label and slices; keys are unique. A row
            without a label in either, or in one version only, tells nothing.

    >>> then = pd.DataFrame({"id": range(100), "late": 0.0})
    >>> now = then.assign(late=[1.0, 1.0] + [0.0] * 98)
    >>> label_flips(then, now, key=["id"], label="late").description
    '2 of 100 labels have changed since (2.0 %, 1 % may)'
    """
    names = [*key, label]
    both = after[[*names, *(s for s in slices if s not in names)]].merge(
        before[names], on=list(key), suffixes=("", "_before")
    )
    both = both.loc[both[label].notna() & both[f"{label}_before"].notna()]
    flipped = both[label] != both[f"{label}_before"]
    if both.empty or not flipped.any():
        return Verdict(True, f"{len(both):,} labels are as they were")
    share = flipped.mean()
    if share > ALL:
        return Verdict(
            False,
            f"{int(flipped.sum()):,} of {len(both):,} labels have changed since "
            f"({share:.1%}, {ALL:.0%} may)".replace("%", " %"),
        )
    for column in slices:
        by = flipped.groupby(both[column], observed=True).agg(["mean", "sum", "size"])
        worst = by.loc[by["size"] >= _SLICE_ROWS].sort_values("mean").tail(1)
        if len(worst) and worst["mean"].iloc[0] > SLICE:
            return Verdict(
                False,
                f"{int(worst['sum'].iloc[0]):,} of {int(worst['size'].iloc[0]):,} labels of one "
                f"{column} have changed since ({worst['mean'].iloc[0]:.1%}, {SLICE:.0%} "
                "may)".replace("%", " %"),
            )
    return Verdict(True, f"{int(flipped.sum()):,} of {len(both):,} labels were corrected")
