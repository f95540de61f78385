"""HTTP/1.1 as RFC 9112 has it, byte by byte, over both fronts: what one answers, the other does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets_tests.containers.server import Server, Servers
from mlops_assets_tests.containers.wire import Wire, chunks, head, post, rows

pytestmark = pytest.mark.integration

ONE = rows(1)


@pytest.fixture(scope="module", params=["protocol", "asgi"])
def server(
    request: pytest.FixtureRequest, sealed_once: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of each front, for requests that leave no trace."""
    base = tmp_path_factory.mktemp(request.param)
    (base / "model").symlink_to(sealed_once)
    with Servers() as servers:
        yield servers.start(base / "model", MLOPS_FRONT=request.param)


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A connection to it."""
    with Wire(server.port) as connection:
        yield connection


@pytest.fixture(scope="module")
def expected(server: Server) -> bytes:
    """The answer's bytes to ONE."""
    with Wire(server.port) as connection:
        connection.send(post(ONE))
        answer = connection.answer()
    assert answer.status == 200, answer.body
    return answer.body


def test_a_request_in_single_bytes(wire: Wire, expected: bytes) -> None:
    """Guards against a parser that takes a segment for a request."""
    request = post(ONE)
    wire.send(*(request[at : at + 1] for at in range(len(request))))
    assert wire.answer().body == expected


@pytest.mark.parametrize("cut", [1, 17, 60, 110])
def test_a_request_in_two_segments(wire: Wire, expected: bytes, cut: int) -> None:
    """Cut in the request line, in a header, in the body."""
    request = post(ONE)
    wire.send(request[:cut], request[cut:], pause=0.02)
    assert wire.answer().body == expected


CHUNKED = head(
    "POST /invocations HTTP/1.1",
    "Host: x",
    "content-type: application/json",
    "Transfer-Encoding: chunked",
)


def test_chunked_with_extensions_and_trailers(wire: Wire, expected: bytes) -> None:
    """Chunks of one byte with extensions; trailers are read and not used."""
    pieces = [ONE[at : at + 1] for at in range(len(ONE))]
    wire.send(CHUNKED + chunks(pieces, b';a="b c";d') + b"0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n")
    assert wire.answer().body == expected


def test_a_trailer_is_no_header(
    request: pytest.FixtureRequest, server: Server, wire: Wire, expected: bytes
) -> None:
    """Guards against smuggling: an Accept that a trailer puts on its request, or on the next."""
    if request.node.callspec.params["server"] == "asgi":
        known = "uvicorn takes trailers that come with their head for headers"
        request.applymarker(pytest.mark.xfail(reason=known, strict=True))
    trailer = b"0\r\nAccept: image/png\r\nContent-Type: text/csv\r\n\r\n"
    bare = head("POST /invocations HTTP/1.1", "Host: x", f"Content-Length: {len(ONE)}") + ONE
    wire.send(bare)
    without = wire.answer()
    wire.send(CHUNKED + chunks([ONE]) + trailer + bare)
    assert wire.answer().body == expected
    assert wire.answer() == without


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    """Small ones are answered at once and a large one in the pool: none overtakes another."""
    alone = []
    bodies = [rows(1, 1), rows(2_000, 2), rows(1, 30), rows(3, 4), rows(1_500, 50)]
    for body in bodies:
        wire.send(post(body))
        alone.append(wire.answer().body)
    assert len(set(alone)) == len(bodies)
    wire.send(b"".join(post(body) for body in bodies) + head("GET /ping HTTP/1.1", "Host: x"))
    assert [wire.answer().body for _ in bodies] == alone
    assert wire.answer("GET").body == b"{}"


def test_expect_continue(wire: Wire, expected: bytes) -> None:
    """The body is asked for, and only then answered."""
    request = post(ONE, "Expect: 100-continue")
    at = len(request) - len(ONE)
    wire.send(request[:at])
    assert wire.line().startswith(b"HTTP/1.1 100")
    assert wire.line() == b"\r\n"
    wire.send(request[at:])
    assert wire.answer().body == expected


def test_a_connection_is_kept(wire: Wire, expected: bytes) -> None:
    """Guards against a connection a request."""
    for _ in range(3):
        wire.send(post(ONE))
        answer = wire.answer()
        assert answer.body == expected
        assert "connection" not in answer.headers


def test_connection_close(wire: Wire, expected: bytes) -> None:
    """The reply says so too, and the connection ends."""
    wire.send(post(ONE, "Connection: close"))
    answer = wire.answer()
    assert (answer.body, answer.headers["connection"]) == (expected, "close")
    assert wire.closed()


