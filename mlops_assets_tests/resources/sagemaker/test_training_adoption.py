"""Rows 1, 2 and 21 of the fault matrix: a job is found again, and paid for once."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest

from mlops_assets.objects import ObjectInfo, Objects
from mlops_assets.resources.sagemaker.jobs import attempts as jobs
from mlops_assets.resources.sagemaker.requests import TrainingSpec
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient
from mlops_assets_tests.resources.sagemaker.conftest import Ended, Lab, train
from mlops_assets_tests.resources.sagemaker.fault_parts import QUICK, RETRY, waiting_for

pytestmark = pytest.mark.integration


def test_a_rerun_adopts_the_job_of_a_worker_that_was_killed(
    lab: Lab, worker: Any, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Row 1: kill -9 in mid-training must not make a second paid job."""
    gate = tmp_path / "gate"
    spec = lab.spec("killed", waiting_for(gate))
    process = worker("killed").process
    lab.running("killed")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (job,) = lab.jobs("killed")
    assert job["TrainingJobStatus"] == "InProgress"
    gate.touch()
    ended = train(lab.training(), spec, instance=instance)
    assert ended.success
    assert ended.metadata["adopted"] is True
    assert ended.metadata["job_arn"] == job["TrainingJobArn"]
    assert len(lab.jobs("killed")) == 1


@pytest.mark.parametrize(("point", "created"), [("before-send", 0), ("after-call", 1)])
def test_killed_at_either_side_of_create_there_is_one_job_in_the_end(
    lab: Lab, worker: Any, instance: dg.DagsterInstance, point: str, created: int
) -> None:
    """Row 2: the worker dies just before the request leaves, or before it sees the answer."""
    spec = lab.spec(f"edge-{point}", QUICK)
    process = worker(f"edge-{point}", f"{point}.sagemaker.CreateTrainingJob").process
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert len(lab.jobs(f"edge-{point}")) == created
    ended = train(lab.training(), spec, instance=instance)
    assert ended.success
    assert ended.metadata["adopted"] is bool(created)
    assert len(lab.jobs(f"edge-{point}")) == 1
    assert not list(lab.objects().list(f"s3://lake/pipes/{ended.metadata['job_name']}"))


def test_without_looking_for_earlier_attempts_the_rerun_pays_twice(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """The negative control of row 1: names that do not follow from content."""
    spec = lab.spec("unguarded", QUICK)
    names = iter(["unguarded-x", "unguarded-y"])
    with patch.object(jobs, "find_attempt", lambda *_: jobs.Found(next(names), None)):
        for _ in range(2):
            assert train(lab.training(), spec, instance=instance).success
    assert len(lab.jobs("unguarded")) == 2


def test_two_runs_at_once_share_one_job(lab: Lab, tmp_path: Path) -> None:
    """Row 2: between looking and creating, another run may create."""
    spec = lab.spec("twins", QUICK)
    ended: list[Ended] = []
    together = threading.Barrier(2)
    find = jobs.find_attempt

    def find_at_the_same_moment(*args: Any) -> jobs.Found:
        found = find(*args)
        together.wait(timeout=60)
        return found

    def run() -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            ended.append(train(lab.training(lab.fresh()), spec, instance=instance))

    with patch.object(jobs, "find_attempt", find_at_the_same_moment):
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [run.success for run in ended] == [True, True]
    assert sorted(run.metadata["adopted"] for run in ended) == [False, True]
    assert len(lab.jobs("twins")) == 1


@pytest.mark.parametrize("blind", [False, True], ids=["found", "raced"])
def test_a_job_of_the_same_name_and_another_request_is_refused(
    lab: Lab, instance: dg.DagsterInstance, blind: bool
) -> None:
    """Guards against registering a model that was trained with other parameters.

    Whether the other job is found first, or only met as ResourceInUse.
    """
    name = f"taken-{'raced' if blind else 'found'}"
    spec = lab.spec(name, QUICK)
    client = lab.training()

    def run(parameters: dict[str, str]) -> Ended:
        @dg.asset
        def model(context: dg.AssetExecutionContext):
            from mlops_assets.resources.sagemaker.requests import Placement, training_request
            from mlops_assets.resources.sagemaker.source import upload_source

            code = upload_source(lab.objects(), "lake", spec.source)
            request = training_request(spec, Placement(), bucket="lake", code_uri=code)
            request["TrainingJobName"] = name
            request["HyperParameters"] |= parameters
            before = repr(request)
            done = client.run(context=context, create_training_job_params=request)
            assert repr(request) == before, "the caller's parameters were changed"
            return done.get_materialize_result()

        return Ended(dg.materialize([model], instance=instance, raise_on_error=False))

    assert run({}).success
    find = (lambda *_: jobs.Found(name, None)) if blind else jobs.find_attempt
    with patch.object(jobs, "find_attempt", find):
        other = run({"max_depth": "9"})
    assert not other.success
    assert "JobNameTaken" in str(other.failure.error)
    assert len(lab.jobs(name)) == 1


class Forgetful:
    """A store in which artifacts are missing."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def list(self, prefix_uri: str) -> Iterator[ObjectInfo]:
        if prefix_uri.endswith("model.tar.gz"):
            return iter(())
        return self._objects.list(prefix_uri)


def test_a_completed_job_without_its_artifact_is_a_failure(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """Row 21: nothing may be registered, and the next run trains again instead of adopting."""
    spec: TrainingSpec = lab.spec("artless", QUICK)
    client = PipesSageMakerTrainingClient(
        lab.sagemaker, lambda: Forgetful(lab.objects()), "lake", poll_interval=0.1
    )
    ended = train(client, spec, instance=instance, retry_policy=RETRY)
    assert not ended.success
    assert "missing or empty" in ended.failure.user_failure_data.description
    (job,) = lab.jobs("artless")
    lab.objects().delete(job["ModelArtifacts"]["S3ModelArtifacts"])
    again = train(lab.training(), spec, instance=instance)
    assert again.metadata["adopted"] is False
    assert again.metadata["job_name"] == f"{job['TrainingJobName']}-2"
