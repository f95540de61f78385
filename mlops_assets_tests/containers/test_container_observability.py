"""What the server tells about itself, and what it must never tell."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest
import requests

from mlops_assets.containers.http import logs, metrics
from mlops_assets.containers.http.board import Board, create
from mlops_assets.containers.http.metrics import BUCKETS, Metrics
from mlops_assets.ml.artifact import manifest
from mlops_assets_tests.containers.server import Server, Servers
from mlops_assets_tests.containers.wire import ROW, Wire, post, rows

CANARY = "canary-7f3a"


def exposition(server: Server) -> dict[str, float]:
    """The metrics, by name and labels."""
    reply = requests.get(f"{server.url}/metrics", timeout=5)
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in reply.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.mark.integration
@pytest.mark.parametrize("front", ["protocol", "asgi"])
def test_metrics(model: Path, servers: Servers, front: str) -> None:
    """Each answer is counted once, by status and cause, inline and in the pool."""
    server = servers.start(model, MLOPS_FRONT=front)
    bodies = [rows(1), rows(2_000), b"[[1]]", b"nothing"]
    for body in bodies:
        server.post(body, "application/json")
    server.post(b"x", "image/png")
    requests.get(f"{server.url}/nowhere", timeout=5)
    requests.get(f"{server.url}/ping", timeout=5)
    read = exposition(server)
    counts = {name: value for name, value in read.items() if name.startswith("mlops_requests_")}
    assert sum(counts.values()) == 6  # pings are not counted
    assert counts['mlops_requests_total{status="200",cause=""}'] == 2
    assert counts['mlops_requests_total{status="404",cause="not_found"}'] == 1
    assert sum(value for name, value in counts.items() if 'status="400"' in name) == 2
    assert read["mlops_rows_total"] == 2_001
    assert read["mlops_request_seconds_count"] == 6
    assert read['mlops_request_seconds_bucket{le="+Inf"}'] == 6
    assert read["mlops_in_flight_requests"] == read["mlops_buffered_bytes"] == 0
    assert read["mlops_nan_answers_total"] == read["mlops_refused_total"] == 0
    digest = manifest.verify(model).digest()
    assert read[f'mlops_model_info{{digest="{digest}"}}'] == 1
    assert read["process_resident_memory_bytes"] > 1e7
    assert read["process_cpu_seconds_total"] > 0


def test_buckets_are_cumulative() -> None:
    """A quantile is read off the buckets: each holds all that were at most so slow."""
    counted = Metrics()
    for seconds in (0.00005, 0.0001, 0.02, 100.0):
        counted.observe(200, "", 1, seconds)
    text = metrics.text([counted.snapshot(1)], "").decode()
    values = re.findall(r'_bucket{le="([^"]+)"} (\d+)', text)
    assert len(values) == len(BUCKETS) + 1
    assert dict(values)["0.0001"] == "2"
    assert dict(values)["60.0"] == "3"
    assert dict(values)["+Inf"] == "4"


def test_a_label_cannot_break_the_text() -> None:
    """Guards against a cause or digest that ends its label."""
    counted = Metrics()
    counted.observe(500, 'a"b\nc\\', 0, 0.1)
    text = metrics.text([counted.snapshot(1)], "").decode()
    assert 'cause="a\\"b\\nc\\\\"} 1\n' in text


def test_the_board_keeps_what_a_worker_counted() -> None:
    """Two views of one memory; a slot's last words outlive its worker."""
    descriptor = create(2)
    first, second = Board(descriptor, 0), Board(descriptor, 1)
    assert (first.own(), first.others()) == (b"", [])
    for number in range(5):
        second.publish(b"%d" % number * 100)
        assert first.others() == [b"%d" % number * 100]
    second.publish(b"x" * 100_000)  # does not fit: the last stays
    assert Board(descriptor, 1).own() == b"4" * 100
    counted = Metrics()
    counted.observe(200, "", 3, 0.01)
    again = Metrics()
    again.restore(metrics.unpack(metrics.pack(counted.snapshot(1))))
    again.observe(200, "", 3, 0.01)
    assert (again.requests, again.rows, sum(again.buckets)) == ({(200, ""): 2}, 6, 2)


