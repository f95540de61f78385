"""What predictions cost, and which instances hold a promised rate for least.

Here: arithmetic over a dated table of prices (prices.json). Not here: measuring a rate
(load_test.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HOUR_S = 3600
_HEADROOM = 0.7
"""Of a measured rate, what is planned with: bursts, and instances that start."""


@dataclass(frozen=True)
class Price:
    """USD an hour of one instance, and its vCPUs."""

    usd: float
    vcpus: int


@dataclass(frozen=True)
class Prices:
    """A table of prices: where it holds, of when and from where it is."""

    region: str
    as_of: str
    source: str
    instances: dict[str, Price]


@dataclass(frozen=True)
class Fleet:
    """A number of instances that holds a rate; ``usd_per_thousand`` at just that rate."""

    instance_type: str
    count: int
    holds_per_second: float
    usd_per_hour: float
    usd_per_thousand: float


@cache
def prices() -> Prices:
    table = json.loads((Path(__file__).parent / "prices.json").read_bytes())
    return Prices(
        table["region"],
        table["as_of"],
        table["source"],
        {name: Price(**price) for name, price in table["instances"].items()},
    )


def per_thousand(instance_type: str, count: int, per_second: float) -> float | None:
    """USD for a thousand predictions of a fleet that answers so many; None: no price is known.

    >>> round(per_thousand("ml.m5.large", 1, 100.0), 6)
    0.000319
    """
    price = prices().instances.get(instance_type)
    if price is None or per_second <= 0:
        return None
    return 1000 * price.usd * count / (_HOUR_S * per_second)


def fleets(instance_types: Sequence[str], per_vcpu: float, wanted_per_second: float) -> list[Fleet]:
    """For each type, the smallest fleet that holds a rate, the cheapest first.

    A vCPU is taken for half of the core that was measured (two hyper-threads), and seven tenths of
    the measured rate are planned with.

    Args:
        per_vcpu: requests a second that one measured core holds within the promised latency.

    Raises:
        KeyError: a type without a known price, naming it.
    """
    table = prices()
    found = []
    for name in instance_types:
        if name not in table.instances:
            raise KeyError(
                f"no price of {name} is known: add it to prices.json, which has "
                f"{', '.join(sorted(table.instances))}"
            )
        price = table.instances[name]
        each = per_vcpu * _HEADROOM * price.vcpus / 2
        count = max(1, math.ceil(wanted_per_second / each))
        hourly = price.usd * count
        found.append(
            Fleet(name, count, each * count, hourly, 1000 * hourly / (_HOUR_S * wanted_per_second))
        )
    return sorted(found, key=lambda fleet: (fleet.usd_per_hour, fleet.count, fleet.instance_type))
