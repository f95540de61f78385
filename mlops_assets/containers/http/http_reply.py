"""Replies as HTTP: what a front itself says, and the bytes that go over the wire.

Belongs here: status lines, headers, the wording of refusals. Does not: deciding (service.py).
"""

from __future__ import annotations

from http import HTTPStatus

from mlops_assets.containers.reply import JSON, Reply, error

HEALTHY = Reply(200, JSON, b"{}")

CLOSE = b"connection: close\r\n"
KEEP_ALIVE = b"connection: keep-alive\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# An engine may answer in a type of its own; those are not kept without bound.
_KEPT = 64
_heads: dict[tuple[int, str], bytes] = {}


class HeaderReply(Reply):
    """A reply with one more header."""

    header: tuple[str, str]


def with_header(reply: Reply, name: str, value: str) -> HeaderReply:
    """The reply, with a header (its name in lower case)."""
    more = HeaderReply(*reply)
    more.header = (name, value)
    return more


def not_found() -> Reply:
    """404."""
    return error(404, "there are GET /ping, POST /invocations and GET /metrics", "not_found")


def not_allowed(allowed: str) -> Reply:
    """405 with Allow."""
    reply = error(405, f"this path takes {allowed}", "method_not_allowed")
    return with_header(reply, "allow", allowed)


def too_large(limit: int) -> Reply:
    """413."""
    return error(413, f"the body is larger than {limit:,} bytes: send fewer rows", "too_large")


def overloaded() -> Reply:
    """503 with Retry-After."""
    reply = error(503, "too many requests are waiting: try again in a second", "overloaded")
    return with_header(reply, "retry-after", "1")


def late(seconds: int) -> Reply:
    """504."""
    return error(504, f"there was no answer within {seconds} s: send fewer rows", "deadline")


def slow_request(seconds: int) -> Reply:
    """408."""
    return error(408, f"the request did not arrive within {seconds} s", "request_timeout")


def not_http() -> Reply:
    """400 for what is no HTTP/1.1 request."""
    return error(400, "this is not a well-formed HTTP/1.1 request", "malformed")


def headers_too_large(limit: int) -> Reply:
    """431."""
    return error(431, f"the headers are larger than {limit:,} bytes", "headers_too_large")


def target_too_long(limit: int) -> Reply:
    """414."""
    return error(414, f"the request target is longer than {limit:,} bytes", "target_too_long")


def encode(reply: Reply, connection: bytes = b"", *, bodiless: bool = False) -> bytes:
    """The reply's bytes. `connection` is a whole header line or nothing; `bodiless` for HEAD."""
    key = (reply[0], reply[1])
    head = _heads.get(key) or _head(key)
    if connection:
        head = head.replace(b"\r\n", b"\r\n" + connection, 1)
    if isinstance(reply, HeaderReply):
        line = "{}: {}\r\n".format(*reply.header).encode("latin-1")
        head = head.replace(b"\r\n", b"\r\n" + line, 1)
    body = reply[2]
    if bodiless:
        return b"%b%d\r\n\r\n" % (head, len(body))
    return b"%b%d\r\n\r\n%b" % (head, len(body), body)


def safe_type(content_type: str) -> str:
    """A content type that cannot end its header line, whatever an engine gives.

    >>> safe_type("text/csv; charset=utf-8"), safe_type("text/csv\\r\\nx: y")
    ('text/csv; charset=utf-8', 'application/octet-stream')
    """
    plain = content_type.isascii() and content_type.isprintable() and content_type
    return content_type if plain else "application/octet-stream"


def _head(key: tuple[int, str]) -> bytes:
    """Everything up to the length's digits."""
    status, content_type = key
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {safe_type(content_type)}\r\n"
    head = f"{lines}content-length: ".encode("latin-1")
    if len(_heads) < _KEPT:
        _heads[key] = head
    return head
