"""One process a core on one port: started together, replaced, ended together, none left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from mlops_assets_tests.containers.gated import Gate
from mlops_assets_tests.containers.server import Server, Servers
from mlops_assets_tests.containers.test_container_serve import _flip
from mlops_assets_tests.containers.wire import Wire, head, post, rows

pytestmark = pytest.mark.integration

ONE = rows(1)


def workers(server: Server) -> set[int]:
    """The process ids of its workers."""
    return {child.pid for child in psutil.Process(server.process.pid).children()}


def wait_until(met: Callable[[], bool], what: str) -> None:
    """Wait for something that comes at its own time."""
    deadline = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def metric(text: str, start: str) -> float:
    """A metric's value."""
    return next(float(x.rsplit(" ", 1)[1]) for x in text.splitlines() if x.startswith(start))


@pytest.fixture(params=["protocol", "asgi"])
def pair(request: pytest.FixtureRequest, model: Path, servers: Servers) -> Server:
    """A server of two workers."""
    server = servers.start(model, SAGEMAKER_MODEL_SERVER_WORKERS="2", MLOPS_FRONT=request.param)
    assert server.url
    return server


def _answers(server: Server, count: int) -> None:
    for _ in range(count):  # a connection each, so that the kernel spreads them
        with Wire(server.port) as wire:
            wire.send(post(ONE))
            assert wire.answer().status == 200


def test_counters_are_summed(pair: Server) -> None:
    """Guards against /metrics that shows whichever worker was asked: half of the requests."""
    assert len(workers(pair)) == 2
    _answers(pair, 40)
    time.sleep(0.6)  # two publications
    text = requests.get(f"{pair.url}/metrics", timeout=30).text
    assert metric(text, 'mlops_requests_total{status="200"') == 40
    assert metric(text, "mlops_rows_total") == 40
    assert metric(text, "mlops_request_seconds_count") == 40
    assert metric(text, "mlops_workers") == 2


def test_a_dead_worker_is_replaced(pair: Server) -> None:
    """The other answers meanwhile, the counters do not fall, and the new one serves."""
    _answers(pair, 20)
    time.sleep(0.6)
    before = workers(pair)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(workers(pair) - before) == 1, "no worker was started")
    wait_until(lambda: _listening(pair) == 2, "the new worker does not listen")
    _answers(pair, 20)
    time.sleep(0.6)
    for _ in range(8):
        text = requests.get(f"{pair.url}/metrics", timeout=30).text
        assert metric(text, 'mlops_requests_total{status="200"') == 40


def _listening(server: Server) -> int:
    found = 0
    for pid in workers(server):
        connections = psutil.Process(pid).net_connections("tcp")
        found += any(c.status == psutil.CONN_LISTEN for c in connections)
    return found


def test_sigterm_ends_all_of_them(tmp_path: Path, servers: Servers) -> None:
    """What is in flight in each worker is answered; exit 0, no process left, the port is free."""
    gate = Gate(tmp_path)
    server = servers.start(gate.model, SAGEMAKER_MODEL_SERVER_WORKERS="2")
    wires = [Wire(server.port) for _ in range(12)]
    for wire in wires:
        wire.send(post(b"in flight"))
    gate.wait_begun(2)
    time.sleep(0.2)
    pids = workers(server)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    gate.open()
    assert [wire.answer().body for wire in wires] == [b"in flight"] * 12
    assert server.process.wait(timeout=90) == 0
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_no_worker_outlives_its_supervisor(pair: Server) -> None:
    """Guards against orphans that keep the port after SIGKILL."""
    pids = workers(pair)
    pair.process.kill()
    pair.process.wait()
    wait_until(lambda: not any(_alive(pid) for pid in pids), "a worker is left")


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_corrupt_artifact_ends_them_all(model: Path, servers: Servers) -> None:
    """Guards against workers that are restarted for ever; nobody ever listens."""
    _flip(model)
    server = servers.start(model, SAGEMAKER_MODEL_SERVER_WORKERS="2")
    assert server.process.wait(timeout=60) == 1
    assert "serving on" not in server.output()


@pytest.fixture
def loading(tmp_path: Path, servers: Servers) -> Server:
    """A server of two workers, the second of which loads until a file `go` is there."""
    model = tmp_path / "ml" / "model"
    (model / "code").mkdir(parents=True)
    (model / "code" / "inference.py").write_text(
        "import os, pathlib, time\n"
        "HERE = pathlib.Path(__file__).parent.parent.parent\n"
        "def model_fn(model_dir):\n"
        "    try:\n"
        "        (HERE / 'first').mkdir()\n"
        "    except FileExistsError:\n"
        "        while not (HERE / 'go').exists():\n"
        "            time.sleep(0.01)\n"
        "    return 1\n"
        "def predict_fn(data, model): return data\n"
    )
    server = servers.start(model, SAGEMAKER_MODEL_SERVER_WORKERS="2")
    wait_until(lambda: (tmp_path / "ml" / "first").exists(), "none loads")
    time.sleep(0.5)
    return server


def test_nobody_listens_until_all_are_ready(tmp_path: Path, loading: Server) -> None:
    """Guards against a /ping of 200 while half of the workers still load."""
    assert "serving on" not in loading.output()
    assert _listening(loading) == 0
    (tmp_path / "ml" / "go").touch()
    with Wire(loading.port) as wire:
        wire.send(head("GET /ping HTTP/1.1", "Host: x"))
        assert wire.answer("GET").status == 200
    assert _listening(loading) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_that_load_end_too(loading: Server, number: signal.Signals) -> None:
    """Guards against a worker that nobody can reach any more, and that still loads."""
    pids = workers(loading)
    assert len(pids) == 2
    loading.process.send_signal(number)
    assert loading.process.wait(timeout=90) == (0 if number == signal.SIGTERM else -number)
    wait_until(lambda: not any(_alive(pid) for pid in pids), "a worker is left")
