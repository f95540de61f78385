"""The raw ASGI front, for uvicorn: what protocol.py serves, by another implementation of HTTP.

Belongs here: ASGI's messages. Does not: what a path means or whether there is room (service.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlops_assets.containers.handle import Request
from mlops_assets.containers.http.http_reply import HeaderReply, safe_type
from mlops_assets.containers.http.logs import ID_LENGTH
from mlops_assets.containers.http.protocol import DISCARD_BYTES
from mlops_assets.containers.http.service import Service
from mlops_assets.containers.http.work import Route
from mlops_assets.containers.reply import Reply, error

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class App:
    """An ASGI application (lifespan and websockets are switched off in front.py)."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        service = self._service
        loop = service.loop
        method = scope["method"]
        headers = dict(scope["headers"])
        found = service.route(method, scope["path"])
        if isinstance(found, Reply):
            refused: Reply | None = found
        else:
            refused = service.refusal(found, _length(headers))
            if refused is None:
                await self._invoke(loop, found, headers, receive, send)
                return
        if refused is not None:
            if headers.get(b"expect", b"").lower() != b"100-continue":
                await _discard(receive)
            if refused.status >= 400:
                service.count(refused, 0.0)
            await _send(send, refused, head=method == "HEAD")

    async def _invoke(
        self,
        loop: asyncio.AbstractEventLoop,
        route: Route,
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        service = self._service
        body = await self._body(route, receive)
        if isinstance(body, Reply):
            service.count(body, 0.0)
            await _send(send, body)
            return
        request = Request(
            headers.get(b"content-type", b"").decode("latin-1"),
            headers.get(b"accept", b"").decode("latin-1"),
            body,
        )
        identifier = headers.get(b"x-amzn-sagemaker-inference-id", b"")[:ID_LENGTH]
        name = identifier.decode("latin-1")
        if len(body) <= route.inline_bytes and route.many is None:
            await _send(send, service.answer(route, request, name))
            return
        answered: asyncio.Future[Reply] = loop.create_future()
        service.submit(route, request, name, answered.set_result)
        await _send(send, await answered)

    async def _body(self, route: Route, receive: Receive) -> bytes | Reply:
        counted = self._service.metrics
        body = bytearray()
        refused: Reply | None = None
        try:
            more = True
            while more and refused is None:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return error(400, "the connection ended before the body did", "disconnected")
                piece = message.get("body", b"")
                body += piece
                counted.buffered += len(piece)
                more = message.get("more_body", False)
                refused = self._service.overflow(route, len(body))
        finally:
            counted.buffered -= len(body)
        if refused is None:
            return bytes(body)
        body.clear()
        if more:
            await _discard(receive)
        return refused


def _length(headers: dict[bytes, bytes]) -> int:
    declared = headers.get(b"content-length", b"")
    return int(declared) if declared.isdigit() else 0


async def _discard(receive: Receive) -> None:
    """Read on without keeping anything, up to a limit: a caller who is still sending when the
    connection closes sees it reset, and never the reply that says why."""
    left = DISCARD_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return


async def _send(send: Send, reply: Reply, *, head: bool = False) -> None:
    headers = [
        (b"content-type", safe_type(reply.content_type).encode("latin-1")),
        (b"content-length", str(len(reply.body)).encode()),
    ]
    if isinstance(reply, HeaderReply):
        headers.append((reply.header[0].encode(), reply.header[1].encode()))
    if reply.status == 413:  # its body may not have been read to the end
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
