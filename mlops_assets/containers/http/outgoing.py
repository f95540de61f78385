"""The replies of one HTTP/1.1 connection: in the order of its requests, and then its end.

Belongs here: pipelining, keep-alive, back-pressure, how a connection ends. Does not: reading
requests (protocol.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Protocol

from mlops_assets.containers.http.http_reply import CLOSE, CONTINUE, KEEP_ALIVE, encode
from mlops_assets.containers.http.service import Service
from mlops_assets.containers.http.work import Ticket
from mlops_assets.containers.reply import Reply

# After its last reply a connection in disorder is read and dropped for so long: closing it at once
# would reset it, and take the reply from a caller who is still sending.
LINGER_SECONDS = 2.0

# Requests of one connection that may wait for their replies before it is read no further.
PIPELINED = 16

# What a connection is reading: nothing yet, a request's head, its body; or it only waits to end.
IDLE, HEAD, BODY, LINGER = range(4)


class Server(Protocol):
    """What a connection needs of the front that it belongs to."""

    service: Service
    connections: set[Outgoing]
    stopping: bool


class Slot:
    """A reply that is due. `linger`: it is the last one, and the caller may still be sending."""

    __slots__ = ("close", "http10", "is_head", "linger", "reply", "ticket")

    def __init__(
        self, *, close: bool, is_head: bool = False, http10: bool = False, linger: bool = False
    ) -> None:
        self.close = close
        self.is_head = is_head
        self.http10 = http10
        self.linger = linger
        self.reply: Reply | None = None
        self.ticket: Ticket | None = None


class Outgoing(asyncio.Protocol):
    """The half of a connection that answers."""

    _transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._service = server.service
        self._slots: deque[Slot] = deque()
        self._state = IDLE
        self._since = perf_counter()  # of the state
        self._ended = False  # nothing more is read as HTTP
        self._owes_continue = False
        self._reading = True
        self._blocked = False  # the caller does not read what is written

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio."""
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio: nobody is left to read an answer."""
        self._server.connections.discard(self)
        self._ended = True
        for slot in self._slots:
            if slot.ticket:
                self._service.abandon(slot.ticket)
        self._slots.clear()

    def pause_writing(self) -> None:
        """Called by asyncio: the caller reads too slowly."""
        self._blocked = True
        self._since = perf_counter()
        self.flow()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._blocked = False
        self._since = perf_counter()
        self.flow()

    def check(self, now: float, read_timeout: float, keep_alive: float) -> None:
        """Called now and then: end what has taken too long."""
        waited = now - self._since
        if self._blocked:
            if waited > read_timeout:
                self._transport.abort()
        elif self._state == LINGER:
            if waited > LINGER_SECONDS:
                self._transport.abort()
        elif not self._slots and self._state == IDLE and waited > keep_alive:
            self._transport.close()
        elif not self._slots and self._state != IDLE and waited > read_timeout:
            self.too_slow()

    def too_slow(self) -> None:
        """Called when a request does not come to its end."""
        raise NotImplementedError

    def close_if_idle(self) -> None:
        """End a connection on which no request is under way."""
        if not self._slots and self._state in (IDLE, LINGER):
            self._transport.close()

    def reply(self, reply: Reply, *, close: bool, is_head: bool, http10: bool) -> None:
        """Answer the request that was read last."""
        if self._slots:
            slot = Slot(close=close, is_head=is_head, http10=http10)
            slot.reply = reply
            self._slots.append(slot)
            self.flow()
        elif close or http10 or is_head or self._server.stopping:
            self._write(Slot(close=close, is_head=is_head, http10=http10), reply)
        else:
            self._transport.write(encode(reply))
            self._since = perf_counter()

    def settle(self, slot: Slot, reply: Reply) -> None:
        """A due reply is there; write all whose turn it is."""
        slot.reply, slot.ticket = reply, None
        slots = self._slots
        while slots and (ready := slots[0].reply) is not None:
            self._write(slots.popleft(), ready)
        self.flow()
        if not slots:
            self.ask_for_body()

    def ask_for_body(self) -> None:
        """Say 100 Continue if it is owed, once every earlier reply is out."""
        if self._owes_continue and not self._slots and self._state == BODY:
            self._owes_continue = False
            self._transport.write(CONTINUE)

    def flow(self) -> None:
        """Read only from a caller who reads, and who has not sent too far ahead."""
        wanted = not self._blocked and len(self._slots) < PIPELINED
        if wanted == self._reading or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _write(self, slot: Slot, reply: Reply) -> None:
        quiet = not self._slots and self._state == IDLE
        close = slot.close or (quiet and self._server.stopping)
        connection = CLOSE if close else KEEP_ALIVE if slot.http10 else b""
        self._transport.write(encode(reply, connection, bodiless=slot.is_head))
        self._since = perf_counter()
        if not close:
            return
        self._ended = True
        self._slots.clear()
        if slot.linger and self._transport.can_write_eof():
            self._state = LINGER
            self._transport.write_eof()
        else:
            self._transport.close()
