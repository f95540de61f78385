"""Distances computed from the values themselves, as a reference for those computed from bins."""

import numpy as np
from scipy import stats


def ks(a: np.ndarray, b: np.ndarray) -> float:
    return float(stats.ks_2samp(a, b, method="asymp").statistic)


def wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    return float(stats.wasserstein_distance(a, b))


def psi(a: np.ndarray, b: np.ndarray) -> float:
    """Over the baseline's deciles, right-closed, shares of at least 0.1 %."""
    edges = np.unique(np.quantile(b, np.arange(1, 10) / 10, method="inverted_cdf"))
    shares = [
        np.bincount(np.searchsorted(edges, side, side="left"), minlength=len(edges) + 1) / len(side)
        for side in (a, b)
    ]
    p, q = (np.maximum(share, 1e-3) for share in shares)
    return float(((p - q) * np.log(p / q)).sum())
