"""All effects of all columns of two windows, with their thresholds and p-values.

Here: which effects a column has, and what is asked at which alpha. Not here: the statistics
(`effects`), what flagged ones mean (`diagnosis`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mlops_assets.ml.drift.effects import (
    Counts,
    Floats,
    atom_chance,
    atoms,
    category_change,
    kolmogorov_smirnov,
    rank_shift,
    share_change,
    surprise,
)
from mlops_assets.ml.drift.policy import Drift, Thresholds
from mlops_assets.ml.drift.report import Measure, Name
from mlops_assets.ml.drift.sides import Atom, Categories, Numbers

Column = Numbers | Categories
Pair = tuple[Column, Column]
Band = Mapping[str, Mapping[str, float]]

# A numeric column is asked for KS, shift, missing and strange, a categorical one for three.
_TESTS = 4
_CLUMPS = 2.0
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
) -> tuple[dict[str, dict[str, Measure]], dict[str, Atom]]:
    """{column: {name: measure}} of pairs (window, baseline), and {column: its largest atom}.

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
    share, chance, found_atoms = _atoms(numbers, here, there)
    tests: tuple[tuple[Name, Floats, Floats], ...] = (
        ("ks", *kolmogorov_smirnov(here, there)),
        ("shift", *rank_shift(here, there)),
        ("strange", strange, unlikely),
        ("atom", share, chance),
    )
    for test, effects, p in tests:
        for column, effect, value in zip(names, effects, p, strict=True):
            add(column, test, effect, value)
    return found, dict(zip(names, found_atoms, strict=True))


def _outside(pairs: Sequence[tuple[Numbers, Numbers]]) -> tuple[Floats, Floats]:
    """Shares of values that are infinite or out of the baseline's range, and their p-values."""
    count = np.array([w.outside(b) for w, b in pairs], dtype=float)
    n = np.array([w.present for w, _ in pairs], dtype=float)
    m = np.array([b.present for _, b in pairs], dtype=float)
    return count / n, np.exp(-surprise(count, np.zeros_like(count), n, m))


def _atoms(
    pairs: Sequence[tuple[Numbers, Numbers]], here: Counts, there: Counts
) -> tuple[Floats, Floats, list[Atom]]:
    """Share, p-value and place of each column's largest atom, on the grid or beyond it."""
    n, m = here.sum(axis=1), there.sum(axis=1)
    # The two bins that hold all that overflows hold no single value.
    shares, chances, places = atoms(here[:, 1:-1], there[:, 1:-1], n, m)
    found = []
    for row, (window, baseline) in enumerate(pairs):
        far = window.far_atom(baseline)
        if far is not None and (share := far[0] / n[row] - far[1] / m[row]) > shares[row]:
            shares[row] = share
            chances[row] = atom_chance(surprise(far[0], far[1], n[row], m[row]))
            found.append(far[2])
        else:
            found.append(window.atom(int(places[row]) + 1))
    return shares, chances, found


def _categories(window: Categories, baseline: Categories) -> list[tuple[Name, float, float]]:
    levels = sorted(window.counts.keys() | baseline.counts.keys())
    here = np.array([window.counts.get(v, 0) for v in levels] + [window.other], dtype=np.int64)
    there = np.array([baseline.counts.get(v, 0) for v in levels] + [baseline.other], dtype=np.int64)
    change, p = category_change(here, there)
    return [("categories", change, p), ("strange", *_new_levels(here, there))]


def _new_levels(here: Counts, there: Counts) -> tuple[float, float]:
    """The share of rows of levels that the baseline lacks, beyond chance, and its p-value.

    Where levels are many and rare, some are new by chance: about as many rows as the baseline has
    of levels seen once (Good 1953, "The population frequencies of species"). A single level is
    judged by its own count. What caps left unnamed (the last cell) may be any level.
    """
    n, m = float(here.sum()), float(there.sum())
    new = here[:-1][there[:-1] == 0]
    once = float((there[:-1] == 1).sum()) + float(there[-1])
    share = max(float(new.sum()) / n - once / m, 0.0)
    if not share:
        return 0.0, 1.0
    single = float(surprise(new.max(), there[-1], n, m)) - np.log(len(here))
    # Rows of a rare level come in clumps, which makes their sum vary more than a count does.
    pooled = float(surprise(new.sum(), once, n, m)) / _CLUMPS
    return share, float(np.exp(-max(single, pooled, 0.0)))
