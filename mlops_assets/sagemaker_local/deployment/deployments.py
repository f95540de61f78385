"""One deployment carried out: a new fleet takes over step by step, or the old one stays.

Belongs here: the order of things, the watch over alarms, the way back. Does not belong here: what
the steps are (deployment_plan.py), what is stored of it and restarts (endpoints.py).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from mlops_assets.sagemaker_local.deployment.deployment_plan import Plan, Step
from mlops_assets.sagemaker_local.deployment.traffic import Side, Traffic
from mlops_assets.sagemaker_local.fleet.hosting import Fleet, FleetError
from mlops_assets.sagemaker_local.monitoring.alarms import Alarms

_WATCH_PAUSE = 0.1
_TIMEOUT_UNIT = 1.0
Report = Callable[[str, str, int], None]
Drain = Callable[[Coroutine[Any, Any, None]], None]


class RolledBack(Exception):
    """The old fleet serves again, or still; the message says why."""


class RollbackFailed(Exception):
    """A mix of both fleets serves: the way back failed too."""


class _Tripped(Exception):
    """An alarm of the deployment went off."""


class Deployment:
    """``report`` gets stage, message and step's number; ``drain`` ends a fleet in the background.

    Stages are the service's: Creating, ActivatingTraffic, Baking, Deleting.
    """

    def __init__(
        self,
        plan: Plan,
        new: Fleet,
        traffic: Traffic,
        *,
        alarms: Alarms,
        report: Report,
        drain: Drain,
        grace: float,
    ) -> None:
        self._plan = plan
        self._new = new
        self._traffic = traffic
        self._old = traffic.sides
        self._old_total = sum(traffic.sides[0].fleet.spec.counts().values())
        self._alarms = alarms
        self._report = report
        self._drain = drain
        self._grace = grace
        self._since = time.time()

    async def run(self, first_step: int, on_rollback: Callable[[str], None]) -> None:
        """Return when only the new fleet serves.

        Raises RolledBack or RollbackFailed; ``on_rollback`` is called before the way back.
        """
        self._traffic.coming = self._new
        try:
            await self._run(first_step, on_rollback)
        finally:
            self._traffic.coming = None

    async def _run(self, first_step: int, on_rollback: Callable[[str], None]) -> None:
        try:
            async with asyncio.timeout(self._plan.timeout_s * _TIMEOUT_UNIT):
                await self._forward(first_step)
        except Exception as error:  # whatever it was, the old fleet must serve
            late = isinstance(error, TimeoutError)
            reason = f"it took more than {self._plan.timeout_s} s" if late else str(error)
            on_rollback(reason)
            await self._back()
            if not isinstance(error, FleetError | _Tripped | TimeoutError):
                raise
            raise RolledBack(reason) from error
        self._traffic.shift([Side(self._new, 1.0)])
        for side in self._old:
            self._drain(side.fleet.stop(self._grace))

    async def _forward(self, first_step: int) -> None:
        self._check_alarms()
        for number, step in enumerate(self._plan.steps):
            if number < first_step:
                continue
            if number == first_step:
                self._report("Creating", "starting instances", number)
                counts = None if step.instances is None else self._counts(step.instances)
                await self._new.start(counts)
            elif step.instances is not None:
                self._report("Updating", f"starting instance {step.instances}", number)
                await self._new.resize(self._counts(step.instances))
            self._report("ActivatingTraffic", f"{step.share:.0%} of the traffic", number)
            self._shift(step.share)
            self._report("Baking", f"{step.share:.0%} of the traffic", number)
            await self._bake(step)
            if step.instances is not None and step.share < 1:
                await self._old[0].fleet.resize(self._old_counts(step.share))
        if self._plan.termination_s:
            self._report("Deleting", "the old fleet ends soon", len(self._plan.steps) - 1)
            await asyncio.sleep(self._plan.termination_s)

    async def _bake(self, step: Step) -> None:
        clock = asyncio.get_running_loop().time
        end = clock() + step.wait_s
        self._check_alarms()
        while (left := end - clock()) > 0:
            await asyncio.sleep(min(_WATCH_PAUSE, left))
            self._check_alarms()

    def _check_alarms(self) -> None:
        for name in self._plan.alarms:
            if reason := self._alarms.tripped(name, self._since):
                raise _Tripped(f"One or more alarms tripped during the deployment: {reason}")

    def _shift(self, share: float) -> None:
        left = [Side(side.fleet, side.share * (1 - share)) for side in self._old]
        self._traffic.shift([*left, Side(self._new, share)] if share < 1 else self._new_first())

    def _new_first(self) -> Sequence[Side]:
        # The old fleets stay in the list, so that whoever ends the endpoint finds them.
        return [Side(self._new, 1.0), *(Side(side.fleet, 0.0) for side in self._old)]

    async def _back(self) -> None:
        if self._plan.rollback is not None:
            await self._roll_back(self._plan.rollback)
        self._traffic.shift(self._old)
        self._drain(self._new.stop(self._grace))

    async def _roll_back(self, counts: Sequence[int]) -> None:
        """The old instances are started again, batch by batch, before the new ones end."""
        total = self._plan.steps[-1].instances or 1
        for count in counts:
            running = sum(len(variant.replicas) for variant in self._new.variants)
            if count and count >= running:
                continue
            try:
                await self._old[0].fleet.resize(self._old_counts(count / total))
            except Exception as error:
                raise RollbackFailed(str(error)) from error
            self._shift(count / total)
            if count:
                await self._new.resize(self._counts(count))

    def _counts(self, instances: int) -> dict[str, int]:
        return {variant.spec.name: instances for variant in self._new.variants}

    def _old_counts(self, share: float) -> dict[str, int]:
        """What is left of the old fleet when the new one has that share."""
        left = math.ceil(self._old_total * (1 - share) - 1e-9)
        return {variant.spec.name: left for variant in self._old[0].fleet.variants}
