"""The service without a socket: who is called where, and what is counted."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from mlops_assets.containers.handle import Request
from mlops_assets.containers.http.front import Front
from mlops_assets.containers.http.protocol import Connection
from mlops_assets.containers.http.service import Service
from mlops_assets.containers.reply import Reply
from mlops_assets.containers.serve_settings import ServeSettings, cores
from mlops_assets_tests.containers.wire import post


class Engine:
    """Answers with the body, and remembers how it was called."""

    def __init__(self, *, inline_bytes: int = 100, batches: bool = False) -> None:
        self.inline_bytes = inline_bytes
        self.batches = batches
        self.batched: list[int] = []
        self.threads: list[str] = []
        self.fails = False

    def handle(self, content_type: str, accept: str, body: bytes) -> Reply:
        self.threads.append(threading.current_thread().name)
        if self.fails:
            raise RuntimeError("broken")
        return Reply(200, "text/plain", body, 1, "")

    def handle_many(self, requests: Sequence[Request]) -> list[Reply]:
        self.batched.append(len(requests))
        if self.fails:
            raise RuntimeError("broken")
        return [Reply(200, "text/plain", request.body, 1, "") for request in requests]


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> ServeSettings:
    """The defaults."""
    for name in ("SAGEMAKER_MODEL_SERVER_WORKERS", "SAGEMAKER_BASE_DIR", "MLOPS_FRONT"):
        monkeypatch.delenv(name, raising=False)
    return ServeSettings.from_environ()


def connected(service: Service) -> tuple[Connection, Transport]:
    """A connection without a socket."""
    connection, transport = Connection(Front(service)), Transport()
    connection.connection_made(transport)
    return connection, transport


def test_requests_of_one_tick_are_one_batch(settings: ServeSettings) -> None:
    """Guards against a neural net that is run once a request, and against a timer: one turn of the
    loop collects, the next answers. Each connection gets its own answer."""
    engine = Engine(batches=True)

    async def run() -> list[list[bytes]]:
        service = Service(engine, settings)
        callers = [connected(service) for _ in range(5)]
        for number, (connection, _) in enumerate(callers):
            connection.data_received(post(b"%d" % number))
        assert not any(transport.written for _, transport in callers)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        callers[0][0].data_received(post(b"alone"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [transport.written for _, transport in callers]

    written = asyncio.run(run())
    assert [replies[0].rsplit(b"\n", 1)[1] for replies in written] == [b"0", b"1", b"2", b"3", b"4"]
    assert written[0][1].endswith(b"alone")
    assert engine.batched == [5]


def test_without_batches_nothing_waits(settings: ServeSettings) -> None:
    """The control: an engine for single rows answers within data_received."""
    engine = Engine()

    async def run() -> bytes:
        connection, transport = connected(Service(engine, settings))
        connection.data_received(post(b"x"))
        return b"".join(transport.written)

    assert asyncio.run(run()).endswith(b"x")
    assert (engine.batched, engine.threads) == ([], ["MainThread"])


@pytest.mark.parametrize(
    ("inline_bytes", "size", "where"),
    [(100, 100, "MainThread"), (100, 101, "predict"), (-1, 0, "predict")],
)
def test_where_a_request_is_computed(
    settings: ServeSettings, inline_bytes: int, size: int, where: str
) -> None:
    """Guards against a blocking engine, or a large body, on the event loop."""
    engine = Engine(inline_bytes=inline_bytes)

    async def run() -> None:
        service = Service(engine, settings)
        connection, transport = connected(service)
        connection.data_received(post(b"a" * size))
        while not transport.written:
            await asyncio.sleep(0.001)
        service.close()

    asyncio.run(run())
    assert engine.threads[0].startswith(where)


@pytest.mark.parametrize("batches", [False, True])
@pytest.mark.parametrize("size", [1, 500])
def test_an_engine_that_raises_is_a_500(settings: ServeSettings, batches: bool, size: int) -> None:
    """Engines promise not to raise; a broken promise costs a request, never the server."""
    engine = Engine(batches=batches)
    engine.fails = True

    async def run() -> Service:
        service = Service(engine, settings)
        callers = [connected(service) for _ in range(2)]
        for connection, _ in callers:
            connection.data_received(post(b"a" * size))
        while not all(transport.written for _, transport in callers):
            await asyncio.sleep(0.001)
        assert all(b" 500 " in transport.written[0] for _, transport in callers)
        service.close()
        return service

    counted = asyncio.run(run()).metrics
    assert counted.requests == {(500, "internal"): 2}
    assert (counted.pending, counted.in_flight, counted.buffered) == (0, 0, 0)


def test_small_requests_are_answered_while_the_queue_is_full(settings: ServeSettings) -> None:
    """Guards against large requests that shut out those that need no thread."""

    async def run() -> tuple[bytes, bytes]:
        service = Service(Engine(), replace(settings, queue_limit=1))
        service.metrics.pending = 1
        small, large = connected(service), connected(service)
        small[0].data_received(post(b"x"))
        large[0].data_received(post(b"x" * 101))
        return small[1].written[0], large[1].written[0]

    small, large = asyncio.run(run())
    assert small.startswith(b"HTTP/1.1 200")
    assert large.startswith(b"HTTP/1.1 503")


def test_an_engines_content_type_cannot_add_a_header(settings: ServeSettings) -> None:
    """Guards against an Accept that an inference.py gives back and that ends its line."""
    engine = Engine()
    engine.handle = lambda *request: Reply(200, "a\r\nset-cookie: x", b"", 0, "")  # type: ignore[method-assign]

    async def run() -> bytes:
        connection, transport = connected(Service(engine, settings))
        connection.data_received(post(b"x"))
        return transport.written[0]

    assert b"set-cookie" not in asyncio.run(run())


def test_execution_parameters_stay_within_sagemakers_product(settings: ServeSettings) -> None:
    """MaxConcurrentTransforms × MaxPayloadInMB may be 100 at most."""
    for workers in (1, 2, 16):
        service = Service(Engine(), replace(settings, workers=workers))
        reply = service.route("GET", "/execution-parameters")
        assert isinstance(reply, Reply)
        read = json.loads(reply.body)
        assert read["MaxConcurrentTransforms"] * read["MaxPayloadInMB"] <= 100
        assert read["BatchStrategy"] == "MULTI_RECORD"


@pytest.mark.parametrize(
    ("asked", "multi_model", "workers"),
    [("", "", 1), ("3", "", 3), ("auto", "", cores()), ("auto", "true", 1), ("1", "true", 1)],
)
def test_how_many_processes(
    monkeypatch: pytest.MonkeyPatch, asked: str, multi_model: str, workers: int
) -> None:
    """One by default; as many as cores in the image, which says "auto"; threads share the cores."""
    monkeypatch.setenv("SAGEMAKER_MODEL_SERVER_WORKERS", asked)
    monkeypatch.setenv("SAGEMAKER_MULTI_MODEL", multi_model)
    settings = ServeSettings.from_environ()
    assert settings.workers == workers
    assert settings.threads == max(1, cores() // workers)