def _planted() -> list[tuple[bytes, str]]:
    """Bodies with the canary as a value, a category, a column, a key, and as no JSON at all."""
    row = json.dumps(ROW)
    columns = {"distance": CANARY, CANARY: 1}
    large = [[*ROW[:4], CANARY, "JFK"]] * 1_500
    bodies = [
        (json.dumps([[CANARY, *ROW[1:]]]), "application/json"),
        (json.dumps([[*ROW[:4], CANARY, "JFK"]]), "application/json"),
        (json.dumps(large), "application/json"),
        (json.dumps([*large, [CANARY]]), "application/json"),
        (json.dumps([{**columns}]), "application/json"),
        (json.dumps({"instances": CANARY}), "application/json"),
        (row + CANARY, "application/json"),
        (f"{CANARY},1,2,3,UA,JFK", "text/csv"),
        (f'"{CANARY}\n1', "text/csv"),
        (f"1,2,3,4,UA,JFK\n{CANARY}", "text/csv"),
        ("1,2,3,4,UA,JFK\n" * 1_500 + f"{CANARY},1,2,3,4,5\n", "text/csv"),
        (f"{row}\n{CANARY}", "application/jsonlines"),
        (CANARY, "application/x-npy"),
        (CANARY * 100, "application/vnd.apache.arrow.stream"),
        (CANARY * 100, "application/vnd.apache.parquet"),
        (CANARY, "image/png"),
    ]
    return [(body.encode(), kind) for body, kind in bodies]


@pytest.mark.integration
@pytest.mark.parametrize("front", ["protocol", "asgi"])
def test_no_payload_is_told(model: Path, servers: Servers, front: str) -> None:
    """A canary in every kind of body: it stands in no log line, and in no reply but the 400 that
    shows its own caller the value which is wrong."""
    server = servers.start(model, MLOPS_FRONT=front)
    statuses = set()
    for body, kind in _planted():
        reply = server.post(body, kind)
        statuses.add(reply.status_code)
        assert reply.status_code == 400 or CANARY not in reply.text, (body[:80], kind)
    with Wire(server.port) as wire:
        wire.send(CANARY.encode() + b"\r\n\r\n")
        assert CANARY.encode() not in wire.answer().body
    requests.get(f"{server.url}/{CANARY}", timeout=5)
    assert {200, 400, 415} <= statuses <= {200, 400, 415}
    assert CANARY not in server.output()


@pytest.mark.integration
def test_an_error_is_one_line_with_its_id(model: Path, servers: Servers) -> None:
    """JSON with status, cause and the caller's id; nothing for a success; a flood is cut short."""
    server = servers.start(model)
    with Wire(server.port) as wire:
        wire.send(post(rows(1), "X-Amzn-SageMaker-Inference-Id: good-1"))
        assert wire.answer().status == 200
        wire.send(post(b"[[1]]", "X-Amzn-SageMaker-Inference-Id: bad-1"))
        assert wire.answer().status == 400
        for _ in range(500):
            wire.send(post(b"[[1]]"))
            wire.answer()
    lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
    named = [line for line in lines if "inference_id" in line]
    assert [(line["inference_id"], line["status"]) for line in named] == [("bad-1", 400)]
    assert named[0]["cause"]
    assert 1 < len(lines) < 250


def test_an_exception_is_logged_without_its_message() -> None:
    """A message may quote a payload: only where debugging was asked for is it written."""
    try:
        raise ValueError(CANARY)
    except ValueError:
        record = logging.LogRecord("x", 40, "p", 1, "a request failed", None, sys.exc_info())
    quiet, loud = (logs.JsonLines(messages=shown).format(record) for shown in (False, True))
    assert CANARY not in quiet
    assert json.loads(quiet)["error"] == "ValueError"
    assert json.loads(loud)["error_message"] == CANARY
