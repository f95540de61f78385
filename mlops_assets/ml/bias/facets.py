"""Which rows belong to a facet, and which labels and answers count as positive.

Belongs here: turning columns into the booleans that `counts` takes. Does not: counting them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Membership:
    """By row: is it of the disadvantaged facet, and is that known at all (the value is there)."""

    disadvantaged: Flags
    known: Flags


def membership(
    values: pd.Series, *, disadvantaged: Sequence[object] = (), above: float | None = None
) -> Membership:
    """The rows whose value is one of `disadvantaged`, or a number above a bound.

    A missing value belongs to neither facet.

    >>> membership(pd.Series(["AA", "9E", None]), disadvantaged=["9E"]).disadvantaged.tolist()
    [False, True, False]
    >>> membership(pd.Series([70.0, 20.0]), above=60).disadvantaged.tolist()
    [True, False]
    """
    known = values.notna().to_numpy(bool)
    if above is None:
        return Membership(values.isin(list(disadvantaged)).to_numpy(bool) & known, known)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(float)
    known = ~np.isnan(numbers)
    return Membership(np.where(known, numbers, -np.inf) > above, known)


def written(disadvantaged: Sequence[object] = (), above: float | None = None) -> str:
    """The facet's value as Clarify writes it: ``9E, EV`` or ``(60.0, inf)``."""
    return f"({float(above)}, inf)" if above is not None else ", ".join(map(str, disadvantaged))


def at_least(values: ArrayLike, threshold: float) -> Flags:
    """Probabilities from a threshold on are positive answers."""
    return np.asarray(np.asarray(values, dtype=float) >= threshold)


def above(values: ArrayLike, bound: float) -> Flags:
    """Numbers above a bound are positive: how a regression's labels and answers are read."""
    return np.asarray(np.asarray(values, dtype=float) > bound)
