"""Bounds on what a caller may send, and on how long it may take over it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from mlops_assets.containers.http.protocol import HEAD_BYTES, TARGET_BYTES
from mlops_assets_tests.containers.server import Server, Servers
from mlops_assets_tests.containers.wire import Wire, chunks, head, post, rows

pytestmark = pytest.mark.integration

ONE = rows(1)
CHUNKED = head("POST /invocations HTTP/1.1", "Host: x", "Transfer-Encoding: chunked")


@pytest.fixture(scope="module")
def server(sealed_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with little patience."""
    base = tmp_path_factory.mktemp("limits")
    (base / "model").symlink_to(sealed_once)
    with Servers() as servers:
        yield servers.start(
            base / "model",
            MLOPS_READ_TIMEOUT="1",
            MLOPS_KEEP_ALIVE="2",
            MLOPS_MAX_BODY_BYTES="200000",
        )


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A connection to it."""
    with Wire(server.port) as connection:
        yield connection


def gauge(server: Server, name: str) -> float:
    """A metric without labels."""
    lines = requests.get(f"{server.url}/metrics", timeout=5).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


@pytest.mark.parametrize(
    "begun",
    [
        b"G",
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nX-Slow",
        post(ONE)[:-5],
        CHUNKED + b"5\r\nab",
    ],
    ids=["line", "headers", "body", "chunk"],
)
def test_a_slow_request_is_a_408(server: Server, wire: Wire, begun: bytes) -> None:
    """Guards against connections that are held open by a byte now and then (slowloris)."""
    wire.send(begun)
    answer = wire.answer()
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert wire.closed()
    assert gauge(server, "mlops_buffered_bytes") == 0


def test_drips_do_not_buy_time(wire: Wire) -> None:
    """The time runs for the whole request and not from byte to byte."""
    wire.send(head("POST /invocations HTTP/1.1", "Host: x", "Content-Length: 100"))
    wire.socket.settimeout(0.1)
    for _ in range(60):
        wire.send(b" ")
        try:
            if wire.socket.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
    wire.socket.settimeout(5)
    assert wire.answer().status == 408


def test_an_idle_connection_ends(wire: Wire) -> None:
    """Without a word: there is no request that a reply could be to."""
    wire.send(post(ONE))
    assert wire.answer().status == 200
    assert wire.closed()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /ping HTTP/1.1\r\nX: " + b"a" * (HEAD_BYTES + 1) + b"\r\n\r\n", 431),
        (b"GET /ping HTTP/1.1\r\n" + b"X: a\r\n" * (HEAD_BYTES // 6 + 9) + b"\r\n", 431),
        (b"GET /" + b"a" * TARGET_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (CHUNKED + chunks([b"[]"]) + b"0\r\nX: " + b"a" * (HEAD_BYTES + 1) + b"\r\n\r\n", 431),
        (CHUNKED + b"1;a=" + b"b" * (8 * HEAD_BYTES), 400),
    ],
    ids=["long header", "many headers", "long target", "long trailer", "long extension"],
)
def test_what_has_no_length_has_a_bound(wire: Wire, request_bytes: bytes, status: int) -> None:
    """Guards against memory that a caller fills outside of any body."""
    for at in range(0, len(request_bytes), 4096):
        try:
            wire.send(request_bytes[at : at + 4096])
        except (BrokenPipeError, ConnectionResetError):
            break
    answer = wire.answer()
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert wire.closed()


def test_headers_without_end(wire: Wire) -> None:
    """A header that never ends is refused while it comes."""
    wire.send(b"GET /ping HTTP/1.1\r\nX: ")
    wire.socket.settimeout(0.05)
    for _ in range(200):
        wire.send(b"a" * 4096)
        try:
            if wire.socket.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
    wire.socket.settimeout(5)
    assert wire.answer("GET").status == 431


def test_a_body_over_the_cap_is_not_kept(server: Server, wire: Wire) -> None:
    """Guards against buffering what is refused: nothing counts as held while it still comes."""
    wire.send(CHUNKED, chunks([b"a" * 150_000]), pause=0.05)
    held = gauge(server, "mlops_buffered_bytes")
    wire.send(chunks([b"a" * 100_000]), pause=0.05)
    assert (held, gauge(server, "mlops_buffered_bytes")) == (150_000, 0)
    wire.send(b"0\r\n\r\n")
    answer = wire.answer()
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_a_caller_that_is_gone_leaves_nothing(server: Server) -> None:
    """Half a body and a closed connection: its bytes no longer count as held."""
    with Wire(server.port) as wire:
        wire.send(post(rows(1_500))[:-10], pause=0.05)
        assert gauge(server, "mlops_buffered_bytes") > 0
    time.sleep(0.1)
    assert gauge(server, "mlops_buffered_bytes") == 0


def test_a_caller_that_sends_no_more_is_answered(wire: Wire) -> None:
    """`nc` closes its half of the connection after the request; a small one is answered at once."""
    wire.send(post(ONE))
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.answer().status == 200
    assert wire.closed()


def test_a_caller_that_never_reads_is_cut_off(model: Path, servers: Servers) -> None:
    """Guards against replies that pile up in memory: the server stops reading, then closes."""
    server = servers.start(model, MLOPS_READ_TIMEOUT="1", MLOPS_KEEP_ALIVE="600")
    with Wire(server.port) as wire:
        wire.socket.settimeout(0.5)
        request = post(rows(100)) * 20
        ended = False
        deadline = time.monotonic() + 30
        while not ended and time.monotonic() < deadline:
            try:
                wire.send(request)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                ended = True
        assert ended
        # Closing alone would wait for the caller to read, and hold what it does not read.
        assert not _connections(server)
    assert requests.get(f"{server.url}/ping", timeout=5).status_code == 200


def _connections(server: Server) -> list[object]:
    open_ones = psutil.Process(server.process.pid).net_connections("tcp")
    return [one for one in open_ones if one.status != psutil.CONN_LISTEN]


def test_a_refusal_can_be_read_by_who_still_sends(server: Server, wire: Wire) -> None:
    """Guards against a reset that takes the 400 away: what comes after is read and dropped, and
    only then, or after two seconds, does the connection end."""
    wire.send(b"no request at all\r\n\r\n", *[b"x" * 65_536] * 100)
    assert wire.answer("GET").status == 400
    assert wire.closed()
