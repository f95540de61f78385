"""The requests of one HTTP/1.1 connection, on httptools: bytes in, whole requests to the service.

Belongs here: HTTP's syntax and its bounds, what is read and dropped. Does not: what a path means or
whether there is room (service.py), replies and the connection's end (outgoing.py).
"""

from __future__ import annotations

from time import perf_counter
from urllib.parse import unquote_to_bytes, urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from mlops_assets.containers.handle import Request
from mlops_assets.containers.http import http_reply
from mlops_assets.containers.http.logs import ID_LENGTH
from mlops_assets.containers.http.outgoing import BODY, HEAD, IDLE, Outgoing, Server, Slot
from mlops_assets.containers.http.work import Route
from mlops_assets.containers.reply import Reply

HEAD_BYTES = 64 * 1024
TARGET_BYTES = 8 * 1024

# How much of a body that is refused is read and dropped, so that the caller comes to read why.
DISCARD_BYTES = 256 * 1024**2


class _Stop(Exception):
    """Ends the parsing of this connection from within a callback."""


class Connection(Outgoing):
    """A caller's connection."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._parser = HttpRequestParser(self)
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._received = 0  # bytes since the request began, but for those of its first piece
        self._header_bytes = 0
        self._pieces: list[bytes] = []
        self._size = 0
        self._dropped = 0
        self._refused: Reply | None = None
        self._route: Route | None = None
        self._owes_continue = False

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        super().connection_lost(error)
        self._drop_body()
        del self._parser  # it holds this object's methods

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._ended:
            self._dropped += len(data)
            if self._dropped > DISCARD_BYTES:
                self._transport.abort()
            return
        if self._state:
            self._received += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            # The offer of another protocol is declined by going on in this one.
            self._parser = HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self.data_received(rest)
            return
        except HttpParserError:
            self._fail(http_reply.not_http())
            return
        if self._state == HEAD and self._received > HEAD_BYTES:
            self._fail(http_reply.headers_too_large(HEAD_BYTES))
        elif self._state == BODY:
            body = self._size + self._dropped
            # Chunks' own bytes, their extensions and trailers have no other bound.
            if self._received > HEAD_BYTES + 16 * body:
                self._fail(http_reply.not_http())

    def eof_received(self) -> None:
        """Called by asyncio: the caller closed, which looks the same as closing half. As nginx
        does, it is taken to be gone: more callers give up than send an end and wait."""

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._begin()
        self._state = HEAD
        self._since = perf_counter()

    def on_url(self, target: bytes) -> None:
        """Called by the parser, for each piece of the request's target."""
        self._target += target
        if len(self._target) > TARGET_BYTES:
            self._stop(http_reply.target_too_long(TARGET_BYTES))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, for trailers too, which are not used."""
        if self._state == HEAD:
            self._headers[name.lower()] = value
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > HEAD_BYTES:
            self._stop(http_reply.headers_too_large(HEAD_BYTES))

    def on_headers_complete(self) -> None:
        """Called by the parser: what is not to be answered is refused before its body."""
        self._state = BODY
        headers, service = self._headers, self._service
        method = self._parser.get_method()
        if method == b"POST" and self._target == b"/invocations" and service.invocations:
            route: Route | Reply = service.invocations
        else:
            route = service.route(method.decode(), _path(self._target))
        if isinstance(route, Reply):
            self._refused = route
        else:
            self._route = route
            length = headers.get(b"content-length")
            if length is not None:
                self._refused = service.refusal(route, int(length))
        if headers.get(b"expect", b"").lower() == b"100-continue":
            if self._refused is not None and self._refused[0] >= 400:
                self._stop(self._refused)
            self._owes_continue = self._parser.get_http_version() != "1.0"
            self.ask_for_body()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        size = len(body)
        if self._refused is not None:
            self._dropped += size
            if self._dropped > DISCARD_BYTES:
                self._stop(self._refused)
            return
        counted = self._service.metrics
        self._pieces.append(body)
        self._size += size
        counted.buffered += size
        if self._route:
            self._refused = self._service.overflow(self._route, self._size)
            if self._refused is not None:
                self._drop_body()

    def on_message_complete(self) -> None:
        """Called by the parser: the whole request is there."""
        self._state = IDLE
        headers = self._headers
        keep, http10 = self._parser.should_keep_alive(), False
        if not keep:
            self._ended = True
        elif b"connection" in headers:
            http10 = self._parser.get_http_version() == "1.0"
        refused, route = self._refused, self._route
        if refused is not None or route is None:
            reply = refused or http_reply.not_found()
            if reply[0] >= 400:
                self._service.count(reply, 0.0, self._dropped)
            self.reply(
                reply,
                close=not keep or reply[0] == 413,
                is_head=self._parser.get_method() == b"HEAD",
                http10=http10,
            )
            return
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._drop_body()
        request = Request(
            headers.get(b"content-type", b"").decode("latin-1"),
            headers.get(b"accept", b"").decode("latin-1"),
            body,
        )
        identifier = headers.get(b"x-amzn-sagemaker-inference-id", b"")
        name = identifier[:ID_LENGTH].decode("latin-1") if identifier else ""
        if len(body) <= route.inline_bytes and route.many is None:
            answer = self._service.answer(route, request, name)
            self.reply(answer, close=not keep, is_head=False, http10=http10)
            return
        slot = Slot(close=not keep, http10=http10)
        self._slots.append(slot)
        slot.ticket = self._service.submit(
            route, request, name, lambda reply: self.settle(slot, reply)
        )
        self.flow()

    def too_slow(self) -> None:
        """Called by the front now and then, through `check`."""
        self._fail(self._refused or http_reply.slow_request(self._service.settings.read_timeout))

    def _fail(self, reply: Reply) -> None:
        """The last reply of this connection, whose further bytes mean nothing."""
        if self._ended:
            return
        self._ended = True
        self._service.count(reply, 0.0, self._size + self._dropped)
        self._drop_body()
        self._state = IDLE
        slot = Slot(close=True, linger=True)
        self._slots.append(slot)
        self.settle(slot, reply)

    def _stop(self, reply: Reply) -> None:
        self._fail(reply)
        raise _Stop

    def _drop_body(self) -> None:
        self._service.metrics.buffered -= self._size
        self._dropped += self._size
        self._size = 0
        self._pieces = []


def _path(target: bytes) -> str:
    """The path that a request target names: origin or absolute form, without its query.

    >>> _path(b"http://host:80/ping?x=1"), _path(b"/%70ing"), _path(b"*")
    ('/ping', '/ping', '*')
    """
    if not target.startswith(b"/"):
        try:
            target = urlsplit(target).path
        except ValueError:
            return ""
    return unquote_to_bytes(target.partition(b"?")[0]).decode("latin-1")
