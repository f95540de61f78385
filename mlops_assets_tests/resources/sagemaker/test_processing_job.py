"""A processing job as a Dagster step: what the run sees of it, and what it leaves."""

import os
import signal
import threading
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.resources.sagemaker.jobs.attempts import JobNameTaken
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.fault_parts import RETRY, waiting_for
from mlops_assets_tests.resources.sagemaker.processing_parts import (
    client,
    jobs,
    process,
    running,
    spec,
    worker,
)

pytestmark = pytest.mark.integration


def texts(instance: dg.DagsterInstance, run_id: str) -> str:
    return "\n".join(entry.user_message for entry in instance.all_logs(run_id))


def test_a_script_reports_to_the_run_and_its_cost_is_shown(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """The context by file, messages by the log, the bill by seconds and price; then adopted."""
    lab.objects().write("s3://lake/rows/a.txt", b"1\n2\n")
    script = """
import pathlib, sys
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    rows = pathlib.Path("/opt/ml/processing/input/rows/a.txt").read_text().splitlines()
    pipes.log.info(f"processing for {pipes.asset_key} with {sys.argv[1:]}")
    pipes.report_asset_materialization(
        metadata={"rows": {"raw_value": len(rows) * pipes.get_extra("factor"), "type": "int"}}
    )
pathlib.Path("/opt/ml/output/message").write_text("all rows were read")
"""
    wanted = spec(lab, "reports", script, inputs={"rows": "s3://lake/rows"}, arguments=["--fast"])
    first = process(client(lab), wanted, instance=instance, extras={"factor": 10})
    assert first.success
    (job,) = jobs(lab, "reports")
    assert first.metadata["rows"] == 20
    assert first.metadata["job_arn"] == job["ProcessingJobArn"]
    assert first.metadata["output_made"] == "s3://lake/made/reports"
    assert first.metadata["exit_message"] == "all rows were read"
    assert first.metadata["instance"] == "1 × ml.m5.xlarge"
    seconds = (job["ProcessingEndTime"] - job["ProcessingStartTime"]).total_seconds()
    assert first.metadata["billable_seconds"] == pytest.approx(seconds, abs=0.002)
    assert first.metadata["cost_usd"] == pytest.approx(seconds * 0.23 / 3600, abs=1e-5)
    assert "this machine asks nothing" in first.metadata["cost_basis"]
    log = texts(instance, first.result.run_id)
    assert "processing for model with ['--fast']" in log
    assert "__dagster_pipes_version" not in log
    assert not list(lab.objects().list("s3://lake/pipes/reports"))
    again = process(client(lab), wanted, instance=instance, extras={"factor": 0})
    assert (again.metadata["adopted"], again.metadata["rows"]) == (True, 20)
    assert len(jobs(lab, "reports")) == 1


def test_a_job_whose_outputs_are_gone_is_not_adopted(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """Guards against a run that says where its outputs are, and nothing is there."""
    wanted = spec(lab, "cleaned", "")
    assert process(client(lab), wanted, instance=instance).success
    lab.objects().delete_tree("s3://lake/made/cleaned")
    again = process(client(lab), wanted, instance=instance)
    assert again.metadata["adopted"] is False
    assert again.metadata["job_name"].endswith("-2")
    assert lab.objects().exists("s3://lake/made/cleaned/out.txt")


def test_a_failed_job_fails_the_step_with_all_that_was_said(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """Opaque failures: the service's reason, the script's message, the end of the log. And a
    RetryPolicy must not pay for the same error three times."""
    script = """
open("/opt/ml/output/message", "w").write("no rows in 2013-04")
print("reading 0 rows")
raise SystemExit(3)
"""
    wanted = spec(lab, "broken-processing", script)
    ended = process(client(lab), wanted, instance=instance, retry_policy=RETRY)
    assert not ended.success
    failure = ended.failure.user_failure_data
    assert "exit code: 3" in failure.description
    assert "no rows in 2013-04" in failure.description
    assert "reading 0 rows" in failure.metadata["log_tail"].value
    assert len(jobs(lab, "broken-processing")) == 1


def test_a_rerun_adopts_the_job_of_a_worker_that_was_killed(
    lab: Lab, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """kill -9 in the middle must not make a second paid job."""
    gate = tmp_path / "gate"
    wanted = spec(lab, "orphaned", waiting_for(gate))
    started = worker(lab, "orphaned", tmp_path)
    try:
        running(lab, "orphaned")
    finally:
        started.kill()
        started.wait()
    (job,) = jobs(lab, "orphaned")
    assert job["ProcessingJobStatus"] == "InProgress"
    gate.touch()
    ended = process(client(lab), wanted, instance=instance)
    assert ended.metadata["adopted"] is True
    assert ended.metadata["job_arn"] == job["ProcessingJobArn"]
    assert len(jobs(lab, "orphaned")) == 1


@pytest.mark.parametrize(
    ("forward", "words", "status"),
    [(True, "is Stopped", "Stopped"), (False, "a new run adopts it", "InProgress")],
    ids=["stopped", "left"],
)
def test_an_interrupted_run_stops_its_job_once_and_never_starts_it_again(
    lab: Lab,
    tmp_path: Path,
    instance: dg.DagsterInstance,
    forward: bool,
    words: str,
    status: str,
) -> None:
    """With a RetryPolicy, Dagster would start an interrupted step again, and pay again. The
    negative control: a client that is told not to stop its jobs leaves them."""
    name, gate = f"interrupted-{status.lower()}", tmp_path / "gate"
    wanted = spec(lab, name, waiting_for(gate))

    def interrupt() -> None:
        running(lab, name)
        os.kill(os.getpid(), signal.SIGINT)

    terminator = threading.Thread(target=interrupt)
    terminator.start()
    own = client(lab, forward_termination=forward)
    ended = process(own, wanted, instance=instance, retry_policy=RETRY)
    terminator.join()
    assert not ended.success
    assert words in ended.failure.user_failure_data.description
    assert [job["ProcessingJobStatus"] for job in jobs(lab, name)] == [status]
    gate.touch()


def test_anothers_job_of_the_name_is_refused(lab: Lab, instance: dg.DagsterInstance) -> None:
    """Outputs of other arguments under this name would pass for this one's."""
    own = client(lab)
    wanted = spec(lab, "taken-processing", "")
    first = process(own, wanted, instance=instance)
    (job,) = jobs(lab, "taken-processing")
    taken: list[Exception] = []

    @dg.op
    def other(context: dg.OpExecutionContext) -> None:
        request = {
            "ProcessingJobName": first.metadata["job_name"],
            "RoleArn": job["RoleArn"],
            "AppSpecification": job["AppSpecification"] | {"ContainerArguments": ["other"]},
            "ProcessingResources": job["ProcessingResources"],
        }
        try:
            own.run(context=context, create_processing_job_params=request)
        except JobNameTaken as error:
            taken.append(error)

    @dg.job
    def others() -> None:
        other()

    assert others.execute_in_process(instance=instance).success
    assert "differs in AppSpecification" in str(taken[0])
