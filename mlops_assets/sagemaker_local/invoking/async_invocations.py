"""InvokeEndpointAsync: requests that are objects, queued; answers that are objects.

Belongs here: what is accepted, the queue and its order, where answers and failures go. Does not
belong here: how a request reaches a model server (runtime.py).

A request is in the state file from before it is acknowledged until its answer is stored, so a
server that is killed goes on where it was: a request may reach a model twice, but is answered once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Mapping

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.sagemaker_local.config import ACCOUNT
from mlops_assets.sagemaker_local.deployment.endpoint_runs import EndpointRuns
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.fleet.fleet_spec import FleetSpec
from mlops_assets.sagemaker_local.invoking.async_requests import async_request
from mlops_assets.sagemaker_local.invoking.runtime import Runtime
from mlops_assets.sagemaker_local.protocol import Reply
from mlops_assets.sagemaker_local.store import Document, Store

KIND = "async-invocation"
MAX_QUEUED = 1000  # of an endpoint
_MAX_INPUT = 100 * 2**20
_BUSY_PAUSE_S = 2.0
_EACH, _MAX_AT_ONCE = 4, 64  # requests on an instance where nothing is said; on all of them
log = logging.getLogger(__name__)


class AsyncInvocations:
    """The queues of all asynchronous endpoints, first in, first out."""

    def __init__(
        self, store: Store, objects: Objects, endpoints: EndpointRuns, runtime: Runtime
    ) -> None:
        self._store = store
        self._objects = objects
        self._endpoints = endpoints
        self._runtime = runtime
        self._queues: dict[str, deque[Document]] = {}
        self._tasks: dict[str, set[asyncio.Task[None]]] = {}
        self._ending = False

    def recover(self) -> None:
        """After a restart: what was accepted and not answered waits again."""
        for document in sorted(self._store.all(KIND), key=lambda each: each["Created"]):
            self._enqueue(document | {"Recovered": True})

    async def shutdown(self) -> None:
        """Let go of what is being answered; it is still in the state file."""
        self._ending = True
        tasks = [task for running in self._tasks.values() for task in running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def accept(self, endpoint: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """202 with the answer's place, once the request cannot be lost. Raises ApiError."""
        settings = (await self._spec(endpoint)).asynchronous
        if settings is None:
            raise ApiError(
                "ValidationError",
                f"Endpoint {endpoint} is not asynchronous: use InvokeEndpoint, or an endpoint "
                "configuration with AsyncInferenceConfig",
            )
        waiting = len(self._queues.get(endpoint, ())) + len(self._tasks.get(endpoint, ()))
        if waiting >= MAX_QUEUED:
            text = f"{waiting} requests wait for endpoint {endpoint} already: try later"
            raise ApiError("ServiceUnavailable", text, status=503)
        name, output = str(uuid.uuid4()), settings["OutputConfig"]
        document = async_request(headers, body) | {
            "Name": name,
            "Endpoint": endpoint,
            "Created": time.time(),
            "Output": f"{output['S3OutputPath'].rstrip('/')}/{name}.out",
        }
        if "S3FailurePath" in output:
            document["Failure"] = f"{output['S3FailurePath'].rstrip('/')}/{name}-error.out"
        self._store.put(KIND, name, document)
        self._enqueue(document)
        fields = {
            "content-type": "application/json",
            "x-amzn-requestid": name,
            "x-amzn-sagemaker-outputlocation": document["Output"],
        }
        if "Failure" in document:
            fields["x-amzn-sagemaker-failurelocation"] = document["Failure"]
        return Reply(202, fields, json.dumps({"InferenceId": document["InferenceId"]}).encode())

    async def _spec(self, endpoint: str) -> FleetSpec:
        traffic = await self._endpoints.traffic(endpoint)
        if traffic is None:
            text = f"Endpoint {endpoint[:64]} of account {ACCOUNT} not found."
            raise ApiError("ValidationError", text)
        return traffic.sides[0].fleet.spec

    def _enqueue(self, document: Document) -> None:
        endpoint = document["Endpoint"]
        self._queues.setdefault(endpoint, deque()).append(document)
        self._pump(endpoint)

    def _pump(self, endpoint: str) -> None:
        """Begin with as many requests as the endpoint's instances take at once."""
        queue = self._queues.get(endpoint, deque())
        running = self._tasks.setdefault(endpoint, set())
        while queue and len(running) < self._at_once(endpoint) and not self._ending:
            task = asyncio.create_task(self._work(queue.popleft()))
            running.add(task)
            task.add_done_callback(lambda done: self._done(endpoint, done))
        if not queue and not running:
            self._queues.pop(endpoint, None)
            self._tasks.pop(endpoint, None)

    def _done(self, endpoint: str, task: asyncio.Task[None]) -> None:
        self._tasks[endpoint].discard(task)
        self._pump(endpoint)

    def _at_once(self, endpoint: str) -> int:
        traffic = self._endpoints.live(endpoint)
        if traffic is None:
            return 1  # it waits for an endpoint that is being started again, or says it is gone
        fleet = traffic.sides[0].fleet
        client = (fleet.spec.asynchronous or {}).get("ClientConfig", {})
        each = client.get("MaxConcurrentInvocationsPerInstance", _EACH)
        instances = sum(len(variant.replicas) for variant in fleet.variants)
        return max(1, min(int(each) * instances, _MAX_AT_ONCE))

    async def _work(self, document: Document) -> None:
        """Answer one request; it stays in the state file when that cannot be stored."""
        try:
            if document.get("Recovered") and await asyncio.to_thread(self._answered, document):
                return self._store.delete(KIND, document["Name"])
            answer, problem = await self._answer(document)
            if answer is not None:
                await asyncio.to_thread(self._objects.write, document["Output"], answer)
            else:
                log.warning("async request to %s: %s", document["Endpoint"], problem)
                if "Failure" in document:
                    said = problem.encode()
                    await asyncio.to_thread(self._objects.write, document["Failure"], said)
            self._store.delete(KIND, document["Name"])
        except Exception:
            log.exception("the answer of async request %s is not stored", document["Name"])

    def _answered(self, document: Document) -> bool:
        places = (document["Output"], document.get("Failure"))
        return any(self._objects.exists(place) for place in places if place)

    async def _answer(self, document: Document) -> tuple[bytes | None, str]:
        """The model's answer, or None and why there is none."""
        if time.time() > document["Created"] + document["TtlSeconds"]:
            return None, f"The request expired after {document['TtlSeconds']} s in the queue"
        try:
            body = await asyncio.to_thread(self._read, document["Input"])
        except (ObjectNotFound, ValueError) as error:
            return None, f"The input could not be read: {error}"
        reply = await self._deliver(document, body)
        if reply.status == 200:
            return reply.body, ""
        return None, str(json.loads(reply.body)["message"])

    async def _deliver(self, document: Document, body: bytes) -> Reply:
        """The model's reply; asked for once more where nobody was there to answer."""
        endpoint, headers = document["Endpoint"], document["Headers"]
        limit = document["TimeoutSeconds"]
        reply = await self._runtime.deliver(endpoint, headers, body, limit, asynchronous=True)
        if reply.status == 503:
            await asyncio.sleep(_BUSY_PAUSE_S)
            reply = await self._runtime.deliver(endpoint, headers, body, limit, asynchronous=True)
        return reply

    def _read(self, uri: str) -> bytes:
        size = next((info.size for info in self._objects.list(uri) if info.uri == uri), 0)
        if size > _MAX_INPUT:
            raise ValueError(f"{uri} has {size} bytes, more than {_MAX_INPUT}")
        return self._objects.read(uri)
