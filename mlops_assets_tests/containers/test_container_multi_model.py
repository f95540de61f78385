"""Several models in one container, by SageMaker's contract, over HTTP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import requests

from mlops_assets_tests.containers.server import Server, Servers
from mlops_assets_tests.containers.test_container_serve import _flip
from mlops_assets_tests.containers.wire import rows

pytestmark = pytest.mark.integration


@pytest.fixture(params=["protocol", "asgi"])
def server(
    request: pytest.FixtureRequest, sealed_once: Path, tmp_path: Path, servers: Servers
) -> Server:
    """A container with two model directories, one of them corrupt, and room for one model."""
    base = tmp_path / "ml"
    for name in ("good", "corrupt"):
        shutil.copytree(sealed_once, base / "models" / name / "model")
    _flip(base / "models" / "corrupt" / "model")
    return servers.start(
        base / "model",
        SAGEMAKER_MULTI_MODEL="true",
        MLOPS_MODEL_CAPACITY="1",
        MLOPS_FRONT=request.param,
    )


def test_the_life_of_a_model(server: Server, tmp_path: Path) -> None:
    """Load, list, describe, invoke, unload, with the statuses that SageMaker acts on."""
    url = str(tmp_path / "ml" / "models" / "good" / "model")
    described = {"modelName": "good", "modelUrl": url}

    def load(name: str, directory: str) -> requests.Response:
        content = {"model_name": name, "url": directory}
        return requests.post(f"{server.url}/models", json=content, timeout=30)

    def invoke(name: str) -> requests.Response:
        headers = {"Content-Type": "application/json"}
        return requests.post(
            f"{server.url}/models/{name}/invoke", data=rows(2), headers=headers, timeout=30
        )

    assert requests.get(f"{server.url}/ping", timeout=30).status_code == 200
    assert server.post(rows(1), "application/json").status_code == 404
    assert invoke("good").status_code == 404
    assert load("corrupt", url.replace("good", "corrupt")).status_code == 400
    assert load("outside", "/etc").status_code == 400
    assert requests.post(f"{server.url}/models", data="[]", timeout=30).status_code == 400
    assert load("good", url).json() == described
    assert load("good", url).status_code == 409
    assert load("other", url).status_code == 507
    assert requests.get(f"{server.url}/models", timeout=30).json() == {"models": [described]}
    assert requests.get(f"{server.url}/models/good", timeout=30).json() == described
    assert len(invoke("good").json()["predictions"]) == 2
    assert requests.delete(f"{server.url}/models/good", timeout=30).status_code == 200
    for missing in (requests.get, requests.delete):
        assert missing(f"{server.url}/models/good", timeout=30).status_code == 404
    assert requests.put(f"{server.url}/models", timeout=30).headers["allow"] == "GET, POST"
    assert "SHA-256 differs" in server.output()
    assert all(json.loads(line) for line in server.output().splitlines() if line.startswith("{"))


def test_several_processes_are_refused(tmp_path: Path, servers: Servers) -> None:
    """Guards against a model that is loaded in one process and asked for in another."""
    server = servers.start(
        tmp_path / "model", SAGEMAKER_MULTI_MODEL="true", SAGEMAKER_MODEL_SERVER_WORKERS="2"
    )
    assert server.process.wait(timeout=90) == 1
    assert "SAGEMAKER_MODEL_SERVER_WORKERS is 2" in server.output()
