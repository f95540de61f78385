"""The raw ASGI front: GET /ping and POST /invocations over a handler.

Belongs here: HTTP methods, body limits, and on which thread a request is computed. Does not: what
a body means (parse.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlops_assets.containers.handle import Handler
from mlops_assets.containers.reply import Reply, error

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Below this a request is answered in less time than handing it to a thread takes.
INLINE_BYTES = 8 * 1024

# How much of a body that is too large is read and dropped before the connection is closed.
DISCARD_BYTES = 256 * 1024**2


class App:
    """An ASGI application.

    `max_body` in bytes; `inline` says whether small requests are computed on the event loop (a
    handler that may block is not).
    """

    def __init__(self, handler: Handler, *, max_body: int, inline: bool, threads: int) -> None:
        self._handler = handler
        self._max_body = max_body
        self._inline_bytes = INLINE_BYTES if inline else -1
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one HTTP request (lifespan and websockets are switched off in serve.py)."""
        path, method = scope["path"], scope["method"]
        if path == "/ping":
            allowed = method in ("GET", "HEAD")
            reply = Reply(200, "application/json", b"{}") if allowed else _not_allowed("GET, HEAD")
        elif path != "/invocations":
            reply = error(404, "there are GET /ping and POST /invocations")
        elif method != "POST":
            reply = _not_allowed("POST")
        else:
            reply = await self._invoke(scope, receive)
        await _send(send, reply, head=method == "HEAD")

    async def _invoke(self, scope: Message, receive: Receive) -> Reply:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_body:
            if headers.get(b"expect", b"").lower() != b"100-continue":
                await self._discard(receive)
            return self._too_large()
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return error(400, "the connection ended before the body did")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_body:
                body.clear()
                if more:
                    await self._discard(receive)
                return self._too_large()
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        accept = headers.get(b"accept", b"").decode("latin-1")
        if len(body) <= self._inline_bytes:
            return self._handler.handle(content_type, accept, bytes(body))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, self._handler.handle, content_type, accept, bytes(body)
        )

    async def _discard(self, receive: Receive) -> None:
        """Read on without keeping anything, up to a limit: a caller who is still sending when the
        connection closes sees it reset, and never the reply that says why."""
        left = DISCARD_BYTES
        while left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            if not message.get("more_body"):
                return

    def _too_large(self) -> Reply:
        return error(413, f"the body is larger than {self._max_body:,} bytes: send fewer rows")


def _not_allowed(allowed: str) -> Reply:
    return error(405, f"this path takes {allowed}")


async def _send(send: Send, reply: Reply, *, head: bool) -> None:
    headers = [
        (b"content-type", reply.content_type.encode("latin-1")),
        (b"content-length", str(len(reply.body)).encode()),
    ]
    if reply.status == 413:  # the rest of the body is not read: this connection cannot go on
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
