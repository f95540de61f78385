"""Which fleet gets an endpoint's next request.

Belongs here: shares of fleets and weights of variants, dealt out exactly. Does not belong here:
why the shares are what they are (deployments.py), starting fleets (hosting.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mlops_assets.sagemaker_local.fleet.hosting import Fleet, Variant

T = TypeVar("T")


class Dealer(Generic[T]):
    """Smooth weighted round robin: after n deals each has had its share of n, give or take 1."""

    def __init__(self, weight: Callable[[T], float]) -> None:
        self._weight = weight
        self._credit: dict[int, float] = {}

    def deal(self, candidates: Sequence[T]) -> T:
        """The one whose turn it is; ``candidates`` must not be empty."""
        if len(candidates) == 1:
            return candidates[0]
        total = 0.0
        chosen, most = candidates[0], float("-inf")
        for candidate in candidates:
            weight, key = self._weight(candidate), id(candidate)
            total += weight
            self._credit[key] = credit = self._credit.get(key, 0.0) + weight
            if weight > 0 and credit > most:
                chosen, most = candidate, credit
        self._credit[id(chosen)] -= total
        return chosen


@dataclass(frozen=True)
class Side:
    """A fleet and its share of the requests, 0 to 1."""

    fleet: Fleet
    share: float


@dataclass(frozen=True)
class Route:
    """Where a request goes."""

    fleet: Fleet
    variant: Variant


class Traffic:
    """The fleets that serve one endpoint; changes between two requests, never during one.

    ``coming`` is the fleet that a deployment is bringing in.
    """

    def __init__(self, sides: Sequence[Side]) -> None:
        self.coming: Fleet | None = None
        self.shift(sides)

    def shift(self, sides: Sequence[Side]) -> None:
        """From the next request on, these fleets serve."""
        self.sides = tuple(sides)
        self._live = [side for side in sides if side.share > 0]
        self._fleets: Dealer[Side] = Dealer(lambda side: side.share)
        self._variants: Dealer[Variant] = Dealer(lambda variant: variant.weight)

    def choose(self, target: str | None) -> Route | None:
        """The next request's route; None if no fleet has the variant ``target``."""
        if target is None:
            fleet = self._fleets.deal(self._live).fleet
            return Route(fleet, self._variants.deal(fleet.variants))
        named = [side for side in self._live if side.fleet.variant(target) is not None]
        if not named:
            return None
        fleet = self._fleets.deal(named).fleet
        variant = fleet.variant(target)
        return None if variant is None else Route(fleet, variant)
