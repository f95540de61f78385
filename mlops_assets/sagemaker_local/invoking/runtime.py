"""InvokeEndpoint: a request routed to a model server, and sent again if that one dies first.

Belongs here: the runtime's headers, errors and limits; the choice of a replica. Does not belong
here: fleets (hosting.py), HTTP (http_client.py).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping

from mlops_assets.sagemaker_local.config import ACCOUNT, Config
from mlops_assets.sagemaker_local.deployment.endpoint_runs import EndpointRuns
from mlops_assets.sagemaker_local.deployment.traffic import Route
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.fleet.hosting import FleetError, Variant
from mlops_assets.sagemaker_local.fleet.serverless import Sleeper
from mlops_assets.sagemaker_local.http import INVOKE_LIMIT
from mlops_assets.sagemaker_local.http_client import BrokenAnswer, NoAnswer, NotReached, Response
from mlops_assets.sagemaker_local.invoking.capture import Exchange
from mlops_assets.sagemaker_local.invoking.shadow import Shadows
from mlops_assets.sagemaker_local.protocol import Reply

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_FORWARDED = (
    "content-type",
    "accept",
    "x-amzn-sagemaker-custom-attributes",
    "x-amzn-sagemaker-inference-id",
)
_REFUSED = ("x-amzn-sagemaker-target-model", "x-amzn-sagemaker-inference-component")
_SENDS = 2  # a request that kills its server must not kill them all
_PATIENCE = 5.0
_MAX_IN_FLIGHT = 256
_PAUSE = 0.05


class Runtime:
    """Invocations of all endpoints."""

    def __init__(
        self,
        config: Config,
        endpoints: EndpointRuns,
        fails: Callable[[str], bool] = lambda endpoint: False,
    ) -> None:
        """``fails``: whether an invocation of an endpoint is to end in a 500, by a fault rule."""
        self._config = config
        self._fails = fails
        self._endpoints = endpoints
        self._shadows = Shadows(config.invoke_limit)
        self._in_flight = 0
        self._sends = _SENDS if config.drain else 1
        self._patience = _PATIENCE if config.drain else 0.0

    async def invoke(self, name: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The model server's answer, or an error in the runtime's own form; never raises."""
        return await self.deliver(name, headers, body, self._config.invoke_limit)

    async def deliver(
        self,
        name: str,
        headers: Mapping[str, str],
        body: bytes,
        limit_s: float,
        *,
        asynchronous: bool = False,
    ) -> Reply:
        """invoke() within ``limit_s`` seconds; ``asynchronous``: the request was queued."""
        if self._in_flight >= _MAX_IN_FLIGHT:
            return _error("ServiceUnavailable", 503, f"{_MAX_IN_FLIGHT} requests are in flight")
        self._in_flight += 1
        try:
            async with asyncio.timeout(limit_s):
                variant, response = await self._ask(name, headers, body, asynchronous)
        except ApiError as error:
            return _error(error.code, error.status, error.message)
        except TimeoutError:
            text = "Your invocation timed out while waiting for a response from container primary."
            return _error("ModelError", 424, text, OriginalStatusCode=0, OriginalMessage="")
        except BrokenAnswer as error:
            text = f"Received an invalid response from primary: {error}"
            return _error("ModelError", 424, text, OriginalStatusCode=0, OriginalMessage="")
        finally:
            self._in_flight -= 1
        if response.status >= 300:
            return self._model_error(name, response)
        kept = ("content-type", "x-amzn-sagemaker-custom-attributes")
        fields = {key: response.headers[key] for key in kept if key in response.headers}
        fields |= {"x-amzn-invoked-production-variant": variant.spec.name}
        return Reply(200, fields | {"x-amzn-requestid": str(uuid.uuid4())}, response.body)

    async def _ask(
        self, name: str, headers: Mapping[str, str], body: bytes, asynchronous: bool
    ) -> tuple[Variant, Response]:
        """Try replicas until one has answered; a request whose reply began is not sent again."""
        started = time.perf_counter()
        for member in _REFUSED:
            if member in headers:
                raise ApiError("ValidationError", f"{member} is not supported locally")
        sent = {key: headers[key] for key in _FORWARDED if key in headers}
        target = headers.get("x-amzn-sagemaker-target-variant")
        patience, sends, unreached, problem = started + self._patience, 0, 0, ""
        while sends < self._sends:
            route = await self._route(name, target)
            _check_kind(route, asynchronous)
            variant, begun, status = route.variant, time.perf_counter(), 0
            try:
                if self._fails(name):
                    response = Response(500, {}, b"injected by a fault rule")
                elif variant.sleeper is None:
                    response = await self._send(variant, sent, body)
                else:
                    response = await self._send_awake(variant.sleeper, variant, sent, body)
                status = response.status
            except NotReached as error:
                unreached, problem = unreached + 1, str(error)
            except NoAnswer as error:
                sends, problem = sends + 1, str(error)
            finally:
                # Also of what is sent again: a variant that dies must not look healthy.
                if unreached < 2:
                    took = time.perf_counter() - begun
                    variant.meter.invoked(status, took, begun - started, len(variant.replicas))
            if status:
                self._also(route, sent, body, response)
                return variant, response
            if time.perf_counter() > patience:
                break
            if unreached:
                await asyncio.sleep(_PAUSE)  # a model server that died is being started again
        raise ApiError("ServiceUnavailable", f"endpoint {name}: {problem}", status=503)

    def _also(
        self, route: Route, headers: Mapping[str, str], body: bytes, response: Response
    ) -> None:
        """What the fleet does with a request beside answering it."""
        fleet, variant = route.fleet, route.variant
        if fleet.shadows:
            self._shadows.follow(fleet, variant, headers, body)
        if fleet.capture is not None and response.status < 300:
            kind = response.headers.get("content-type", "application/octet-stream")
            name, answer, now = variant.spec.name, response.body, time.time()
            fleet.capture.offer(Exchange(name, variant.meter, now, headers, body, kind, answer))

    @staticmethod
    async def _send(variant: Variant, headers: Mapping[str, str], body: bytes) -> Response:
        replica = variant.next_replica()
        if replica is None or replica.client is None:
            raise NotReached("no model server is ready")
        replica.in_flight += 1
        try:
            path = "/invocations"
            return await replica.client.request("POST", path, headers, body, INVOKE_LIMIT)
        finally:
            replica.in_flight -= 1

    async def _send_awake(
        self, sleeper: Sleeper, variant: Variant, headers: Mapping[str, str], body: bytes
    ) -> Response:
        """Send to a model server that may have to be started first."""
        try:
            async with sleeper.slot():
                return await self._send(variant, headers, body)
        except FleetError as error:
            raise NotReached(str(error)) from error

    async def _route(self, name: str, target: str | None) -> Route:
        traffic = await self._endpoints.traffic(name) if _NAME.fullmatch(name[:64]) else None
        if traffic is None:
            text = f"Endpoint {name[:64]} of account {ACCOUNT} not found."
            raise ApiError("ValidationError", text)
        route = traffic.choose(target)
        if route is None:
            raise ApiError("ValidationError", f"Variant {target} not found in endpoint {name}.")
        return route

    def _model_error(self, name: str, response: Response) -> Reply:
        side = "client" if response.status < 500 else "server"
        said = response.body[:4096].decode(errors="replace")
        group = f"/aws/sagemaker/Endpoints/{name}"
        text = (
            f'Received {side} error ({response.status}) from primary with message "{said}". '
            f"See {group} in CloudWatch Logs for more information."
        )
        return _error(
            "ModelError",
            424,
            text,
            OriginalStatusCode=response.status,
            OriginalMessage=said,
            LogStreamArn=f"arn:aws:logs:{self._config.region}:{ACCOUNT}:log-group:{group}",
        )


def _check_kind(route: Route, asynchronous: bool) -> None:
    """Raise what the service says of the wrong operation, or of too many requests at once."""
    if (route.fleet.spec.asynchronous is not None) != asynchronous:
        text = f"Endpoint {route.fleet.spec.endpoint} is asynchronous: use InvokeEndpointAsync"
        if asynchronous:
            text = f"Endpoint {route.fleet.spec.endpoint} is not asynchronous any more"
        raise ApiError("ValidationError", text)
    sleeper = route.variant.sleeper
    if sleeper is not None and sleeper.full:
        text = f"Maximum concurrency of {sleeper.slots} for the serverless variant is reached"
        raise ApiError("ThrottlingException", text, status=429)


def _error(code: str, status: int, message: str, **members: object) -> Reply:
    body = json.dumps({"Message": message, "message": message, **members}).encode()
    headers = {"content-type": "application/json", "x-amzn-errortype": code}
    return Reply(status, headers | {"x-amzn-requestid": str(uuid.uuid4())}, body)
