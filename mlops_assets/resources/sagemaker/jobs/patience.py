"""How long a run waits for what AWS is short of: capacity, and quota that others use up.

Here: the budget of one run and its waits. Not here: throttling, which is a matter of single calls
(errors.patiently).
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlops_assets.resources.sagemaker.errors import error_code, error_message

# "… is 2 Instances, with current utilization of 1 Instances and a request delta of 2 Instances"
_QUOTA = re.compile(r"is (\d+) Instances?, .*request delta of (\d+) Instances?", re.S)


@dataclass(frozen=True)
class Patience:
    """Seconds: ``capacity_s`` in all, waits that grow from ``first_s`` to ``longest_s``.

    The defaults fit instance types that come free within the hour; a run holds its Dagster slot
    while it waits, so use a pool to bound how many do.
    """

    capacity_s: float = 1800.0
    first_s: float = 10.0
    longest_s: float = 300.0

    def shared(self, among: int) -> Patience:
        """The patience with each of so many instance types."""
        return replace(self, capacity_s=self.capacity_s / among)


class Budget:
    """What is left of one run's patience; it counts from the first wait."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._waits = 0
        self._until: float | None = None

    def wait(self, why: str, log: Callable[[str], None]) -> bool:
        """Wait a while, longer each time and never as long as another run; False: it is spent."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._patience.capacity_s
        ceiling = min(self._patience.longest_s, self._patience.first_s * 2.0**self._waits)
        pause = min(random.uniform(ceiling / 2, ceiling), self._until - now)  # noqa: S311
        if pause <= 0:
            return False
        self._waits += 1
        log(f"{why}. Trying again in {pause:.0f} s, for {self._until - now:.0f} s more at most.")
        time.sleep(pause)
        return True


def quota_in_use(error: BaseException) -> bool:
    """Whether Create was refused for a quota that others use up: waiting may help.

    A request for more than the whole quota is refused each time.
    """
    if error_code(error) != "ResourceLimitExceeded":
        return False
    found = _QUOTA.search(error_message(error))
    return found is None or int(found[2]) <= int(found[1])
