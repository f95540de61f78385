"""Rows 1-3, 14, 18, 19 and 21 of the fault matrix: whatever breaks, a job is paid for once."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ReadTimeoutError

from mlops_assets.objects import ObjectInfo, Objects
from mlops_assets.resources.sagemaker import jobs, training
from mlops_assets.resources.sagemaker.requests import TrainingSpec
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient
from mlops_assets_tests.resources.sagemaker.conftest import (
    Ended,
    Lab,
    eventually,
    python_environment,
    train,
)

pytestmark = pytest.mark.integration

QUICK = "print('trained')"
RETRY = dg.RetryPolicy(max_retries=2)


def waiting_for(gate: Path) -> str:
    """A script that trains until ``gate`` is there."""
    return f"""
import pathlib, time
print("training", flush=True)
while not pathlib.Path({str(gate)!r}).exists():
    time.sleep(0.05)
"""


class Worker:
    """A process of its own that materializes `model` with a RetryPolicy, as a run worker does.

    Args:
        dies_at: the botocore event at which it kills itself.
        shared: whether its Dagster instance is in ``home``, where others see it.
    """

    def __init__(self, lab: Lab, name: str, home: Path, dies_at: str | None, shared: bool) -> None:
        script = home / "worker.py"
        home.mkdir()
        script.write_text(f"""
import os, pathlib, signal, dagster as dg
from mlops_assets_tests.resources.sagemaker.conftest import LEAVE_A_MODEL, Lab, train
from mlops_assets.resources.sagemaker.session import SageMakerResource
lab = Lab(pathlib.Path({str(lab.root)!r}), SageMakerResource(**{lab.sagemaker.model_dump()!r}))
script = lab.root / "scripts" / {name!r} / "train.py"
spec = lab.spec({name!r}, script.read_text().removeprefix(LEAVE_A_MODEL))
if {dies_at!r}:
    lab.sagemaker.client().meta.events.register(
        {dies_at!r}, lambda **_: os.kill(os.getpid(), signal.SIGKILL))
shared = os.environ.get("DAGSTER_HOME")
with dg.DagsterInstance.get() if shared else dg.DagsterInstance.ephemeral() as instance:
    train(lab.training(), spec, instance=instance,
          retry_policy=dg.RetryPolicy(max_retries=2))
""")
        self.home = home
        with (home / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(script)],
                env=python_environment(DAGSTER_HOME=str(home) if shared else ""),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        return (self.home / "log").read_text()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def worker(lab: Lab, tmp_path: Path) -> Iterator[Any]:
    workers: list[Worker] = []

    def start(name: str, dies_at: str | None = None, shared: bool = False) -> Worker:
        home = tmp_path / f"worker-{len(workers)}"
        workers.append(Worker(lab, name, home, dies_at, shared))
        return workers[-1]

    yield start
    for each in workers:
        each.end()


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


def test_a_lost_answer_to_create_is_not_a_lost_job(lab: Lab, instance: dg.DagsterInstance) -> None:
    """Row 3: the service created the job, and the connection broke before it could say so."""
    sagemaker = lab.fresh()
    lost: list[str] = []

    def lose(**_: Any) -> None:
        if not lost:
            lost.append("the answer")
            raise ReadTimeoutError(endpoint_url="http://sagemaker")

    sagemaker.client().meta.events.register("after-call.sagemaker.CreateTrainingJob", lose)
    ended = train(lab.training(sagemaker), lab.spec("lost", QUICK), instance=instance)
    assert lost
    assert ended.success
    assert ended.metadata["adopted"] is True
    assert len(lab.jobs("lost")) == 1


def test_a_request_that_never_arrived_is_sent_again(lab: Lab, instance: dg.DagsterInstance) -> None:
    """The other half of row 3: no answer, and no job either."""
    sagemaker = lab.fresh()
    lost: list[str] = []

    def lose(**_: Any) -> None:
        if not lost:
            lost.append("the request")
            raise ReadTimeoutError(endpoint_url="http://sagemaker")

    sagemaker.client().meta.events.register("before-call.sagemaker.CreateTrainingJob", lose)
    ended = train(lab.training(sagemaker), lab.spec("unsent", QUICK), instance=instance)
    assert lost
    assert ended.success
    assert ended.metadata["adopted"] is False
    assert len(lab.jobs("unsent")) == 1


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


def test_a_refused_request_fails_with_the_service_s_words_and_leaves_nothing(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """Row 16, its first half: a quota is no reason to wait, and no context stays behind."""
    spec = lab.spec("refused", QUICK, instance_count=2)
    ended = train(lab.training(), spec, instance=instance)
    assert not ended.success
    assert "ResourceLimitExceeded" in str(ended.failure.error)
    assert lab.jobs("refused") == []
    assert not any("refused" in info.uri for info in lab.objects().list("s3://lake/pipes"))


def test_expired_credentials_leave_a_job_that_the_next_run_adopts(
    lab: Lab, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Row 20: a clear failure, the job goes on, and its context is still there to be read."""
    gate = tmp_path / "gate"
    spec = lab.spec("expired", waiting_for(gate))
    sagemaker = lab.fresh()

    def expire(**_: Any) -> AWSResponse | None:
        running = [job for job in lab.jobs("expired") if job["SecondaryStatus"] == "Training"]
        return answer_of("ExpiredTokenException", "The security token expired") if running else None

    client = sagemaker.client()
    client.meta.events.register("before-send.sagemaker.DescribeTrainingJob", expire)
    ended = train(lab.training(sagemaker), spec, instance=instance)
    assert not ended.success
    assert "ExpiredTokenException" in str(ended.failure.error)
    (job,) = lab.jobs("expired")
    assert job["TrainingJobStatus"] == "InProgress"
    gate.touch()
    again = train(lab.training(), spec, instance=instance)
    assert again.metadata["adopted"] is True
    assert len(lab.jobs("expired")) == 1


