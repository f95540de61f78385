"""The webserver that everybody may use changes nothing, whoever asks (security demand 11)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

CODE = """
import dagster as dg

@dg.asset
def rows() -> None: ...

@dg.sensor(job_name="everything")
def watch() -> None: ...

defs = dg.Definitions(
    assets=[rows], jobs=[dg.define_asset_job("everything", selection="*")], sensors=[watch]
)
"""
SELECTOR = """repositoryLocationName: "location.py", repositoryName: "__repository__" """
# What would cost money, lose data or stop the loop; each answers with its own type when allowed.
MUTATIONS = {
    "launch a run": (
        f'launchRun(executionParams: {{selector: {{{SELECTOR}, pipelineName: "everything"}}}})'
    ),
    "start a sensor": f'startSensor(sensorSelector: {{{SELECTOR}, sensorName: "watch"}})',
    "wipe an asset": 'wipeAssets(assetPartitionRanges: [{assetKey: {path: ["rows"]}}])',
    "claim a materialization": (
        "reportRunlessAssetEvents(eventParams: "
        '{eventType: ASSET_MATERIALIZATION, assetKey: {path: ["rows"]}})'
    ),
    "delete a run": 'deletePipelineRun(runId: "0")',
    "reload the code": 'reloadRepositoryLocation(repositoryLocationName: "location.py")',
}


class Server:
    """A webserver over one asset, in an instance of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir()
        (folder / "location.py").write_text(CODE)
        (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DAGSTER_")}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    str(Path(sys.executable).with_name("dagster-webserver")),
                    *("-h", "127.0.0.1", "-p", str(port), "-f", "location.py", *options),
                ],
                cwd=folder,
                env={**kept, "DAGSTER_HOME": str(folder)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the group holds the code server, which outlives it
            )

    def ask(self, query: str) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 (http, ours)
            f"{self.url}/graphql",
            data=json.dumps({"query": query}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            answer: dict[str, Any] = json.load(reply)
        assert "errors" not in answer, answer
        return answer["data"]

    def wait(self) -> None:
        deadline = time.monotonic() + 150
        while time.monotonic() < deadline:
            assert self.process.poll() is None
            with contextlib.suppress(OSError):
                if "rows" in json.dumps(self.ask("{ assetNodes { assetKey { path } } }")):
                    return
            time.sleep(0.2)
        raise AssertionError("the webserver does not answer")

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Started together: for the most part they wait."""
    folder = tmp_path_factory.mktemp("webservers")
    started = {
        "readers": Server(folder / "readers", "--read-only"),
        "writers": Server(folder / "writers"),
    }
    try:
        for server in started.values():
            server.wait()
        yield started
    finally:
        for server in started.values():
            server.stop()


def answered(server: Server, mutation: str) -> str:
    """The type of the answer."""
    (answer,) = server.ask(f"mutation {{ {mutation} {{ __typename }} }}").values()
    return str(answer["__typename"])


@pytest.mark.parametrize("what", MUTATIONS)
def test_everybody_s_webserver_refuses(what: str, servers: dict[str, Server]) -> None:
    """Hiding the buttons is no protection: the mutation itself is refused."""
    assert answered(servers["readers"], MUTATIONS[what]) == "UnauthorizedError"


@pytest.mark.parametrize("what", MUTATIONS)
def test_the_other_one_does_not(what: str, servers: dict[str, Server]) -> None:
    """Negative control: it is the read-only mode that refuses, not a mistake in the question."""
    assert answered(servers["writers"], MUTATIONS[what]) != "UnauthorizedError"


def test_reading_goes_on(servers: dict[str, Server]) -> None:
    """A webserver that refuses everything is read-only as well."""
    found = servers["readers"].ask("{ runsOrError { ... on Runs { results { id } } } }")
    assert found == {"runsOrError": {"results": []}}
