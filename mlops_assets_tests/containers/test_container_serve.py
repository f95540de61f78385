"""`serve` as a real process: readiness, limits, imports, and its end."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import requests

from mlops_assets.ml.artifact.load import Artifact
from mlops_assets_tests.containers.server import Server, Servers
from mlops_assets_tests.ml.artifact import trained
from mlops_assets_tests.ml.artifact.test_artifact_load import resign

pytestmark = pytest.mark.integration


def rows(count: int) -> list[list[object]]:
    """Rows as JSON holds them, with missing and unseen values."""
    frame = trained.with_gaps(trained.frame(count, seed=21)).astype(object)
    return frame.where(frame.notna(), None).to_numpy().tolist()


def test_the_server_answers_as_the_artifact(
    model: Path, servers: Servers, artifact: Artifact
) -> None:
    """Ping, then 1 and 2,000 rows (the event loop and the pool) by every type and back."""
    server = servers.start(model)
    ping = requests.get(f"{server.url}/ping", timeout=30)
    assert (ping.status_code, ping.headers.get("server")) == (200, None)
    for count in (1, 2_000):
        sent = rows(count)
        columns = dict(zip(trained.FEATURES, map(list, zip(*sent, strict=True)), strict=True))
        expected = artifact.predict(columns)
        fields = [["" if v is None else str(v) for v in row] for row in sent]
        bodies = {
            "text/csv": "\n".join(",".join(row) for row in fields),
            "application/json": json.dumps({"instances": sent}),
            "application/jsonlines": "\n".join(json.dumps(row) for row in sent),
        }
        for kind, body in bodies.items():
            reply = server.post(body, kind)
            assert reply.status_code == 200, reply.text
            np.testing.assert_allclose(reply.json()["predictions"], expected, atol=1e-6)
        lines = server.post(bodies["text/csv"], "text/csv", accept="text/csv").text.split()
        np.testing.assert_allclose([float(line) for line in lines], expected, atol=1e-6)


NEVER = {"pandas", "sklearn", "onnx", "torch", "dagster", "boto3", "uvicorn", "fastapi"}
FOR_LARGE = {"pyarrow", "xgboost", "scipy"}


def test_what_the_serving_process_imports(model: Path, servers: Servers) -> None:
    """pandas, scikit-learn and XGBoost cost seconds of start and hundreds of MB. Seen in the real
    process: the interpreter itself lists what it imports, until after requests were answered. What
    large requests need is imported with the first of them."""
    server = servers.start(model, "-X", "importtime")
    assert server.post(json.dumps(rows(3)), "application/json").status_code == 200
    assert server.post(b"1,2", "text/csv").status_code == 400
    small = _imported(server)
    assert {"numpy", "onnxruntime", "orjson", "uvloop", "httptools"} <= small
    assert not small & (NEVER | FOR_LARGE)
    for kind, body in (
        ("application/json", json.dumps(rows(2_000))),
        ("text/csv", "1,2\n" * 9_999),
    ):
        server.post(body, kind)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=90) == 0
    assert not _imported(server) & NEVER


def _imported(server: Server) -> set[str]:
    lines = [line for line in server.output().splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}


def _flip(model: Path) -> None:
    data = bytearray((model / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (model / "model.onnx").write_bytes(data)


def _golden(model: Path) -> None:
    content = json.loads((model / "golden.json").read_bytes())
    content["expected"][5] += 0.01
    (model / "golden.json").write_text(json.dumps(content))
    resign(model)


def _unsealed(model: Path) -> None:
    (model / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_flip, "model.onnx is not the file that was sealed"),
        (_golden, "1 of 32 golden rows get another answer"),
        (_unsealed, "never sealed"),
        (shutil.rmtree, "never sealed"),
    ],
)
def test_a_corrupt_artifact_ends_the_process(
    model: Path, servers: Servers, damage: object, said: str
) -> None:
    """Guards against /ping saying 200 for a model that must not answer: it never listens."""
    assert callable(damage)
    damage(model)
    server = servers.start(model)
    assert server.process.wait(timeout=60) == 1
    assert said in server.output()
    assert "serving on" not in server.output()
    assert "Traceback" not in server.output()


def test_wrong_requests_get_a_readable_refusal(model: Path, servers: Servers) -> None:
    """Status, {"error": …}, nothing of the server's inside; and it answers afterwards."""
    server = servers.start(model)
    get = requests.get
    replies = {
        400: server.post("1,2", "text/csv"),
        404: get(f"{server.url}/metrics-please", timeout=30),
        405: get(f"{server.url}/invocations", timeout=30),
        406: server.post("[]", "application/json", accept="image/png"),
        415: server.post("x", "image/png"),
    }
    for status, reply in replies.items():
        assert reply.status_code == status
        assert list(reply.json()) == ["error"]
        assert str(model.parent) not in reply.text
        assert "Traceback" not in reply.text
    assert get(f"{server.url}/ping", timeout=30).status_code == 200