def answer_of(code: str, message: str) -> AWSResponse:
    """An error as the service answers it, put in place of a request that is not sent."""

    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield f'{{"__type": "{code}", "message": "{message}"}}'.encode()

    headers = {"content-type": "application/x-amz-json-1.1"}
    return AWSResponse("http://sagemaker", 400, headers, Raw())


def throttle(client: Any, operation: str, times: int) -> list[int]:
    """Answer the next calls as a throttling service does; what is returned counts them."""
    throttled: list[int] = []

    def answer(**_: Any) -> AWSResponse | None:
        if len(throttled) >= times:
            return None
        throttled.append(1)
        return answer_of("ThrottlingException", "Rate exceeded")

    client.meta.events.register(f"before-send.sagemaker.{operation}", answer)
    return throttled


def test_a_throttled_describe_leaves_the_job_alone(lab: Lab, instance: dg.DagsterInstance) -> None:
    """Row 14. One attempt per call, so that botocore's own retries hide nothing."""
    sagemaker = lab.fresh(max_attempts=1)
    throttled = throttle(sagemaker.client(), "DescribeTrainingJob", times=4)
    ended = train(lab.training(sagemaker), lab.spec("throttled", QUICK), instance=instance)
    assert len(throttled) == 4
    assert ended.success
    assert len(lab.jobs("throttled")) == 1


def test_throttling_is_an_error_to_a_client_that_is_not_patient(lab: Lab) -> None:
    """The negative control of row 14: the injected fault is one."""
    client = lab.fresh(max_attempts=1).client()
    throttle(client, "DescribeTrainingJob", times=1)
    with pytest.raises(ClientError, match="ThrottlingException"):
        client.describe_training_job(TrainingJobName="any")


def test_a_throttled_create_makes_one_job(lab: Lab, instance: dg.DagsterInstance) -> None:
    sagemaker = lab.fresh(max_attempts=1)
    throttled = throttle(sagemaker.client(), "CreateTrainingJob", times=3)
    ended = train(lab.training(sagemaker), lab.spec("throttled-create", QUICK), instance=instance)
    assert len(throttled) == 3
    assert ended.metadata["adopted"] is False
    assert len(lab.jobs("throttled-create")) == 1


