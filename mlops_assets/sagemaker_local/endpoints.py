"""The endpoint operations: which fleet an endpoint uses, and how it changes to another.

Belongs here: Create, Describe, List, Update, DeleteEndpoint; re-hosting after a restart. Does not
belong here: starting model servers (hosting.py), requests to them (runtime.py).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import invalid, missing, unsupported
from mlops_assets.sagemaker_local.hosting import Fleet, FleetError, FleetSpec, VariantSpec
from mlops_assets.sagemaker_local.models import Models
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store

KIND = "endpoint"
_STARTING = ("Creating", "Updating", "SystemUpdating")
log = logging.getLogger(__name__)


class Endpoints:
    """All endpoints of one server.

    A stored endpoint holds, beside what Describe shows, ``Serving`` and ``Target``: the fleets that
    it has and is to have, resolved, so that a restart needs neither models nor configurations.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        models: Models,
        new_fleet: Callable[[FleetSpec], Fleet],
    ) -> None:
        self._config = config
        self._store = store
        self._models = models
        self._new_fleet = new_fleet
        self._fleets: dict[str, Fleet] = {}
        self._changed = asyncio.Condition()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._draining: set[asyncio.Task[None]] = set()

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateEndpoint": self.create,
            "DescribeEndpoint": self.describe,
            "ListEndpoints": self.list,
            "UpdateEndpoint": self.update,
            "DeleteEndpoint": self.delete,
        }

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
                self._submit(name)

    async def shutdown(self) -> None:
        """Stop every model server, with what grace a server that is ending can give."""
        for task in (*self._tasks.values(), *self._draining):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), *self._draining, return_exceptions=True)
        await asyncio.gather(*(fleet.stop(0.0) for fleet in self._fleets.values()))

    def create(self, request: Document) -> Document:
        name, now = request["EndpointName"], time.time()
        arn = self._config.arn(KIND, name)
        if self._store.get(KIND, name) is not None:
            raise invalid(f'Cannot create already existing endpoint "{arn}".')
        target = self._models.fleet(name, request["EndpointConfigName"])
        _check_deployment(request.get("DeploymentConfig"))
        given_tags = tags.from_request(request)
        document = {
            "Arn": arn,
            "EndpointName": name,
            "EndpointArn": arn,
            "EndpointConfigName": target.config,
            "EndpointStatus": "Creating",
            "CreationTime": now,
            "LastModifiedTime": now,
            "Serving": None,
            "Target": asdict(target),
        }
        with self._store.transaction():
            self._store.put(KIND, name, document)
            self._store.set_tags(arn, given_tags)
        self._submit(name)
        return {"EndpointArn": arn}

    def describe(self, request: Document) -> Document:
        document = self._existing(request["EndpointName"])
        serving = document["Serving"]
        return document | {
            "ProductionVariants": [_summary(variant) for variant in serving["variants"]]
            if serving
            else None
        }

    def list(self, request: Document) -> Document:
        found = listing.page(
            request,
            self._store.all(KIND),
            name="EndpointName",
            sorts={
                "CreationTime": "CreationTime",
                "Name": "EndpointName",
                "Status": "EndpointStatus",
            },
            equal={"StatusEquals": "EndpointStatus"},
        )
        return listing.summaries("Endpoints", found)

    def update(self, request: Document) -> Document:
        name = request["EndpointName"]
        document = self._existing(name)
        if document["EndpointStatus"] not in ("InService", "Failed"):
            raise invalid(f'Cannot update in-progress endpoint "{document["Arn"]}".')
        if request.get("RetainAllVariantProperties"):
            raise unsupported("RetainAllVariantProperties", "set weights and counts in the config")
        target = self._models.fleet(name, request["EndpointConfigName"])
        _check_deployment(request.get("DeploymentConfig"))
        with self._store.transaction():
            self._store.update(
                KIND,
                name,
                EndpointStatus="Updating",
                FailureReason=None,
                Target=asdict(target),
                LastDeploymentConfig=request.get("DeploymentConfig"),
            )
        self._submit(name)
        return {"EndpointArn": document["Arn"]}

    async def delete(self, request: Document) -> Document:
        name = request["EndpointName"]
        self._existing(name)
        self._store.update(KIND, name, EndpointStatus="Deleting")
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
        self._drain(self._remove(name, task))
        return {}

    async def fleet(self, name: str) -> Fleet | None:
        """The fleet that serves an endpoint; waits for one that is being re-hosted.

        None for an endpoint that does not exist, failed, or never was in service.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: name in self._fleets or not self._rehosting(name))
        return self._fleets.get(name)

    def _rehosting(self, name: str) -> bool:
        document = self._store.get(KIND, name)
        return bool(document and document["Serving"] and document["EndpointStatus"] in _STARTING)

    def _submit(self, name: str) -> None:
        self._tasks[name] = task = asyncio.create_task(self._converge(name))
        task.add_done_callback(lambda done: self._finished(name, done))

    def _finished(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]

    async def _converge(self, name: str) -> None:
        """Host what is to be served: first again what was (after a restart), then the target."""
        try:
            document = self._existing(name)
            if document["Serving"] and name not in self._fleets:
                await self._host(name, _spec(document["Serving"]))
            if document["Target"]:
                await self._host(name, _spec(document["Target"]))
        except Exception as error:
            reason = str(error)
            if not isinstance(error, FleetError):
                log.exception("endpoint %s", name)
                reason = f"InternalServerError: {error!r}"
            # A failed update leaves the old fleet serving, under its own configuration.
            status = "InService" if name in self._fleets else "Failed"
            self._store.update(
                KIND, name, EndpointStatus=status, FailureReason=reason[:1024], Target=None
            )
        finally:
            async with self._changed:
                self._changed.notify_all()

    async def _host(self, name: str, spec: FleetSpec) -> None:
        fleet = self._new_fleet(spec)
        await fleet.start()
        # From here to the end of this block nothing else runs: requests see the old fleet before
        # it and the new one after it.
        old, self._fleets[name] = self._fleets.get(name), fleet
        document = self._existing(name)
        done = document["Target"] in (None, _document(spec))
        self._store.update(
            KIND,
            name,
            EndpointStatus="InService" if done else "Updating",
            EndpointConfigName=spec.config,
            Serving=_document(spec),
            Target=None if done else document["Target"],
        )
        if old is not None:
            self._drain(old.stop(self._config.replica_stop_grace))
        async with self._changed:
            self._changed.notify_all()

    async def _remove(self, name: str, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)
        fleet = self._fleets.pop(name, None)
        if fleet is not None:
            await fleet.stop(self._config.replica_stop_grace)
        self._forget(name)

    def _forget(self, name: str) -> None:
        with self._store.transaction():
            self._store.delete(KIND, name)
            self._store.set_tags(self._config.arn(KIND, name), {})

    def _drain(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    def _existing(self, name: str) -> Document:
        document = self._store.get(KIND, name)
        if document is None:
            raise missing("endpoint", self._config.arn(KIND, name))
        return document


def _check_deployment(deployment: Document | None) -> None:
    """Only the swap of a whole fleet is done here; the others must not be faked."""
    given = deployment or {}
    routing = given.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    kind = "RollingUpdatePolicy" if "RollingUpdatePolicy" in given else routing.get("Type")
    if kind not in (None, "ALL_AT_ONCE"):
        raise unsupported(f"{kind} deployments", "use ALL_AT_ONCE")
    if given.get("AutoRollbackConfiguration", {}).get("Alarms"):
        raise unsupported("rollback by alarms", "leave AutoRollbackConfiguration out")


def _document(spec: FleetSpec) -> Document:
    """As the store gives it back: JSON has no tuples."""
    return asdict(spec) | {"variants": [asdict(variant) for variant in spec.variants]}


def _spec(document: Document) -> FleetSpec:
    variants = tuple(VariantSpec(**variant) for variant in document["variants"])
    return FleetSpec(document["endpoint"], document["config"], variants)


def _summary(variant: Document) -> Document:
    return {
        "VariantName": variant["name"],
        "DeployedImages": [{"SpecifiedImage": variant["image"]}],
        "CurrentWeight": variant["weight"],
        "DesiredWeight": variant["weight"],
        "CurrentInstanceCount": variant["instances"],
        "DesiredInstanceCount": variant["instances"],
    }