def test_http_1_0(wire: Wire, expected: bytes) -> None:
    """An old caller reads until the connection ends."""
    wire.send(post(ONE, version="1.0"))
    assert wire.answer().body == expected
    assert wire.closed()


def test_head_has_no_body(wire: Wire, expected: bytes) -> None:
    """Guards against a body that the caller takes for the next reply."""
    wire.send(head("HEAD /ping HTTP/1.1", "Host: x"))
    answer = wire.answer("HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "2", b"")
    wire.send(post(ONE))
    assert wire.answer().body == expected


@pytest.mark.parametrize(
    ("line", "status", "allow"),
    [
        ("GET /invocations HTTP/1.1", 405, "POST"),
        ("PUT /ping HTTP/1.1", 405, "GET, HEAD"),
        ("DELETE /metrics HTTP/1.1", 405, "GET, HEAD"),
        ("GET / HTTP/1.1", 404, None),
        ("GET /ping/ HTTP/1.1", 404, None),
        ("OPTIONS * HTTP/1.1", 404, None),
    ],
)
def test_paths_and_methods(
    wire: Wire, expected: bytes, line: str, status: int, allow: str | None
) -> None:
    """405 names what is allowed; the connection goes on."""
    wire.send(head(line, "Host: x"))
    answer = wire.answer("GET")
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    wire.send(post(ONE))
    assert wire.answer().body == expected


@pytest.mark.parametrize(
    "path", ["/invocations?a=/ping", "http://other:1/invocations", "/%69nvocations"]
)
def test_forms_of_the_target(wire: Wire, expected: bytes, path: str) -> None:
    """A query, the absolute form of proxies, and escapes."""
    wire.send(post(ONE, path=path))
    assert wire.answer().body == expected


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_header_names_in_any_case(wire: Wire, expected: bytes, change: object) -> None:
    """Guards against a proxy's spelling of Content-Type."""
    assert callable(change)
    names = [
        f"{change(name)}: {value}"
        for name, value in [
            ("Host", "x"),
            ("Content-Type", "application/json"),
            ("Content-Length", len(ONE)),
        ]
    ]
    wire.send(head("POST /invocations HTTP/1.1", *names) + ONE)
    assert wire.answer().body == expected


def test_an_offered_upgrade_is_declined(wire: Wire, expected: bytes) -> None:
    """curl --http2 offers one with its first request: it is answered in HTTP/1.1."""
    wire.send(head("GET /ping HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: h2c"))
    assert wire.answer("GET").status == 200


BAD = {
    "length and chunked": head(
        "POST /invocations HTTP/1.1", "Host: x", "Content-Length: 3", "Transfer-Encoding: chunked"
    )
    + b"0\r\n\r\n",
    "chunked and length": head(
        "POST /invocations HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "Content-Length: 3"
    )
    + b"0\r\n\r\n",
    "two lengths": head(
        "POST /invocations HTTP/1.1", "Host: x", "Content-Length: 2", "Content-Length: 3"
    )
    + b"[]",
    "length not a number": head("POST /invocations HTTP/1.1", "Host: x", "Content-Length: +2")
    + b"[]",
    "length too long": head("POST /invocations HTTP/1.1", f"Content-Length: {2**64}"),
    "coding after chunked": head(
        "POST /invocations HTTP/1.1", "Host: x", "Transfer-Encoding: chunked, gzip"
    )
    + b"0\r\n\r\n",
    "chunk size not hex": CHUNKED + b"zz\r\n",
    "chunk size negative": CHUNKED + b"-1\r\n",
    "chunk longer than said": CHUNKED + b"1\r\nabc\r\n",
    "bare LF": b"GET /ping HTTP/1.1\nHost: x\n\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 3,
    "no such version": b"GET /ping HTTP/9.7\r\nHost: x\r\n\r\n",
    "no such method": b"BREW /ping HTTP/1.1\r\nHost: x\r\n\r\n",
    "no target": b"GET\r\n\r\n",
    "space in a name": b"GET /ping HTTP/1.1\r\nHost : x\r\n\r\n",
    "name with a NUL": b"GET /ping HTTP/1.1\r\nHo\x00st: x\r\n\r\n",
    "value with a NUL": b"GET /ping HTTP/1.1\r\nHost: \x00x\r\n\r\n",
    "folded header": b"GET /ping HTTP/1.1\r\n X: y\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", BAD.values(), ids=BAD)
def test_what_is_no_http_is_refused(server: Server, wire: Wire, request_bytes: bytes) -> None:
    """400 and the end of the connection: nobody knows where the next request would begin."""
    wire.send(request_bytes)
    answer = wire.answer("GET")
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert wire.closed()
    with Wire(server.port) as other:
        other.send(post(ONE))
        assert other.answer().status == 200
