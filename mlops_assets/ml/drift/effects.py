"""How much a column changed between two windows, and whether chance explains it: counts in, an
effect and a p-value out, for all columns at once.

Every effect is a share of rows, 0 to 1, and a lower bound of the total variation distance: at least
so many rows would have to be other ones. Here: the statistics. Not here: which effect is too large
(`policy`, `band`), what it tells (`compare`, `diagnosis`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

# A profile's 4,096 bins, and as many cells beyond them as 48 octaves have.
_PLACES = 4096 + 2 * 64 * 48
# Chi² is no good approximation below so many expected rows a cell (Cochran 1954).
_LEAST_EXPECTED = 5.0
ATOM = 5.0
"""A value is an atom when it holds so many times what the bins beside it hold, and so many times
what the baseline has there and what its bins hold at most, `KNOWN_ATOMS` of them aside."""
NEIGHBOURS = 2
KNOWN_ATOMS = 3


def kolmogorov_smirnov(window: Counts, baseline: Counts) -> tuple[Floats, Floats]:
    """Largest distance of the distribution functions, and its p-value, for each row of counts.

    Args:
        window, baseline: counts by bin, shape (columns, bins), on the same bins.

    The p-value is Kolmogorov's asymptotic one (Numerical Recipes, section 14.3, without its
    small-sample term), which errs to the cautious side for binned and tied values.

    >>> effect, p = kolmogorov_smirnov(np.array([[90, 10]]), np.array([[50, 50]]))
    >>> round(float(effect[0]), 3), bool(p[0] < 1e-6)
    (0.4, True)
    """
    n, m = window.sum(axis=1), baseline.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(
            np.cumsum(window, axis=1) / n[:, None] - np.cumsum(baseline, axis=1) / m[:, None]
        ).max(axis=1)
        scaled = np.sqrt(n * m / (n + m)) * distance
    terms = np.arange(1, 101)[None, :]
    # The series converges fast where it matters, and not at all near 0, where p is 1.
    series = 2 * ((-1.0) ** (terms - 1) * np.exp(-2 * (terms * scaled[:, None]) ** 2)).sum(axis=1)
    return _known(distance), np.where(scaled > 0.2, np.clip(series, 0.0, 1.0), 1.0)


def rank_shift(window: Counts, baseline: Counts) -> tuple[Floats, Floats]:
    """How far P(window > baseline) + ½ P(equal) is from ½, signed, and its two-sided p-value.

    Mann and Whitney's test on bins, with the variance corrected for ties (Lehmann, Nonparametrics,
    section 1.4). It sees a small move of the whole column, for which the distribution functions
    differ little at any one place: .1 σ of a normal column is .028 here, and .040 by KS.

    >>> effect, p = rank_shift(np.array([[0, 100]]), np.array([[50, 50]]))
    >>> float(effect[0])
    0.25
    """
    n, m = window.sum(axis=1), baseline.sum(axis=1)
    total = n + m
    below = np.cumsum(baseline, axis=1) - 0.5 * baseline
    ties = (window + baseline).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.einsum("cb,cb->c", window.astype(float), below) / (n * m.astype(float)) - 0.5
        tied = np.einsum("cb,cb->c", ties, ties * ties - 1.0) / (total * (total - 1.0))
        deviation = np.sqrt(np.maximum(total + 1.0 - tied, 0.0) / (12.0 * n * m))
        z = effect / deviation
    return _known(effect), _two_sided(z)


def category_change(window: Counts, baseline: Counts) -> tuple[float, float]:
    """Total variation beyond what chance explains, and chi²'s p-value with rare levels pooled.

    Args:
        window, baseline: counts by level, shape (levels,), in the same order.

    The expectation under no change is that of half-normal differences: ½ Σ √(2/π · p(1-p)(1/n +
    1/m)) with the pooled share p. Levels with fewer than 5 expected rows a side are one level.

    >>> effect, p = category_change(np.array([700, 300]), np.array([500, 500]))
    >>> round(effect, 2), p < 1e-6
    (0.18, True)
    """
    from scipy.special import chdtrc

    n, m = int(window.sum()), int(baseline.sum())
    if not n or not m:
        return 0.0, 1.0
    both = window + baseline
    share = both / (n + m)
    distance = 0.5 * float(np.abs(window / n - baseline / m).sum())
    expected = 0.5 * float(np.sqrt(2 / np.pi * share * (1 - share) * (1 / n + 1 / m)).sum())
    rare = share * min(n, m) < _LEAST_EXPECTED
    cells = np.array(
        [
            np.append(window[~rare], window[rare].sum()),
            np.append(baseline[~rare], baseline[rare].sum()),
        ],
        dtype=float,
    )
    cells = cells[:, cells.sum(axis=0) > 0]
    if cells.shape[1] < 2:
        return max(distance - expected, 0.0), 1.0
    usual = np.outer(cells.sum(axis=1), cells.sum(axis=0)) / (n + m)
    statistic = float(((cells - usual) ** 2 / usual).sum())
    return max(distance - expected, 0.0), float(chdtrc(cells.shape[1] - 1, statistic))


def share_change(
    window: ArrayLike, n: ArrayLike, baseline: ArrayLike, m: ArrayLike
) -> tuple[Floats, Floats]:
    """Difference of two shares, signed, and the p-value of the likelihood-ratio test (G-test).

    >>> effect, p = share_change([100], 1000, [50], 1000)
    >>> round(float(effect[0]), 3), round(float(p[0]), 6)
    (0.05, 1.8e-05)
    """
    from scipy.special import chdtrc, xlogy

    k, n, j, m = (np.asarray(values, dtype=float) for values in (window, n, baseline, m))
    with np.errstate(divide="ignore", invalid="ignore"):
        both, total = k + j, n + m
        statistic = 2.0 * (
            xlogy(k, k * total / (both * n))
            + xlogy(j, j * total / (both * m))
            + xlogy(n - k, (n - k) * total / ((total - both) * n))
            + xlogy(m - j, (m - j) * total / ((total - both) * m))
        )
        effect = k / n - j / m
    return _known(effect), chdtrc(1, np.maximum(_known(statistic), 0.0))


def surprise(window: ArrayLike, baseline: ArrayLike, n: ArrayLike, m: ArrayLike) -> Floats:
    """How unlikely it is that so many of a value's rows fell into the window: -ln of a bound.

    Chernoff's bound of the binomial tail: T·KL(k/T ‖ n/(n+m)) for k of the T rows in the window.
    For a value that the baseline lacks it is exact, k·ln((n+m)/n).

    >>> round(float(surprise(10, 0, 1000, 1000)), 3)  # 10·ln 2
    6.931
    """
    from scipy.special import xlogy

    k, j, n, m = (np.asarray(values, dtype=float) for values in (window, baseline, n, m))
    with np.errstate(divide="ignore", invalid="ignore"):
        total, part = k + j, n / (n + m)
        found = xlogy(k, k / (total * part)) + xlogy(j, j / (total * (1 - part)))
        return np.where(k / n > j / m, np.maximum(_known(found), 0.0), 0.0)


def atoms(
    window: Counts, baseline: Counts, n: Counts, m: Counts
) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """The largest share of window rows in one bin where neither the baseline nor the bins beside
    it hold any such mass: a sentinel, a default, a clipped tail.

    Args:
        window, baseline: counts by bin, (columns, bins); ``n`` and ``m`` rows in all, (columns,).

    Returns the bin's gain, the p-value (times the number of bins looked at), and the bin, a column
    each. A smooth density that narrows is no atom, however few bins it fills.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        here, there = _known(window / n[:, None]), _known(baseline / m[:, None])
    beside = np.zeros_like(here)
    for step in range(1, NEIGHBOURS + 1):
        beside[:, step:] = np.maximum(beside[:, step:], here[:, :-step])
        beside[:, :-step] = np.maximum(beside[:, :-step], here[:, step:])
    # Weather, prices and sizes are full of values that many rows share: one more is no sentinel.
    usual = np.maximum(there, heaviest(there)[:, None])
    gain = np.where((here >= ATOM * usual) & (here >= ATOM * beside), here - there, 0.0)
    place = gain.argmax(axis=1)
    row = np.arange(len(gain))
    evidence = surprise(window[row, place], baseline[row, place], n, m)
    return gain[row, place], atom_chance(evidence), place


def heaviest(shares: Floats) -> Floats:
    """The largest share of a bin, the few that hold more than others aside; a column each."""
    place = max(shares.shape[1] - 1 - KNOWN_ATOMS, 0)
    return np.partition(shares, place, axis=1)[:, place]


def atom_chance(evidence: ArrayLike) -> Floats:
    """The p-value of an atom's `surprise`, times the number of places that one may be found at."""
    return np.minimum(_PLACES * np.exp(-np.asarray(evidence, dtype=float)), 1.0)


def _two_sided(z: Floats) -> Floats:
    from scipy.special import ndtr

    return 2.0 * ndtr(-np.abs(_known(z)))


def _known(values: ArrayLike) -> Floats:
    """Shares of nothing are 0: without rows there is no effect."""
    return np.nan_to_num(np.asarray(values, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
