"""Answers out of HTTP responses, and whether they are right.

Belongs here: framing of a response, where each server puts its numbers, the comparison. Does not:
sockets and clocks (load.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-5
_END = b"\r\n\r\n"


class WrongAnswer(Exception):
    """A server answered with something else than the model's prediction."""


class BadStatus(WrongAnswer):
    """A server answered with another status than 200."""


def numbers(body: bytes, rows: int) -> NDArray[np.float64]:
    """The `rows` predictions in a response body, as whichever server spells them.

    Understood: a JSON list, {"predictions": …}, {"outputs": [{"data": …}]} (open inference
    protocol), JSON and CSV lines; one value a row, or two, of which the second is the positive
    class's. Raises WrongAnswer for anything else.
    """
    text = body.decode().strip()
    try:
        content = json.loads(text) if text[:1] in "[{" else _lines(text)
        found = np.array(_values(content), dtype=np.float64).ravel()
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise WrongAnswer(f"{text[:200]!r} holds no predictions: {error}") from None
    if len(found) == 2 * rows:
        found = found[1::2]
    if len(found) != rows:
        raise WrongAnswer(f"{len(found)} predictions for {rows} rows: {text[:200]!r}")
    return found


def _lines(text: str) -> list[float]:
    return [float(field) for line in text.splitlines() for field in line.split(",")]


def _values(content: Any) -> Any:
    if isinstance(content, dict):
        if "outputs" in content:
            return content["outputs"][0]["data"]
        return content["predictions"]
    return content


class Checker:
    """Compares every response with what is expected of its request.

    `expected[i]` are the answers due to request i. A body that was parsed and found right is
    remembered for its request, so that the next equal one costs a comparison of bytes: the check
    of every answer must not be what is measured.
    """

    def __init__(self, expected: Sequence[NDArray[np.float64]], tolerance: float = TOLERANCE):
        self._expected = expected
        self._tolerance = tolerance
        self._right: list[bytes | None] = [None] * len(expected)
        self._lengths: dict[bytes, int] = {}
        self._closes: set[bytes] = set()

    def complete(self, data: bytes, request: int) -> bool:
        """Whether `data` is the whole response to a request; raises WrongAnswer if it is wrong.

        Not thread-safe, as it is one load generator's.
        """
        head, end, body = data.partition(_END)
        if not end:
            return False
        length = self._lengths.get(head)
        if length is None:
            length = self._read_head(head, body)
        if length < 0:  # chunked
            if not data.endswith(b"0" + _END):
                return False
            body = _unchunked(body)
        elif len(body) < length:
            return False
        if body != self._right[request]:
            self._check(head, body, request)
            self._right[request] = body
        return True

    def closes(self, data: bytes) -> bool:
        """Whether the server ends the connection after this response."""
        return bool(self._closes) and data.partition(_END)[0] in self._closes

    def _read_head(self, head: bytes, body: bytes) -> int:
        status, _, fields = head.partition(b"\r\n")
        if b" 200 " not in status + b" ":
            raise BadStatus(f"{status.decode(errors='replace')}: {body[:500]!r}")
        headers = {}
        for line in fields.lower().split(b"\r\n"):
            name, _, value = line.partition(b":")
            headers[name] = value.strip()
        if b"chunked" in headers.get(b"transfer-encoding", b""):
            length = -1
        elif b"content-length" in headers:
            length = int(headers[b"content-length"])
        else:
            raise WrongAnswer(f"neither content-length nor chunked: {head!r}")
        if headers.get(b"connection") == b"close" or status.startswith(b"HTTP/1.0"):
            self._closes.add(head)
        if len(self._lengths) > 100_000:  # heads that never repeat, such as those with request ids
            self._lengths.clear()
        self._lengths[head] = length
        return length

    def _check(self, head: bytes, body: bytes, request: int) -> None:
        due = self._expected[request]
        found = numbers(body, len(due))
        worst = float(np.abs(found - due).max())
        if not worst <= self._tolerance:
            row = int(np.abs(found - due).argmax())
            raise WrongAnswer(
                f"request {request}, row {row + 1}: {found[row]:.9g} instead of {due[row]:.9g}"
            )


def _unchunked(body: bytes) -> bytes:
    parts, rest = [], body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        parts.append(rest[:length])
        rest = rest[length + 2 :]
        if not length:
            break
    return b"".join(parts)