def _large(server: Server, chunked: bool) -> tuple[int, str]:
    """Status and text for 30 MB sent by a client that reads only when it has sent everything."""
    body = b"1,2,3,4,UA,JFK\n" * 2_000_000
    chunks = (body[at : at + 65_536] for at in range(0, len(body), 65_536))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(
        "POST",
        "/invocations",
        body=chunks if chunked else body,
        encode_chunked=chunked,
        headers={"Transfer-Encoding": "chunked"} if chunked else {},
    )
    reply = connection.getresponse()
    return reply.status, reply.read().decode()


@pytest.mark.parametrize("front", ["protocol", "asgi"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_cap_is_a_readable_413(
    model: Path, servers: Servers, chunked: bool, front: str
) -> None:
    """By Content-Length and while streaming; the caller gets the reply, not a reset connection."""
    server = servers.start(model, MLOPS_MAX_BODY_BYTES="100000", MLOPS_FRONT=front)
    status, text = _large(server, chunked)
    assert status == 413
    assert "larger than 100,000 bytes" in json.loads(text)["error"]
    assert server.post(json.dumps(rows(1)), "application/json").status_code == 200


@pytest.mark.parametrize("front", ["protocol", "asgi"])
def test_expect_continue_is_refused_before_the_body(
    model: Path, servers: Servers, front: str
) -> None:
    """A caller who asks first is told 413 without sending 3 MB."""
    server = servers.start(model, MLOPS_MAX_BODY_BYTES="100000", MLOPS_FRONT=front)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("front", ["protocol", "asgi"])
def test_sigterm_finishes_the_request_in_flight(model: Path, servers: Servers, front: str) -> None:
    """Half a body is sent, SIGTERM comes, the rest is sent: it is answered, and the exit is 0."""
    server = servers.start(model, MLOPS_FRONT=front)
    body = json.dumps(rows(1)).encode()
    port = server.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/invocations")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:10])
    time.sleep(0.3)  # until the server has the head: nothing tells a client so
    server.process.send_signal(signal.SIGTERM)
    _wait_refused(port)
    connection.send(body[10:])
    reply = connection.getresponse()
    assert reply.status == 200
    assert len(json.loads(reply.read())["predictions"]) == 1
    assert server.process.wait(timeout=90) == 0


def _wait_refused(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    raise AssertionError("new connections are still accepted")


def test_a_models_own_inference_code(tmp_path: Path, servers: Servers) -> None:
    """code/inference.py in place of an artifact."""
    code = tmp_path / "ml" / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(
        "def model_fn(model_dir): return 2\ndef predict_fn(data, model): return data * model\n"
    )
    server = servers.start(code.parent)
    assert requests.get(f"{server.url}/ping", timeout=30).status_code == 200
    assert server.post("[1, 2]", "application/json").json() == [2, 4]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http"),
        ("MLOPS_MAX_BODY_BYTES", "6MB"),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/html"),
        ("MLOPS_FRONT", "flask"),
        ("MLOPS_DEVICE", "tpu"),
        ("MLOPS_QUEUE_LIMIT", "0"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "many"),
    ],
)
def test_a_wrong_setting_is_named(model: Path, servers: Servers, name: str, value: str) -> None:
    """Guards against an endpoint that starts with another setting than was asked for."""
    server = servers.start(model, **{name: value})
    assert server.process.wait(timeout=60) == 1
    assert f"{name} is '{value}'" in server.output()
