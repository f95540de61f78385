"""What a baseline varies by itself: effects of each of its partitions against all others.

Here: the thresholds that follow. Not here: the floors (`policy`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_assets.ml.drift.measures import Pair, measure
from mlops_assets.ml.drift.policy import Drift
from mlops_assets.ml.drift.sides import paired
from mlops_assets.ml.profiles.profile import Profile, merge


def band(partitions: Sequence[Profile], policy: Drift | None = None) -> dict[str, dict[str, float]]:
    """{column: {measure: threshold}} of mean + ``policy.band_sigmas`` σ of leave-one-out effects.

    A partition with fewer than ``policy.least_rows`` rows tells of nothing and is left out; with
    fewer than ``policy.band_partitions`` partitions left there is no band: {}.
    """
    policy = policy or Drift()
    parts = [part for part in partitions if part.rows >= policy.least_rows]
    if len(parts) < policy.band_partitions:
        return {}
    whole = merge(parts)
    seen: dict[str, dict[str, list[float]]] = {}
    for part in parts:
        rest = whole - part
        pairs: list[Pair] = []
        for name in part.columns:
            here, there = paired(name, part, rest)
            if here is not None and there is not None and type(here) is type(there):
                pairs.append((here, there))
        for column, found in measure(pairs, policy)[0].items():
            for name, measured in found.items():
                seen.setdefault(column, {}).setdefault(name, []).append(abs(measured.effect))
    return {
        column: {
            name: float(np.mean(values) + policy.band_sigmas * np.std(values, ddof=1))
            for name, values in measures.items()
            if len(values) >= policy.band_partitions
        }
        for column, measures in seen.items()
    }
