"""JSON 1.0 and 1.1, the services' protocol: one POST, the operation in a header.

Belongs here: request to operation and members, reply and error to bytes, the allow-list. Does not
belong here: what operations do, and the runtime's own protocol (runtime.py).
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.sagemaker_local import shapes
from mlops_assets.sagemaker_local.errors import ApiError

Handler = Callable[[dict[str, Any]], dict[str, Any] | Awaitable[dict[str, Any]]]
JSON = "application/x-amz-json-1.1"
BODY_LIMIT = 8 * 2**20
SERVICES = {  # by prefix of X-Amz-Target
    "SageMaker": "sagemaker",
    "Logs_20140328": "logs",
    "GraniteServiceVersion20100801": "cloudwatch",
    "AnyScaleFrontendService": "application-autoscaling",
}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """An HTTP reply; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@functools.cache
def service_model(name: str) -> Any:
    """botocore's description of a service; loading SageMaker's takes 0.3 s, once."""
    import botocore.session

    return botocore.session.get_session().get_service_model(name)


def error_reply(error: ApiError) -> Reply:
    """An error as boto3 reads it: code in ``__type``, text in ``message``."""
    body = {"__type": error.code, "message": error.message}
    return _reply(error.status, body, {"x-amzn-errortype": error.code})


def _reply(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    own = {"content-type": JSON, "x-amzn-requestid": str(uuid.uuid4())}
    return Reply(status, own | dict(headers or {}), json.dumps(body).encode())


class Api:
    """The operations that exist here, by service; all others are refused by name."""

    def __init__(
        self,
        operations: Mapping[str, Mapping[str, Handler]],
        before: Callable[[str, dict[str, Any]], None] = lambda operation, request: None,
    ) -> None:
        """``before`` may raise ApiError instead of an operation's execution."""
        self._operations = operations
        self._before = before

    async def answer(self, target: str, body: bytes) -> Reply:
        """Execute one request; never raises."""
        started, result = time.monotonic(), "ok"
        try:
            reply = _reply(200, await self._execute(target, body))
        except ApiError as error:
            result, reply = error.code, error_reply(error)
        except Exception:
            # What went wrong is for this server's log; a client learns no internals.
            log.exception("%s failed", target)
            result = "InternalFailure"
            text = "the local SageMaker API failed; its log says why"
            reply = error_reply(ApiError(result, text, status=500))
        log.info("%s %s %.1f ms", target, result, (time.monotonic() - started) * 1000)
        return reply

    async def _execute(self, target: str, body: bytes) -> dict[str, Any]:
        prefix, _, name = target.partition(".")
        if prefix not in SERVICES:
            known = ", ".join(f"{service}.<Operation>" for service in SERVICES)
            raise ApiError("UnknownOperationException", f"X-Amz-Target must be one of: {known}")
        handler = self._operations[prefix].get(name)
        model = service_model(SERVICES[prefix])
        if handler is None:
            real = name in model.operation_names
            state = "is not implemented by" if real else "is no operation known to"
            supported = ", ".join(sorted(self._operations[prefix]))
            raise ApiError(
                "NotImplemented" if real else "UnknownOperationException",
                f"{name[:100]} {state} the local SageMaker API, which supports: {supported}",
            )
        operation = model.operation_model(name)
        try:
            request = json.loads(body or b"{}")
        except ValueError as error:
            raise ApiError("SerializationException", f"the body is not JSON: {error}") from error
        shapes.check(operation.input_shape, request)
        given = {member: value for member, value in request.items() if value is not None}
        self._before(name, given)
        answer = handler(given)
        if inspect.isawaitable(answer):
            answer = await answer
        return shapes.cut(operation.output_shape, answer) or {}
