"""A training job as a Dagster step: what the run sees of it, live and at its end."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets_tests.resources.sagemaker.conftest import (
    Ended,
    Lab,
    eventually,
    python_environment,
    train,
)

pytestmark = pytest.mark.integration

TRAIN = """
import os, pathlib
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "part-0.csv").read_text().splitlines()[1:]
print("auc: 0.75", len(rows))
"""


def texts(instance: dg.DagsterInstance, run_id: str) -> str:
    return "\n".join(entry.user_message for entry in instance.all_logs(run_id))


def test_a_script_that_knows_nothing_of_dagster_becomes_a_model(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """Also guards against Dagster's warning that such a script sent no messages."""
    spec = lab.spec("plain", TRAIN, metric_definitions={"auc": "auc: ([0-9.]+)"})
    ended = train(lab.training(), spec, instance=instance)
    assert ended.success
    (job,) = lab.jobs("plain")
    metadata = ended.metadata
    assert metadata["job_arn"] == job["TrainingJobArn"]
    assert metadata["metric_auc"] == 0.75
    assert metadata["adopted"] is False
    assert metadata["billable_seconds"] >= 0
    assert metadata["instance"] == "1 × ml.m5.xlarge"
    assert "console_url" not in metadata
    assert lab.objects().exists(metadata["model_artifact"])
    log = texts(instance, ended.result.run_id)
    assert "auc: 0.75" in log
    assert "did not receive" not in log


def test_what_was_trained_is_not_trained_again(lab: Lab, instance: dg.DagsterInstance) -> None:
    spec = lab.spec("again", TRAIN)
    first = train(lab.training(), spec, instance=instance)
    second = train(lab.training(), spec, instance=instance)
    assert (first.metadata["adopted"], second.metadata["adopted"]) == (False, True)
    assert second.metadata["job_arn"] == first.metadata["job_arn"]
    assert len(lab.jobs("again")) == 1


def test_log_lines_are_in_the_run_while_the_job_still_runs(lab: Lab, tmp_path: Path) -> None:
    """Guards against logs that come only after success. The script ends when its line was seen."""
    gate = tmp_path / "seen"
    script = f"""
import pathlib, time
print("epoch 1: loss 0.5")
while not pathlib.Path({str(gate)!r}).exists():
    time.sleep(0.05)
"""
    spec = lab.spec("live", script)
    ended: list[Ended] = []
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:

        def run() -> None:
            with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as own:
                ended.append(train(lab.training(), spec, instance=own))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            eventually(
                lambda: any(
                    "epoch 1: loss 0.5" in texts(instance, run.run_id)
                    for run in instance.get_runs()
                ),
                "the line to be in the run's log",
            )
            (job,) = lab.jobs("live")
            assert job["TrainingJobStatus"] == "InProgress"
        finally:
            gate.touch()
            thread.join()
    assert ended[0].success


def test_a_script_that_opens_pipes_reports_to_the_run(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """dagster_pipes with its default loaders: the context by file, messages by stdout."""
    script = """
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.log.info(f"training for {pipes.asset_key}")
    pipes.report_asset_materialization(
        metadata={"rows": {"raw_value": pipes.get_extra("rows"), "type": "int"}},
        data_version="v7",
    )
print("after pipes")
"""
    spec = lab.spec("pipes", script)
    ended = train(lab.training(), spec, instance=instance, extras={"rows": 336_776})
    assert ended.success
    assert ended.metadata["rows"] == 336_776
    assert "job_arn" in ended.metadata
    (event,) = ended.result.asset_materializations_for_node("model")
    assert event.tags["dagster/data_version"] == "v7"
    log = texts(instance, ended.result.run_id)
    assert "training for model" in log
    assert "after pipes" in log
    assert "__dagster_pipes_version" not in log
    # The context is gone once the job has ended, and an adopting run still gets the report.
    # (Only this job's: one that vanished, in another test of this server, may still read its own.)
    (job,) = lab.jobs("pipes")
    assert not list(lab.objects().list(f"s3://lake/pipes/{job['TrainingJobName']}"))
    adopted = train(lab.training(), spec, instance=instance, extras={"rows": 0})
    assert (adopted.metadata["adopted"], adopted.metadata["rows"]) == (True, 336_776)


@pytest.fixture
def unmounted(tmp_path: Path) -> Iterator[Lab]:
    """A server on a machine where /opt/ml cannot be mounted for a job."""
    program = tmp_path / "unmounted.py"
    program.write_text("""
import sys
from mlops_assets.sagemaker_local import __main__, server
async def no():
    return False
server.mounts_allowed = no
sys.exit(__main__.main())
""")
    home, objects = tmp_path / "sagemaker", f"dir:{tmp_path / 'buckets'}"
    home.mkdir()
    arguments = ["--home", str(home), "--objects", objects]
    process = subprocess.Popen(
        [sys.executable, str(program), *arguments],
        env=python_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: lifecycle.running(home), "the server to answer")
        yield Lab(tmp_path, SageMakerResource(local_home=str(home), local_objects=objects))
    finally:
        process.terminate()
        process.wait()


def test_pipes_and_code_arrive_where_opt_ml_cannot_be_mounted(
    unmounted: Lab, instance: dg.DagsterInstance
) -> None:
    """macOS, and Linux without user namespaces: the request has the documented paths."""
    script = """
import os
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.report_asset_materialization(metadata={"base": os.environ["SAGEMAKER_BASE_DIR"]})
"""
    ended = train(unmounted.training(), unmounted.spec("moved", script), instance=instance)
    assert ended.success
    assert ended.metadata["base"].startswith(str(unmounted.root))


def test_a_failed_job_fails_the_step_with_its_reason_and_the_end_of_its_log(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    script = 'print("reading 0 rows")\nraise ValueError("no rows in 2013-04")'
    spec = lab.spec("broken", script)
    ended = train(lab.training(), spec, instance=instance)
    assert not ended.success
    failure = ended.failure.user_failure_data
    assert "no rows in 2013-04" in failure.description
    assert "reading 0 rows" in failure.metadata["log_tail"].value
    assert "no rows in 2013-04" in failure.metadata["failure_reason"].value


def test_a_script_error_is_not_retried_but_a_new_run_starts_the_next_attempt(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """Guards against a RetryPolicy that pays for the same error three times (row 15)."""
    spec = lab.spec("blind", "raise SystemExit('broken')")
    policy = dg.RetryPolicy(max_retries=2)
    assert not train(lab.training(), spec, instance=instance, retry_policy=policy).success
    assert len(lab.jobs("blind")) == 1
    assert not train(lab.training(), spec, instance=instance).success
    first, second = lab.jobs("blind")
    assert second["TrainingJobName"] == f"{first['TrainingJobName']}-2"


def test_code_is_fetched_from_its_uri_where_the_container_has_a_network(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    from mlops_assets.resources.sagemaker.requests import Placement
    from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient

    client = PipesSageMakerTrainingClient(
        lab.sagemaker, lab.objects, "lake", Placement(network_isolation=False), poll_interval=0.1
    )
    assert train(client, lab.spec("networked", TRAIN), instance=instance).success
