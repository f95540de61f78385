"""HTTP to a model server on this machine: one request, one whole reply, connections kept.

Belongs here: a pool of connections, each a protocol around httptools' parser, and the one question
that routing asks of a failure, whether the server had begun to answer. Does not belong here: which
server is asked (runtime.py).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httptools

_MAX_IDLE = 64
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class NoAnswer(ConnectionError):
    """The server went away before the first byte of its reply."""


class NotReached(NoAnswer):
    """There is nobody to connect to: the request was not sent."""


class BrokenAnswer(ConnectionError):
    """The reply began and then broke off, was no HTTP, or grew past the limit."""


@dataclass(frozen=True, slots=True)
class Response:
    """A model server's reply; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Connection(asyncio.Protocol):
    """One exchange at a time; ``closed`` once it can carry no more."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Response] | None = None
        self._reset(0)

    def _reset(self, limit: int) -> None:
        self._limit = limit
        self._began = False
        self._whole_head = False
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []

    async def exchange(self, message: bytes, limit: int) -> Response:
        """Raises NoAnswer, BrokenAnswer."""
        transport = self._transport
        if transport is None or self.closed:
            raise NoAnswer("the connection is closed")
        self._reset(limit)
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        transport.write(message)
        if self._socket is not None and _QUICKACK is not None:
            # Servers that send head and body apart wait for an ACK between them: 40 ms, if it is
            # delayed. Sending resets the option.
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        try:
            return await waiter
        except asyncio.CancelledError:  # out of time: what is left in the pipe is unknown
            self.close()
            raise

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._socket = transport.get_extra_info("socket")

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.close()  # nobody has asked for anything
            return
        self._began = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(BrokenAnswer(f"{type(error).__name__}: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._waiter is None or self._waiter.done():
            return
        length = self._headers.keys() & {"content-length", "transfer-encoding"}
        if self._whole_head and not length and error is None:
            self._finish()
            return
        text = f"the server closed the connection{f': {error}' if error else ''}"
        self._fail(BrokenAnswer(text) if self._began else NoAnswer(text))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._whole_head = True

    def on_body(self, data: bytes) -> None:
        self._limit -= len(data)
        if self._limit < 0:
            self._fail(BrokenAnswer("the reply is too large"))
        else:
            self._chunks.append(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            self._headers, self._whole_head = {}, False
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._finish()

    def _finish(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            status, body = self._parser.get_status_code(), b"".join(self._chunks)
            self._waiter.set_result(Response(status, self._headers, body))

    def _fail(self, error: ConnectionError) -> None:
        self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


class Client:
    """One model server."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._idle: list[_Connection] = []

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, limit: int
    ) -> Response:
        """Send and receive a whole message; ``limit`` is the reply's size in bytes.

        Raises NotReached, NoAnswer or BrokenAnswer. A kept connection that was closed is replaced.
        """
        fields = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
        message = f"{head}{fields}\r\n".encode("latin-1") + body
        while self._idle:
            connection = self._idle.pop()
            if connection.closed:
                continue
            try:
                return await self._exchange(connection, message, limit)
            except NoAnswer:
                continue
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(_Connection, *self._address)
        except OSError as error:
            raise NotReached(str(error)) from error
        return await self._exchange(connection, message, limit)

    async def _exchange(self, connection: _Connection, message: bytes, limit: int) -> Response:
        response = await connection.exchange(message, limit)
        if len(self._idle) >= _MAX_IDLE:
            connection.close()
        elif not connection.closed:
            self._idle.append(connection)
        return response
