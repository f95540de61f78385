"""The serving benchmark's own parts: a generator that lets a wrong answer pass, or that reports
another load than it made, would make its table worthless."""

import json
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks.serving.answers import BadStatus, Checker, WrongAnswer, numbers
from benchmarks.serving.bodies import request
from benchmarks.serving.load import Generator

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="the generator needs epoll"),
]

DUE = [np.array([index / 10]) for index in range(8)]
REQUESTS = [request("/invocations", ("text/csv", str(index).encode())) for index in range(8)]


def reply(body: bytes, head: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def right(asked: int) -> bytes:
    return reply(json.dumps({"predictions": [asked / 10]}).encode())


@contextmanager
def server(answer: Callable[[int], bytes | list[bytes]]) -> Iterator[tuple[str, int]]:
    """A server that answers the number in a request's body by `answer`; a list in several sends,
    and an empty last part closes the connection."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline():
                length = 0
                while line := self.rfile.readline().strip():
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                parts = answer(int(self.rfile.read(length)))
                for part in parts if isinstance(parts, list) else [parts]:
                    if not part:
                        return
                    self.wfile.write(part)
                    time.sleep(0.001 if isinstance(parts, list) else 0)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield listening.server_address
        listening.shutdown()


@contextmanager
def generator(address: tuple[str, int], connections: int) -> Iterator[Generator]:
    made = Generator(address, REQUESTS, Checker(DUE), connections)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("connections", [1, 4])
def test_right_answers_are_counted(connections):
    with server(right) as address, generator(address, connections) as load:
        result = load.closed_loop(0.5)
        assert len(result.latencies) > 4
        assert 0 < result.quantile(0.5) <= result.quantile(0.99) <= result.seconds
        assert result.rate == pytest.approx(len(result.latencies) / result.seconds)


def test_one_wrong_answer_among_right_ones_ends_the_run():
    """The check that all figures stand on: also when the wrong request was right before."""
    seen = []

    def sometimes_wrong(asked: int) -> bytes:
        seen.append(asked)
        return right(asked + (asked == 5 and seen.count(5) > 3))

    wrong = pytest.raises(WrongAnswer, match=r"request 5, row 1: 0\.6 instead of 0\.5")
    with server(sometimes_wrong) as address, generator(address, 2) as load, wrong:
        load.closed_loop(10)
    assert seen.count(5) == 4


def test_answers_of_another_row_are_wrong():
    """A server that mixes up its connections must not pass because the value is some row's."""
    wrong = pytest.raises(WrongAnswer, match=r"request 0, row 1: 0\.1 instead of 0")
    shifted = server(lambda asked: right((asked + 1) % 8))
    with shifted as address, generator(address, 1) as load, wrong:
        load.closed_loop(1)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (reply(b"busy", "503 Service Unavailable"), BadStatus, "503"),
        (reply(b'{"predictions": []}'), WrongAnswer, "0 predictions for 1 rows"),
        (reply(b'{"predictions": [NaN]}'), WrongAnswer, "nan instead"),
        (reply(b"<html>"), WrongAnswer, "holds no predictions"),
        (b"HTTP/1.1 200 OK\r\n\r\n0.0", WrongAnswer, "neither content-length nor chunked"),
    ],
)
def test_what_is_no_right_answer(answer, error, message):
    wrong = pytest.raises(error, match=message)
    with server(lambda asked: answer) as address, generator(address, 1) as load, wrong:
        load.closed_loop(1)


def test_responses_in_pieces_chunks_and_on_closing_connections():
    """Slow, chunked and connection-closing servers are measured, not failed."""

    def varied(asked: int) -> list[bytes]:
        body = json.dumps([asked / 10]).encode()
        if asked % 3 == 0:
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            return [head, b"1\r\n[\r\n", b"%x\r\n%s\r\n" % (len(body) - 1, body[1:]), b"0\r\n\r\n"]
        if asked % 3 == 1:
            return [reply(body, "200 OK\r\nConnection: close"), b""]
        return [part for part in (reply(body)[:10], reply(body)[10:50], reply(body)[50:]) if part]

    with server(varied) as address, generator(address, 3) as load:
        assert len(load.closed_loop(0.5).latencies) > 8


def test_open_loop_counts_waiting_from_when_a_request_was_due():
    """Without that, a server that stops for a while looks fast: nobody asks it meanwhile."""
    stopped = threading.Event()

    def stops_once(asked: int) -> bytes:
        if not stopped.is_set():
            stopped.set()
            time.sleep(0.3)
        return right(asked)

    with server(stops_once) as address, generator(address, 1) as load:
        result = load.open_loop(0.5, 100, most=1)
    assert 20 < len(result.latencies) < 100
    waited = sum(latency > 0.05 for latency in result.latencies)
    assert waited > 5  # all that were due during the stop, not the one that met it


@pytest.mark.parametrize(
    ("body", "rows", "found"),
    [
        (b'{"predictions": [[0.75, 0.25]]}', 1, [0.25]),
        (b'{"outputs": [{"name": "p", "data": [0.5, 0.125]}]}', 2, [0.5, 0.125]),
        (b"[0.5]", 1, [0.5]),
        (b"0.5\n0.25\n", 2, [0.5, 0.25]),
        (b"0.5,0.25", 2, [0.5, 0.25]),
    ],
)
def test_numbers_as_servers_spell_them(body, rows, found):
    assert numbers(body, rows).tolist() == found
