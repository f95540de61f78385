"""HTTP to a model server on this machine: one request, one whole reply, connections kept.

Belongs here: a pool of h11 connections and the one question that routing asks of a failure, whether
the server had begun to answer. Does not belong here: which server is asked (runtime.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import h11

_CHUNK = 256 * 1024
_MAX_IDLE = 32
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class NoAnswer(ConnectionError):
    """The server went away before the first byte of its reply."""


class NotReached(NoAnswer):
    """There is nobody to connect to: the request was not sent."""


class BrokenAnswer(ConnectionError):
    """The reply began and then broke off, was no HTTP, or grew past the limit."""


@dataclass(frozen=True)
class Response:
    """A model server's reply; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._state = h11.Connection(h11.CLIENT)
        self._began = False

    @property
    def stale(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()

    async def exchange(self, request: h11.Request, body: bytes, limit: int) -> Response:
        self._began = False
        try:
            return await self._exchange(request, body, limit)
        except (OSError, h11.ProtocolError) as error:
            self.close()
            text = f"{type(error).__name__}: {error}"
            raise (BrokenAnswer(text) if self._began else NoAnswer(text)) from error
        except BaseException:  # out of time, or cancelled: what is left in the pipe is unknown
            self.close()
            raise

    async def _exchange(self, request: h11.Request, body: bytes, limit: int) -> Response:
        events = (request, h11.Data(data=body), h11.EndOfMessage())
        self._writer.write(b"".join(self._state.send(event) or b"" for event in events))
        # A server may refuse a body before it has read it all: its words are still to be read.
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        if _QUICKACK is not None:
            # Servers that send head and body apart wait for an ACK between them: 40 ms, if it is
            # delayed. Sending resets the option.
            self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        head: h11.Response | None = None
        chunks: list[bytes] = []
        while True:
            event = self._state.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(_CHUNK)
                self._began = self._began or bool(data)
                self._state.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                chunks.append(bytes(event.data))
                limit -= len(event.data)
                if limit < 0:
                    raise h11.RemoteProtocolError("the reply is too large")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                break
            elif isinstance(event, h11.ConnectionClosed):
                raise h11.RemoteProtocolError("the server closed the connection")
        if self._state.our_state is h11.DONE and self._state.their_state is h11.DONE:
            self._state.start_next_cycle()
        else:
            self.close()
        headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in head.headers}
        return Response(head.status_code, headers, b"".join(chunks))


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
        own = {"host": "127.0.0.1", "content-length": str(len(body))}
        fields = [*own.items(), *headers.items()]
        request = h11.Request(method=method, target=path, headers=fields)
        while self._idle:
            connection = self._idle.pop()
            if connection.stale:
                connection.close()
                continue
            try:
                return await self._exchange(connection, request, body, limit)
            except NoAnswer:
                continue
        try:
            connection = _Connection(*await asyncio.open_connection(*self._address))
        except OSError as error:
            raise NotReached(str(error)) from error
        return await self._exchange(connection, request, body, limit)

    async def _exchange(
        self, connection: _Connection, request: h11.Request, body: bytes, limit: int
    ) -> Response:
        response = await connection.exchange(request, body, limit)
        if connection.stale or len(self._idle) >= _MAX_IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        return response
