"""Which variant answers a caller: the same one each time, by a hash of the caller's key.

Here: the assignment, pure. Not here: the weights (the endpoint's description has them).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping


def assign(key: str, weights: Mapping[str, float]) -> str:
    """The variant of a caller.

    Weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables",
    SPAA 2005, logarithmic method): each variant's share of the keys is its share of the weights,
    and raising one's weight moves callers into it only; nobody changes between the others.

    Args:
        key: whatever names the caller: a user, a session, an aircraft.
        weights: {variant: weight of 0 or more}.

    Raises:
        ValueError: a weight is negative or not finite, or none is above 0.

    >>> assign("N14228", {"live": 0.5, "challenger": 0.5})
    'live'
    >>> assign("N14228", {"live": 0.5, "challenger": 0.0})
    'live'
    """
    for variant, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"variant {variant} has weight {weight}: give a number of 0 or more")
    open_to = {variant: weight for variant, weight in weights.items() if weight > 0}
    if not open_to:
        raise ValueError(f"no variant of {sorted(weights)} has a weight above 0")
    # The lower -log(u) / weight wins; the name breaks a tie that never happens.
    return min(
        open_to, key=lambda variant: (_exponential(key, variant) / open_to[variant], variant)
    )


def _exponential(key: str, variant: str) -> float:
    digest = hashlib.sha256(f"{len(variant)}:{variant}\0{key}".encode()).digest()
    uniform = (int.from_bytes(digest[:8], "big") + 1) / 2**64  # (0, 1]
    return -math.log(uniform)
