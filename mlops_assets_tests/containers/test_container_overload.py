"""More requests than can be computed: bounded, told so, and nothing accepted is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from mlops_assets_tests.containers.gated import Gate
from mlops_assets_tests.containers.server import Server, Servers
from mlops_assets_tests.containers.wire import Wire, head, post, rows

pytestmark = pytest.mark.integration

FRONTS = pytest.mark.parametrize("front", ["protocol", "asgi"])


def counted(server: Server, status: int, cause: str) -> int:
    """Answers of that status and cause."""
    lines = requests.get(f"{server.url}/metrics", timeout=5).text.splitlines()
    start = f'mlops_requests_total{{status="{status}",cause="{cause}"}} '
    return next((int(line.removeprefix(start)) for line in lines if line.startswith(start)), 0)


@FRONTS
def test_beyond_the_bound_is_a_503(tmp_path: Path, servers: Servers, front: str) -> None:
    """Guards against a queue without end: at once 503 with Retry-After, and /ping goes on."""
    gate = Gate(tmp_path)
    server = servers.start(gate.model, MLOPS_QUEUE_LIMIT="3", MLOPS_FRONT=front)
    with ExitStack() as stack:
        accepted = [stack.enter_context(Wire(server.port)) for _ in range(3)]
        for number, wire in enumerate(accepted):
            wire.send(post(b"accepted %d" % number))
        gate.wait_begun(1)
        _settle(server)
        refused = stack.enter_context(Wire(server.port))
        for _ in range(2):  # on one connection: it is kept
            refused.send(post(b"refused"))
            answer = refused.answer()
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert requests.get(f"{server.url}/ping", timeout=5).status_code == 200
        assert counted(server, 503, "overloaded") == 2
        gate.open()
        assert [wire.answer().body for wire in accepted] == [b"accepted %d" % i for i in range(3)]
        refused.send(post(b"again"))
        assert refused.answer().body == b"again"


def _settle(server: Server) -> None:
    """Wait until the server has taken in what was sent."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        text = requests.get(f"{server.url}/metrics", timeout=5).text
        if "mlops_in_flight_requests 3" in text:
            return
        time.sleep(0.01)
    raise AssertionError(text)


@FRONTS
def test_bytes_are_bounded_too(tmp_path: Path, servers: Servers, front: str) -> None:
    """Guards against a few large bodies that fill the memory while the count is small."""
    gate = Gate(tmp_path)
    server = servers.start(
        gate.model, MLOPS_QUEUE_BYTES="100", MLOPS_MAX_BODY_BYTES="80", MLOPS_FRONT=front
    )
    with Wire(server.port) as first, Wire(server.port) as second:
        first.send(post(b"a" * 60))
        gate.wait_begun(1)
        second.send(post(b"b" * 60))
        assert second.answer().status == 503
        second.send(head("POST /invocations HTTP/1.1", "Transfer-Encoding: chunked"))
        second.send(b"3c\r\n" + b"b" * 60 + b"\r\n0\r\n\r\n")
        assert second.answer().status == 503
        # By the declared length, before a byte of the body is asked for.
        second.send(post(b"b" * 60, "Expect: 100-continue")[:-60])
        assert second.line().startswith(b"HTTP/1.1 503")
        gate.open()
        assert first.answer().body == b"a" * 60


@FRONTS
def test_the_deadline_is_a_504(tmp_path: Path, servers: Servers, front: str) -> None:
    """Guards against a caller who waits for ever; what has not begun is never computed."""
    gate = Gate(tmp_path)
    server = servers.start(gate.model, SAGEMAKER_MODEL_SERVER_TIMEOUT="1", MLOPS_FRONT=front)
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.port)) for _ in range(6)]
        for wire in wires:
            wire.send(post(b"late"))
        assert {wire.answer().status for wire in wires} == {504}
        begun = gate.begun()
        assert begun < 6
        gate.open()
        wires[0].send(post(b"now"))
        assert wires[0].answer().body == b"now"
    assert gate.begun() == begun + 1


def test_nothing_is_computed_for_a_caller_that_is_gone(tmp_path: Path, servers: Servers) -> None:
    """Guards against a queue full of answers that nobody reads (callers who timed out)."""
    gate = Gate(tmp_path)
    server = servers.start(gate.model)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(Wire(server.port)).send(post(b"computed"))
        gate.wait_begun(2 if _threads(server) > 1 else 1)
        begun = gate.begun()
        with Wire(server.port) as gone:
            gone.send(post(b"gone"), pause=0.1)
        time.sleep(0.1)
        gate.open()
    with Wire(server.port) as wire:
        wire.send(post(b"next"))
        assert wire.answer().body == b"next"
    assert begun < gate.begun() <= 4


