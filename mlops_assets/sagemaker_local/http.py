"""The ASGI application: which request goes where, and how large it may be.

Belongs here: routes, the body's limit, the check of the Host header. Does not belong here: the
protocols (protocol.py, runtime.py), sockets and processes (server.py).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.features.feature_http import is_feature_path
from mlops_assets.sagemaker_local.peers import Peers
from mlops_assets.sagemaker_local.protocol import BODY_LIMIT, Api, Reply, error_reply

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Invoke = Callable[[str, Mapping[str, str], bytes], Awaitable[Reply]]
Features = Callable[[str, str, bytes, bytes], Reply]
INVOKE_LIMIT = 25 * 2**20
_BODY_SECONDS = 60.0
_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Application:
    """One port: POST / for the JSON services, POST /endpoints/{name}/invocations and
    async-invocations, the feature store's runtime, GET /health."""

    def __init__(
        self,
        api: Api,
        invoke: Invoke,
        invoke_async: Invoke,
        features: Features,
        health: Mapping[str, Any],
    ) -> None:
        self._api = api
        self._invoke = invoke
        self._invoke_async = invoke_async
        self._features = features
        self._health = health
        self._peers = Peers()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        try:
            reply = await self._route(scope, headers, receive)
        except ApiError as error:
            reply = error_reply(error)
        except TimeoutError:
            text = f"the body did not arrive within {_BODY_SECONDS:g} s"
            reply = error_reply(ApiError("RequestTimeout", text, status=408))
        except ConnectionError:
            return
        fields = dict(reply.headers) | {"content-length": str(len(reply.body))}
        head = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in fields.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": head})
        await send({"type": "http.response.body", "body": reply.body})

    async def _route(
        self, scope: dict[str, Any], headers: Mapping[str, str], receive: Receive
    ) -> Reply:
        method, path = scope["method"], scope["path"]
        # A web page can make a browser talk to this port under a name of its own (DNS rebinding),
        # and this API runs commands.
        host = headers.get("host", "")
        if (host.rpartition(":")[0] if not host.endswith("]") else host) not in _LOCAL_HOSTS:
            raise ApiError("AccessDenied", f"Host {host[:100]!r} is not this machine", status=403)
        if method == "GET" and path == "/health":
            body = json.dumps(dict(self._health)).encode()
            return Reply(200, {"content-type": "application/json"}, body)
        if method == "POST" and path == "/":
            if self._peers.is_foreign(scope["client"], scope["server"][1]):
                raise ApiError("AccessDenied", "this server belongs to another user", status=403)
            target = headers.get("x-amz-target", "")
            return await self._api.answer(target, await _body(headers, receive, BODY_LIMIT))
        parts = path.split("/")
        if method == "POST" and len(parts) == 4 and parts[1] == "endpoints":
            if parts[3] == "invocations":
                body = await _body(headers, receive, INVOKE_LIMIT)
                return await self._invoke(parts[2], headers, body)
            if parts[3] == "async-invocations":
                body = await _body(headers, receive, BODY_LIMIT)
                return await self._invoke_async(parts[2], headers, body)
            text = (
                f"{parts[3][:100]!r} is not implemented by the local SageMaker API: use invocations"
            )
            raise ApiError("ValidationError", text)
        if is_feature_path(path):
            if self._peers.is_foreign(scope["client"], scope["server"][1]):
                raise ApiError("AccessDenied", "this server belongs to another user", status=403)
            body = await _body(headers, receive, BODY_LIMIT)
            return self._features(method, path, scope["query_string"], body)
        raise ApiError("UnknownOperationException", f"no such path: {method} {path[:200]!r}", 404)


async def _body(headers: Mapping[str, str], receive: Receive, limit: int) -> bytes:
    """The request's body, whole. Raises ApiError 413 past the limit, ConnectionError if cut."""
    chunks, size = [], 0
    declared = headers.get("content-length", "0")
    async with asyncio.timeout(_BODY_SECONDS):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client went away")
            size += len(message.get("body", b""))
            # An oversized body is read on for a while: a client that is cut off in the middle of
            # sending would see a broken connection instead of the reason.
            if size <= limit:
                chunks.append(message.get("body", b""))
            if not message.get("more_body") or size > 2 * limit:
                break
    if size > limit:
        raise ApiError(
            "RequestEntityTooLargeException",
            f"the body has {declared if declared.isdigit() else size} bytes, more than {limit}",
            status=413,
        )
    return b"".join(chunks)
