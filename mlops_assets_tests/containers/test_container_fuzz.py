"""Mutated requests: whatever comes, the reply is one that is declared, and the server goes on."""

from __future__ import annotations

import io
import json
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import requests

from mlops_assets_tests.containers.server import Server, Servers
from mlops_assets_tests.containers.wire import Answer, Wire, chunks, head, post, rows
from mlops_assets_tests.ml.artifact import trained

pytestmark = pytest.mark.integration

SEED = 20_260_727
PAYLOADS = 10_000
WIRES = 1_500
DECLARED = {200, 400, 406, 413, 415}
# Room for the allocator's fragments. A leak of one body each would be 40 MiB.
GROWTH_BYTES = 24 * 1024**2


@pytest.fixture(scope="module")
def fronts(
    sealed_once: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    """A server of each front."""
    with Servers() as servers:
        started = []
        for front in ("protocol", "asgi"):
            base = tmp_path_factory.mktemp(front)
            (base / "model").symlink_to(sealed_once)
            started.append(servers.start(base / "model", MLOPS_FRONT=front))
        yield started[0], started[1]


def _originals() -> list[tuple[str, bytes]]:
    """Right requests of every type, small and of some hundred rows."""
    found: list[tuple[str, bytes]] = []
    for count in (1, 5, 100):
        frame = trained.with_gaps(trained.frame(count, seed=count))
        table = pa.Table.from_pandas(frame, preserve_index=False)
        cells = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
        columns = dict(zip(trained.FEATURES, map(list, zip(*cells, strict=True)), strict=True))
        records = [dict(zip(trained.FEATURES, row, strict=True)) for row in cells]
        stream = io.BytesIO()
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        parquet = io.BytesIO()
        pa.parquet.write_table(table, parquet)
        npy = io.BytesIO()
        np.save(npy, frame[["distance", "pressure"]].to_numpy())
        found += [
            ("application/json", json.dumps(cells).encode()),
            ("application/json", json.dumps({"instances": records}).encode()),
            ("application/json", json.dumps(columns).encode()),
            ("application/jsonlines", "\n".join(map(json.dumps, cells)).encode()),
            ("text/csv", frame.to_csv(index=False, header=False).encode()),
            ("text/csv; header=present", frame.to_csv(index=False).encode()),
            ("application/x-npy", npy.getvalue()),
            ("application/vnd.apache.arrow.stream", stream.getvalue()),
            ("application/vnd.apache.parquet", parquet.getvalue()),
        ]
    return found


_SWAPS = [b"null", b"true", b"1e999", b"[]", b"{}", b'""', b"NaN", b"-0", b'"\xff"', b"\x00", b","]


def mutated(body: bytes, dice: random.Random) -> bytes:
    """The body with one to three of: bytes flipped, cut off, doubled, taken out, or replaced."""
    data = bytearray(body)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.choice([1, 2, 8, 64]))
        kind = dice.randrange(5)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = data[at:end] * dice.randint(1, 20)
        elif kind == 3:
            del data[at:end]
        else:
            data[at:end] = dice.choice(_SWAPS)
    return bytes(data)


def _resident(server: Server) -> float:
    lines = requests.get(f"{server.url}/metrics", timeout=10).text.splitlines()
    name = "process_resident_memory_bytes "
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def _ask(wire: Wire, kind: str, body: bytes) -> Answer:
    lines = [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    wire.send(head("POST /invocations HTTP/1.1", "Host: x", *lines) + body)
    return wire.answer()


def test_mutated_payloads(fronts: tuple[Server, Server]) -> None:
    """No undeclared status, no crash, flat memory; and both fronts give the same replies."""
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    originals = _originals()
    kinds = sorted({kind for kind, _ in originals})
    settled: list[float] = []
    seen: dict[int, int] = {}
    with Wire(fronts[0].port) as first, Wire(fronts[1].port) as second:
        for number in range(PAYLOADS):
            kind, body = dice.choice(originals)
            body = mutated(body, dice)
            if dice.random() < 0.1:
                kind = dice.choice(kinds)
            answers = [_ask(wire, kind, body) for wire in (first, second)]
            status = answers[0].status
            assert status in DECLARED, (number, kind, body, answers[0])
            assert answers[0] == answers[1], (number, kind, body)
            seen[status] = seen.get(status, 0) + 1
            if number == PAYLOADS // 4:
                settled = [_resident(server) for server in fronts]
    assert min(seen.get(200, 0), seen.get(400, 0)) > PAYLOADS // 20, seen
    for server, before in zip(fronts, settled, strict=True):
        assert _resident(server) - before < GROWTH_BYTES
        assert "Traceback" not in server.output()
        assert server.post(rows(1), "application/json").status_code == 200


def test_mutated_http(fronts: tuple[Server, Server]) -> None:
    """Bytes flipped, cut, doubled and replaced in whole requests, heads included."""
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    server = fronts[0]
    chunked = head("POST /invocations HTTP/1.1", "Host: x", "Transfer-Encoding: chunked")
    originals = [
        post(rows(1)),
        post(rows(1), "Connection: close", "Expect: 100-continue"),
        post(rows(2)) + post(rows(3)),
        chunked + chunks([rows(1)[:9], rows(1)[9:]], b";a=b") + b"0\r\nX: y\r\n\r\n",
        head("GET /ping HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: h2c"),
        head("HEAD /metrics HTTP/1.0", "Host: x", "Connection: keep-alive"),
    ]
    allowed = DECLARED | {100, 404, 405, 408, 414, 431}
    for number in range(WIRES):
        sent = mutated(dice.choice(originals), dice)
        with Wire(server.port) as wire, suppress(ConnectionResetError, BrokenPipeError):
            wire.send(sent)
            wire.socket.shutdown(socket.SHUT_WR)
            for line in _lines(wire):
                if line.startswith(b"HTTP/"):
                    assert int(line.split()[1]) in allowed, (number, sent, line)
    assert "an engine raised" not in server.output()
    assert '"logger": "asyncio"' not in server.output()
    assert server.post(rows(1), "application/json").status_code == 200


def _lines(wire: Wire) -> Iterator[bytes]:
    while line := wire.line():
        yield line