def _threads(server: Server) -> int:
    reply = requests.get(f"{server.url}/execution-parameters", timeout=5).json()
    return int(reply["MaxConcurrentTransforms"])


@FRONTS
def test_sigterm_finishes_what_the_pool_computes(
    tmp_path: Path, servers: Servers, front: str
) -> None:
    """In flight and queued requests are answered, idle connections end, the exit is 0."""
    gate = Gate(tmp_path)
    server = servers.start(gate.model, MLOPS_FRONT=front)
    with ExitStack() as stack:
        idle = stack.enter_context(Wire(server.port))
        idle.send(head("GET /ping HTTP/1.1", "Host: x"))
        assert idle.answer("GET").status == 200
        wires = [stack.enter_context(Wire(server.port)) for _ in range(5)]
        for wire in wires:
            wire.send(post(b"in flight"))
        gate.wait_begun(1)
        time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        assert idle.closed()
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(timeout=0.3)
        gate.open()
        assert [wire.answer().body for wire in wires] == [b"in flight"] * 5
        assert server.process.wait(timeout=90) == 0


def _pings(server: Server, until: subprocess.Popen[str]) -> list[float]:
    """Seconds of one /ping after the other, for as long as the load lasts."""
    seconds = []
    with Wire(server.port) as wire:
        while until.poll() is None:
            began = time.perf_counter()
            wire.send(head("GET /ping HTTP/1.1", "Host: x"))
            assert wire.answer("GET").status == 200
            seconds.append(time.perf_counter() - began)
            time.sleep(0.01)
    return sorted(seconds)


def _loaded(server: Server) -> tuple[list[float], list[tuple[int, float]]]:
    """Pings during 256 connections × 1,000 rows, and what the load got."""
    client = Path(__file__).with_name("load_client.py")
    arguments = [sys.executable, str(client), str(server.port), "256", "4", "1000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout
        with ThreadPoolExecutor(1) as reader:
            output = reader.submit(load.stdout.read)
            pings = _pings(server, load)
        return pings, [(status, seconds) for status, seconds in json.loads(output.result())]


def test_overload(model: Path, servers: Servers) -> None:
    """256 connections × 1,000 rows: refused or answered, none cut off; /ping does not wait in the
    queue; afterwards nothing is left of it. Without the bound (the control) nothing is refused, and
    who is answered waits several times as long."""
    server = servers.start(model, MLOPS_QUEUE_LIMIT="16")
    assert server.url
    pings, results = _loaded(server)
    statuses = {status for status, _ in results}
    assert statuses == {200, 503}
    assert len(results) == 256 * 4
    waits = sorted(seconds for status, seconds in results if status == 200)
    median = waits[len(waits) // 2]
    assert pings[int(len(pings) * 0.99)] < max(median, 0.2)
    text = requests.get(f"{server.url}/metrics", timeout=5).text
    for gauge in ("mlops_in_flight_requests", "mlops_queue_depth", "mlops_buffered_bytes"):
        assert f"{gauge} 0\n" in text

    unbound = servers.start(model, MLOPS_QUEUE_LIMIT="100000")
    assert unbound.url
    _, results = _loaded(unbound)
    assert {status for status, _ in results} == {200}
    longest = sorted(seconds for _, seconds in results)
    assert longest[len(longest) // 2] > 2 * median


def test_sigterm_under_load_cuts_nobody_off(model: Path, servers: Servers) -> None:
    """Each of 16 callers gets a reply to whatever it sent, the last with `Connection: close`."""
    server = servers.start(model)
    port = server.port
    request = post(rows(1))

    def call() -> tuple[int, str]:
        count = 0
        with Wire(port) as wire:
            while True:
                wire.send(request)
                answer = wire.answer()
                assert answer.status == 200
                count += 1
                if "connection" in answer.headers:
                    return count, answer.headers["connection"]

    with ThreadPoolExecutor(16) as callers:
        calls = [callers.submit(call) for _ in range(16)]
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        ended = [call.result(timeout=30) for call in calls]
    assert server.process.wait(timeout=90) == 0
    assert {last for _, last in ended} == {"close"}
    assert sum(count for count, _ in ended) > 16
