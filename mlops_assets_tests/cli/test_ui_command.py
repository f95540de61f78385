"""`mlops ui` as a person runs it: it says where it is, serves, and leaves nothing behind."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import urllib.request

import psutil
import pytest

from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.ui import run
from mlops_assets_tests.cli.ui_process import interrupted, mlops_ui, read_until

__all__ = ["mlops_ui"]

QUERY = "{ assetNodes { id } }"


def asset_nodes(url: str) -> list[dict[str, str]]:
    request = urllib.request.Request(  # noqa: S310
        f"{url}/graphql",
        data=json.dumps({"query": QUERY}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
        nodes: list[dict[str, str]] = json.load(reply)["data"]["assetNodes"]
        return nodes


@pytest.mark.integration
def test_serves_beside_a_taken_port_and_stops_with_everything(mlops_ui):
    """On a taken port Dagster serves nothing and says nothing; its code servers outlive it.

    And the graph is there when the URL is printed: the webserver, the daemon and their code servers
    used to make the new home's tables at once, which at times left them all with a home that cannot
    be opened, and the page with an empty graph.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = mlops_ui("--port", str(port))
        said = read_until(process, r"http://127\.0\.0\.1:\d+")
    assert any(f"Port {port} is taken" in line for line in said)
    found = re.search(r"http://127\.0\.0\.1:(\d+)", said[-1])
    assert found is not None
    assert int(found[1]) != port
    assert len(asset_nodes(found[0])) >= 9, "".join(said)
    assert interrupted(process, signal.SIGINT) == []


@pytest.mark.integration
def test_pipelines_that_do_not_load_are_named(mlops_ui, tmp_path):
    """It used to print the URL of an empty graph, as if all were well."""
    (tmp_path / "broken_pipeline.py").write_text("raise ValueError('speed is declared twice')\n")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    process = mlops_ui("--port", "0", PYTHONPATH=path, MLOPS_PIPELINES="broken_pipeline")
    read_until(process, "Starting")
    family = psutil.Process(process.pid).children(recursive=True)
    assert family, "nothing was started: the test would prove nothing"
    said = "".join(read_until(process, r"mlops: the pipelines do not load|http://127"))
    assert "http://127" not in said
    said += process.stdout.read()
    assert "http://127" not in said
    assert said.rstrip().endswith("ValueError: speed is declared twice")
    assert process.wait(30) == 1
    assert psutil.wait_procs(family, timeout=5)[1] == []


@pytest.mark.integration
def test_nothing_is_started_before_the_new_home_has_its_tables(mlops_ui, tmp_path):
    """Started together, Dagster's processes at times damaged the home for good (see above).

    The home is held as another process holds it while making its tables.
    """
    home = tmp_path / "dagster"
    home.mkdir()
    held = os.open(home, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    process = mlops_ui("--port", "0", DAGSTER_HOME=str(home))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(6)
    assert psutil.Process(process.pid).children() == []
    os.close(held)
    read_until(process, "Starting")
    assert (home / "schedules/schedules.db").exists()
    assert interrupted(process, signal.SIGTERM) == []


@pytest.mark.integration
def test_terminated_while_starting_leaves_nothing(mlops_ui):
    """SIGTERM ends a Python process at once: its servers would stay, in sessions of their own."""
    process = mlops_ui("--no-daemon", "--port", "0")
    read_until(process, "Starting")
    assert interrupted(process, signal.SIGTERM) == []


@pytest.mark.integration
def test_a_server_that_ends_by_itself_is_named(mlops_ui):
    """It used to end in silence, as if it had been asked to."""
    process = mlops_ui("--no-daemon", "--port", "0")
    read_until(process, "Starting")
    for child in psutil.Process(process.pid).children():
        child.kill()
    read_until(process, "dagster-webserver ended with exit status -9")
    assert process.wait(30) == 1


@pytest.mark.integration
def test_an_instance_that_does_not_open_is_named(mlops_ui, tmp_path):
    """Dagster's own words come with a traceback, from each of its processes, and no remedy."""
    broken = tmp_path / "dagster"
    broken.mkdir()
    (broken / "dagster.yaml").write_text("no_such_section: {}\n")
    process = mlops_ui("--no-daemon", "--port", "0", DAGSTER_HOME=str(broken))
    said = "".join(read_until(process, "Mend its dagster.yaml"))
    assert f"Dagster's instance in {broken} does not open" in said
    assert "no_such_section" in said
    assert "Traceback" not in said
    assert process.wait(30) == 1


def test_outside_the_project_says_where_to_run(tmp_path, monkeypatch):
    """Dagster's own message for a missing workspace does not say what to do."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=r"workspace\.yaml is missing: run mlops ui from"):
        run(0, daemon=False)
