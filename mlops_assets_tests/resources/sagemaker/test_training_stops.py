"""Rows 18 and 19 of the fault matrix: jobs and runs that are stopped."""

import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest

from mlops_assets.resources.sagemaker.jobs import driver
from mlops_assets_tests.resources.sagemaker.conftest import Lab, eventually, train
from mlops_assets_tests.resources.sagemaker.fault_parts import RETRY, waiting_for

pytestmark = pytest.mark.integration


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
        with patch.object(driver, "time", clock):
            again = train(lab.training(), spec, instance=instance)
        first.join()
    assert release.exists(), "the second run did not meet the job while it was being stopped"
    assert again.metadata["job_name"] == f"{name}-2"
