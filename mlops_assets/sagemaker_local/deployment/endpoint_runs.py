"""Endpoints at work: their fleets, brought from what serves to what is to serve.

Belongs here: starting, deploying, rescaling and ending fleets as the store's documents say, also
after a restart. Does not belong here: the operations that write those documents (endpoints.py),
the steps of a deployment (deployments.py), model servers (hosting.py).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Coroutine
from typing import Any

from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.deployment import endpoint_checks
from mlops_assets.sagemaker_local.deployment.deployments import (
    Deployment,
    RollbackFailed,
    RolledBack,
)
from mlops_assets.sagemaker_local.deployment.traffic import Side, Traffic
from mlops_assets.sagemaker_local.fleet.fleet_spec import FleetSpec, fleet_spec
from mlops_assets.sagemaker_local.fleet.hosting import Fleet, FleetError
from mlops_assets.sagemaker_local.monitoring.alarms import Alarms
from mlops_assets.sagemaker_local.store import Document, Store

KIND = "endpoint"
_STARTING = ("Creating", "Updating", "SystemUpdating", "RollingBack")
_NOTHING_PENDING = {"Target": None, "Deployment": None, "Rescale": None}
log = logging.getLogger(__name__)


class EndpointRuns:
    """The running side of all endpoints.

    A stored endpoint holds, beside what Describe shows, ``Serving`` and ``Target``: the fleets that
    it has and is to have, resolved, so that a restart needs neither models nor configurations;
    ``Deployment``, how far the way from one to the other is gone; ``Rescale``, the fleet as it is
    to become in place.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        alarms: Alarms,
        new_fleet: Callable[[FleetSpec], Fleet],
    ) -> None:
        self._config = config
        self._store = store
        self._alarms = alarms
        self._new_fleet = new_fleet
        self._traffic: dict[str, Traffic] = {}
        self._changed = asyncio.Condition()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._draining: set[asyncio.Task[None]] = set()

    def recover(self) -> None:
        """After a restart: serve what was served, then go on with what was being changed."""
        shutil.rmtree(self._config.home / "endpoints", ignore_errors=True)
        for document in self._store.all(KIND):
            name, status = document["EndpointName"], document["EndpointStatus"]
            if status == "Deleting":
                self._forget(name)
            elif document["Serving"] or document["Target"]:
                if document["Serving"]:
                    self._store.update(KIND, name, EndpointStatus="SystemUpdating")
                self.submit(name)

    async def shutdown(self) -> None:
        """Stop every model server, with what grace a server that is ending can give."""
        for task in (*self._tasks.values(), *self._draining):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), *self._draining, return_exceptions=True)
        sides = [side for traffic in self._traffic.values() for side in traffic.sides]
        await asyncio.gather(*(side.fleet.stop(0.0) for side in sides))

    def live(self, name: str) -> Traffic | None:
        """The fleets that serve an endpoint now."""
        return self._traffic.get(name)

    async def traffic(self, name: str) -> Traffic | None:
        """The fleets that serve an endpoint; waits for one that is being re-hosted.

        None for an endpoint that does not exist, failed, or never was in service.
        """
        if (found := self._traffic.get(name)) is not None:
            return found
        async with self._changed:
            await self._changed.wait_for(lambda: name in self._traffic or not self._rehosting(name))
        return self._traffic.get(name)

    def _rehosting(self, name: str) -> bool:
        document = self._store.get(KIND, name)
        return bool(document and document["Serving"] and document["EndpointStatus"] in _STARTING)

    def submit(self, name: str) -> None:
        """Begin to bring about what the stored endpoint says."""
        self._tasks[name] = task = asyncio.create_task(self._converge(name))
        task.add_done_callback(lambda done: self._finished(name, done))

    def _finished(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]

    async def _converge(self, name: str) -> None:
        """Serve what is to be served: first again what was (after a restart), then the target."""
        try:
            document = self._document(name)
            if document["Serving"] and name not in self._traffic:
                await self._host(name, fleet_spec(document["Serving"]))
            if document.get("Rescale"):
                await self._rescale(name, fleet_spec(document["Rescale"]))
            elif document["Target"] and document["Serving"]:
                await self._deploy(name, document)
            elif document["Target"]:
                await self._host(name, fleet_spec(document["Target"]))
            self._store.update(KIND, name, EndpointStatus="InService", **_NOTHING_PENDING)
        except RollbackFailed as error:
            self._ended(name, "UpdateRollbackFailed", str(error))
        except (RolledBack, FleetError) as error:
            # A failed update leaves the old fleet serving, under its own configuration.
            self._ended(name, "InService" if name in self._traffic else "Failed", str(error))
        except Exception as error:
            log.exception("endpoint %s", name)
            status = "InService" if name in self._traffic else "Failed"
            self._ended(name, status, f"InternalServerError: {error!r}")
        finally:
            async with self._changed:
                self._changed.notify_all()

    async def _host(self, name: str, spec: FleetSpec) -> None:
        """Start a fleet where there is none."""
        fleet = self._new_fleet(spec)
        await fleet.start()
        self._traffic[name] = Traffic([Side(fleet, 1.0)])
        document = self._document(name)
        pending = document["Serving"] and (document["Target"] or document.get("Rescale"))
        self._serve(name, spec, "Updating" if pending else "InService")
        async with self._changed:
            self._changed.notify_all()

    async def _deploy(self, name: str, document: Document) -> None:
        """Bring the target in beside what serves, and end what served."""
        progress = document.get("Deployment") or not_begun(None)
        target = fleet_spec(document["Target"])
        if progress["Reason"]:  # the server was restarted on the way back, which ends here
            raise RolledBack(progress["Reason"])

        def report(stage: str, message: str, step: int) -> None:
            progress.update(Stage=stage, Message=message, StageTime=time.time(), Step=step)
            self._store.update(KIND, name, Deployment=progress)

        def on_rollback(reason: str) -> None:
            progress["Reason"] = reason
            self._store.update(KIND, name, EndpointStatus="RollingBack", Deployment=progress)

        deployment = Deployment(
            endpoint_checks.plan_for(progress["Request"], target),
            self._new_fleet(target),
            self._traffic[name],
            alarms=self._alarms,
            report=report,
            drain=self._drain,
            grace=self._config.replica_stop_grace,
        )
        await deployment.run(progress["Step"], on_rollback)
        self._serve(name, target, "InService")

    async def _rescale(self, name: str, wanted: FleetSpec) -> None:
        """Other weights and instance counts, in place: more first, fewer last."""
        (side, *_) = self._traffic[name].sides
        fleet, counts = side.fleet, wanted.counts()
        before = {variant.spec.name: len(variant.replicas) for variant in fleet.variants}
        try:
            await fleet.resize({key: max(count, before[key]) for key, count in counts.items()})
        except FleetError:
            self._store.update(KIND, name, EndpointStatus="RollingBack")
            await fleet.resize(before)
            raise
        fleet.reweigh(wanted)
        await fleet.resize(counts)
        self._serve(name, wanted, "InService")

    def _serve(self, name: str, spec: FleetSpec, status: str) -> None:
        self._store.update(
            KIND,
            name,
            EndpointStatus=status,
            EndpointConfigName=spec.config,
            Serving=spec.document(),
        )

    def _ended(self, name: str, status: str, reason: str) -> None:
        self._store.update(
            KIND, name, EndpointStatus=status, FailureReason=reason[:1024], **_NOTHING_PENDING
        )

    def remove(self, name: str) -> None:
        """End everything of an endpoint, then forget it."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
        self._drain(self._remove(name, task))

    async def _remove(self, name: str, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)
        traffic = self._traffic.pop(name, None)
        if traffic is not None:
            grace = self._config.replica_stop_grace
            await asyncio.gather(*(side.fleet.stop(grace) for side in traffic.sides))
        self._forget(name)

    def _forget(self, name: str) -> None:
        with self._store.transaction():
            self._store.delete(KIND, name)
            self._store.set_tags(self._config.arn(KIND, name), {})

    def _drain(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    def _document(self, name: str) -> Document:
        document = self._store.get(KIND, name)
        if document is None:
            raise KeyError(f"{KIND} {name}")
        return document


def not_begun(request: Document | None) -> Document:
    """How far a deployment is that has not begun."""
    now = time.time()
    return {
        "Request": request,
        "Started": now,
        "Stage": "Creating",
        "Message": "",
        "StageTime": now,
        "Step": 0,
        "Reason": None,
    }