def test_a_job_stopped_from_outside_fails_the_run_and_stays_stopped(
    lab: Lab, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Row 18, with a RetryPolicy that would start it again; a new run is a new decision."""
    gate = tmp_path / "gate"
    spec = lab.spec("stopped", waiting_for(gate))

    def stop() -> None:
        name = lab.running("stopped")["TrainingJobName"]
        lab.fresh().client().stop_training_job(TrainingJobName=name)

    stopper = threading.Thread(target=stop)
    stopper.start()
    ended = train(lab.training(), spec, instance=instance, retry_policy=RETRY)
    stopper.join()
    assert not ended.success
    assert "was stopped" in ended.failure.user_failure_data.description
    assert len(lab.jobs("stopped")) == 1
    gate.touch()
    again = train(lab.training(), spec, instance=instance)
    assert again.metadata["job_name"].endswith("-2")


def test_a_terminated_run_stops_its_job_once_and_is_canceled(
    lab: Lab, worker: Any, tmp_path: Path
) -> None:
    """Row 19, as the UI does it: the run is marked, then its process gets SIGINT.

    With a RetryPolicy Dagster would relaunch the interrupted step, and the run end in success.
    """
    lab.spec("terminated", waiting_for(tmp_path / "gate"))
    started = worker("terminated", shared=True)
    lab.running("terminated")
    with dg.DagsterInstance.from_ref(_ref(started.home)) as instance:
        (run,) = instance.get_runs()
        instance.report_run_canceling(run)
        os.kill(started.process.pid, signal.SIGINT)
        started.process.wait(timeout=120)
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.CANCELED, started.log()
    (job,) = lab.jobs("terminated")
    assert job["TrainingJobStatus"] == "Stopped"
    statuses = [t["Status"] for t in job["SecondaryStatusTransitions"]]
    assert statuses.count("Stopping") == 1


def test_an_interruption_that_is_passed_on_makes_dagster_start_a_second_job(
    lab: Lab, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The negative control of row 19: the same run, if the client raised what it caught."""
    gate = tmp_path / "gate"
    spec = lab.spec("naive", waiting_for(gate))
    client = lab.training()

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def model(context: dg.AssetExecutionContext):
        try:
            return client.run_spec(context=context, spec=spec).get_materialize_result()
        except dg.Failure:
            gate.touch()
            raise dg.DagsterExecutionInterruptedError from None

    def interrupt() -> None:
        lab.running("naive")
        os.kill(os.getpid(), signal.SIGINT)

    terminator = threading.Thread(target=interrupt)
    terminator.start()
    result = dg.materialize([model], instance=instance, raise_on_error=False)
    terminator.join()
    assert result.success
    assert [job["TrainingJobStatus"] for job in lab.jobs("naive")] == ["Stopped", "Completed"]


def _ref(home: Path) -> Any:
    from dagster._core.instance.ref import InstanceRef

    return InstanceRef.from_dir(str(home))


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


def test_a_run_that_comes_while_the_job_is_being_stopped_waits_and_starts_anew(
    lab: Lab, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Guards against adopting a job that is on its way to Stopped.

    The script ends only once the second run is seen waiting for it.
    """
    ready, release = tmp_path / "ready", tmp_path / "release"
    script = f"""
import os, pathlib, signal, sys, time
first = not os.environ["TRAINING_JOB_NAME"].endswith("-2")
def stop(*_):
    while not pathlib.Path({str(release)!r}).exists():
        time.sleep(0.05)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
pathlib.Path({str(ready)!r}).touch()
while first:
    time.sleep(0.05)
"""
    spec = lab.spec("stopping", script)
    with dg.DagsterInstance.ephemeral() as other:
        first = threading.Thread(
            target=lambda: train(lab.training(lab.fresh()), spec, instance=other)
        )
        first.start()
        name = lab.running("stopping")["TrainingJobName"]
        eventually(ready.exists, "the script's signal handler")
        lab.sagemaker.client().stop_training_job(TrainingJobName=name)

        def sleep(seconds: float) -> None:
            release.touch()
            time.sleep(seconds)

        clock = SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
        with patch.object(training, "time", clock):
            again = train(lab.training(), spec, instance=instance)
        first.join()
    assert release.exists(), "the second run did not meet the job while it was being stopped"
    assert again.metadata["job_name"] == f"{name}-2"
