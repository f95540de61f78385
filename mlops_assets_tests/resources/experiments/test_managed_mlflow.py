"""SageMaker's managed MLflow, by its ARN: what is asked is signed, addressed, and allowed."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets_tests.resources.experiments.signed_mlflow import (
    TrackingServer,
    environment,
    refused,
    serving,
)

pytestmark = pytest.mark.integration
PROGRAM = str(Path(__file__).with_name("signed_mlflow.py"))
# The REST API's paths as IAM's actions of sagemaker-mlflow (its service authorization reference).
ACTIONS = {
    "experiments/create": "CreateExperiment",
    "experiments/get-by-name": "GetExperimentByName",
    "experiments/restore": "RestoreExperiment",
    "runs/create": "CreateRun",
    "runs/get": "GetRun",
    "runs/log-batch": "LogBatch",
    "runs/search": "SearchRuns",
    "runs/set-tag": "SetTag",
    "runs/update": "UpdateRun",
}


def told(server: TrackingServer, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAM],
        env=environment(server, **changes),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    with serving(tmp_path_factory.mktemp("artifacts").as_uri()) as server:
        done = told(server)
        assert done.returncode == 0, done.stderr
        return server.seen


def test_each_request_is_signed_for_the_server_of_the_arn(seen: list[tuple[str, str]]) -> None:
    """The plugin signs by the process's URI: with the client's own alone, all were refused."""
    assert [problem for _, problem in seen if problem] == []
    assert {path for path, _ in seen} >= {"runs/create", "runs/log-batch", "runs/update"}


def test_every_request_has_an_action_that_is_allowed(seen: list[tuple[str, str]]) -> None:
    """A call more in a release of MLflow's is a 403 in AWS, and nowhere else."""
    from mlops_assets.permissions.jobs import JOBS

    (statement,) = [each for each in JOBS if each.sid == "Experiments"]
    allowed = {action.removeprefix("sagemaker-mlflow:") for action in statement.actions}
    assert {ACTIONS[path] for path, _ in seen} <= allowed
    assert allowed == set(ACTIONS.values())


def test_without_the_right_key_it_is_refused(tmp_path: Path) -> None:
    """The negative control: a server that takes everything would see no wrong signature."""
    with serving(tmp_path.as_uri()) as server:
        done = told(server, AWS_SECRET_ACCESS_KEY="another", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert done.returncode != 0
    assert {problem for _, problem in server.seen} == {"the signature does not match"}


def test_a_request_without_a_signature_is_refused() -> None:
    assert refused("GET", "http://x/", {}, b"") == "the request is not signed"
