"""All effects of all columns of two windows, with their thresholds and p-values.

Here: which effects a column has, and what is asked at which alpha. Not here: the statistics
(`effects`), what flagged ones mean (`diagnosis`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mlops_assets.ml.drift.effects import (
    atoms,
    category_change,
    kolmogorov_smirnov,
    rank_shift,
    share_change,
    surprise,
)
from mlops_assets.ml.drift.policy import Drift, Thresholds
from mlops_assets.ml.drift.report import Measure, Name
from mlops_assets.ml.drift.sides import Categories, Numbers

Column = Numbers | Categories
Pair = tuple[Column, Column]
Band = Mapping[str, Mapping[str, float]]

# A numeric column is asked for KS, shift, missing and strange, a categorical one for three.
_TESTS = 4
_FLOORS: Mapping[Name, Callable[[Thresholds], float]] = {
    "ks": lambda t: t.ks,
    "shift": lambda t: t.shift,
    "categories": lambda t: t.categories,
    "missing": lambda t: t.missing,
    "strange": lambda t: t.strange,
    "atom": lambda t: t.strange,
}


def measure(
    pairs: Sequence[Pair], policy: Drift, band: Band | None = None
) -> tuple[dict[str, dict[str, Measure]], dict[str, int]]:
    """{column: {name: measure}} of pairs (window, baseline), and {column: bin of its atom}.

    Effects on the distribution are left out where fewer than ``policy.least_rows`` values are
    present on a side.
    """
    if not pairs:
        return {}, {}
    alpha = policy.alpha / (_TESTS * len(pairs))
    found: dict[str, dict[str, Measure]] = {window.name: {} for window, _ in pairs}

    def add(column: str, name: Name, effect: float, p: float) -> None:
        floor = _FLOORS[name](policy.of(column))
        usual = (band or {}).get(column, {}).get(name, 0.0)
        found[column][name] = Measure(
            column, name, float(effect), max(floor, usual), float(p), alpha
        )

    effects, p = share_change(
        [w.missing for w, _ in pairs],
        [w.rows for w, _ in pairs],
        [b.missing for _, b in pairs],
        [b.rows for _, b in pairs],
    )
    for (window, _), effect, value in zip(pairs, effects, p, strict=True):
        add(window.name, "missing", effect, value)

    numbers: list[tuple[Numbers, Numbers]] = []
    for window, baseline in pairs:
        if min(window.present, baseline.present) < policy.least_rows:
            continue
        if isinstance(window, Numbers) and isinstance(baseline, Numbers):
            numbers.append((window, baseline))
        elif isinstance(window, Categories) and isinstance(baseline, Categories):
            for name, effect, value in _categories(window, baseline):
                add(window.name, name, effect, value)
    if not numbers:
        return found, {}

    here = np.stack([w.counts for w, _ in numbers])
    there = np.stack([b.counts for _, b in numbers])
    names = [w.name for w, _ in numbers]
    strange, unlikely = _outside(numbers)
    # The two bins that hold all that overflows hold no single value.
    share, chance, places = atoms(here[:, 1:-1], there[:, 1:-1], here.sum(1), there.sum(1))
    tests: tuple[tuple[Name, np.ndarray, np.ndarray], ...] = (
        ("ks", *kolmogorov_smirnov(here, there)),
        ("shift", *rank_shift(here, there)),
        ("strange", strange, unlikely),
        ("atom", share, chance),
    )
    for test, effects, p in tests:
        for column, effect, value in zip(names, effects, p, strict=True):
            add(column, test, effect, value)
    return found, {name: int(place) + 1 for name, place in zip(names, places, strict=True)}


def _outside(pairs: Sequence[tuple[Numbers, Numbers]]) -> tuple[np.ndarray, np.ndarray]:
    """Shares of values that are infinite or out of the baseline's range, and their p-values."""
    count = np.array([w.outside(b) for w, b in pairs], dtype=float)
    n = np.array([w.present for w, _ in pairs], dtype=float)
    m = np.array([b.present for _, b in pairs], dtype=float)
    return count / n, np.exp(-surprise(count, np.zeros_like(count), n, m))


def _categories(window: Categories, baseline: Categories) -> list[tuple[Name, float, float]]:
    levels = sorted(window.counts.keys() | baseline.counts.keys())
    here = np.array([window.counts.get(v, 0) for v in levels] + [window.other], dtype=np.int64)
    there = np.array([baseline.counts.get(v, 0) for v in levels] + [baseline.other], dtype=np.int64)
    change, p = category_change(here, there)
    # What the baseline's cap left out may be any of the levels that it does not name.
    new = int(here[:-1][there[:-1] == 0].sum())
    share = max(new / window.present - baseline.other / baseline.present, 0.0)
    evidence = surprise(new, baseline.other, window.present, baseline.present)
    return [("categories", change, p), ("strange", share, float(np.exp(-evidence)))]
