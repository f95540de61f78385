"""`mlops ui` shows trainings too: MLflow's UI beside Dagster's, ended with it."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from mlops_assets.resources.experiments.run_log import RunLog
from mlops_assets.resources.experiments.tracking import Tracking
from mlops_assets_tests.cli.ui_process import interrupted, mlops_ui, read_until

__all__ = ["mlops_ui"]
pytestmark = pytest.mark.integration


def experiments(url: str) -> list[str]:
    """The names of the experiments that a tracking server at a URL tells; it may start slowly."""
    request = urllib.request.Request(  # noqa: S310
        f"{url}/api/2.0/mlflow/experiments/search",
        data=json.dumps({"max_results": 10}).encode(),
        headers={"content-type": "application/json"},
    )
    for _ in range(480):
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
                return [found["name"] for found in json.load(reply)["experiments"]]
        except urllib.error.URLError:
            time.sleep(0.25)
    raise AssertionError(f"MLflow does not answer at {url}")


def test_trainings_are_shown_beside_the_graph_and_gone_with_it(mlops_ui, tmp_path: Path):
    home = tmp_path / "home" / "mlflow"
    tracking = Tracking(f"sqlite:///{home / 'mlflow.db'}", (home / "files").as_uri())
    tracking.whole(RunLog(experiment="parcels", name="job", started_ms=1, status="FINISHED"))
    process = mlops_ui("--port", "0", "--no-daemon")
    said = read_until(process, "in MLflow")
    found = re.search(r"http://127\.0\.0\.1:\d+", said[-1])
    assert found is not None
    assert "parcels" in experiments(found[0])
    assert interrupted(process, signal.SIGTERM) == []
