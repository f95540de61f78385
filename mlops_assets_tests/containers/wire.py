"""HTTP by hand: bytes out, replies in. What no client library would send, a test must."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

ROW = [1_000_000.0, 1013.25, 3, 4.5, "UA", "JFK"]


@dataclass(frozen=True)
class Answer:
    """A reply; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Wire:
    """A connection to a server on this machine."""

    def __init__(self, port: int, timeout: float = 20) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self.socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._read.close()
        self.socket.close()

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Send the pieces as that many segments, or nearly."""
        for piece in pieces:
            self.socket.sendall(piece)
            if pause:
                time.sleep(pause)

    def answer(self, method: str = "POST") -> Answer:
        """The next reply to a request of that method. Raises if the server closed instead."""
        response = http.client.HTTPResponse(_Held(self._read), method=method)  # type: ignore[arg-type]
        response.begin()
        body = response.read()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)

    def line(self) -> bytes:
        """The next line, as it came."""
        return self._read.readline()

    def closed(self) -> bool:
        """Whether the server ends the connection, with nothing more to read."""
        try:
            return self._read.read(1) == b""
        except ConnectionResetError:
            return True


class _Held:
    """A socket for HTTPResponse that leaves what it did not read to the next response."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def makefile(self, mode: str) -> Any:
        return _Open(self._stream)


class _Open:
    """A stream that a response may close and that stays open."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Stay open."""

    def flush(self) -> None:
        """Nothing is written."""


def post(body: bytes, *headers: str, path: str = "/invocations", version: str = "1.1") -> bytes:
    """A POST of JSON with Content-Length."""
    lines = [f"POST {path} HTTP/{version}", "Host: x", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def head(*lines: str) -> bytes:
    """A request's head."""
    return "\r\n".join([*lines, "", ""]).encode()


def chunks(pieces: Iterable[bytes], extension: bytes = b"") -> bytes:
    """The pieces in chunked coding, without the end."""
    return b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)


def rows(count: int, first: float = 3) -> bytes:
    """A JSON body of so many rows; `first` tells them from another body's."""
    row = [*ROW[:2], first, *ROW[3:]]
    return json.dumps([row] * count).encode()
