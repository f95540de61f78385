"""Managed spot training: interrupted, restored from its checkpoints, and cheaper."""

from __future__ import annotations

import pytest

from mlops_assets.sagemaker_local.store import read_ledger
from mlops_assets.sagemaker_local.training.progress import spot_share
from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.training.job_parts import fault_tags, way

pytestmark = pytest.mark.integration

# Counts epochs in its checkpoint, and is told of the interruption before it is killed.
EPOCHS = """
import os, signal, sys, time
path = "/opt/ml/checkpoints/epoch"
first = int(open(path).read()) if os.path.exists(path) else 0
print("from", first)
def told(*_):
    print("told at", epoch)
    sys.exit(0)
signal.signal(signal.SIGTERM, told)
for epoch in range(first + 1, 31):
    time.sleep(0.1)
    open(path + ".tmp", "w").write(str(epoch))
    os.replace(path + ".tmp", path)
open("/opt/ml/model/epochs", "w").write(str(epoch))
"""


def spot(wait: int = 600, **tags: str) -> dict:
    return {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": wait, "MaxWaitTimeInSeconds": wait},
        "Tags": fault_tags(**tags),
    }


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(api: LocalApi):
    """Fault matrix 17: without the checkpoint an interrupted training costs as much again."""
    given = spot(spot_interruption="2")
    checkpoints = {"CheckpointConfig": {"S3Uri": "s3://data/spot"}}
    job = api.train("spot", EPOCHS, **given, **checkpoints)
    assert job["TrainingJobStatus"] == "Completed", job
    assert way(job) == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    lines = api.lines("spot")
    starts = [int(line.split()[1]) for line in lines if line.startswith("from")]
    assert starts[0] == 0
    assert starts[1] >= 1
    assert any(line.startswith("told at") for line in lines)
    assert job["TrainingTimeInSeconds"] >= 3
    assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
    (entry,) = [entry for entry in read_ledger(api.home) if entry.job == "spot"]
    assert entry.billable_seconds == job["BillableTimeInSeconds"]
    assert 0.1 <= spot_share() < 1


def test_a_script_that_keeps_no_checkpoint_starts_anew(api: LocalApi):
    """The negative control: what another instance left on its disk is gone."""
    script = EPOCHS.replace("/opt/ml/checkpoints/epoch", "/opt/ml/model/kept")
    job = api.train("forgetful", script, **spot(spot_interruption="1.5"))
    assert way(job).count("Interrupted") == 1
    starts = [line for line in api.lines("forgetful") if line.startswith("from")]
    assert starts == ["from 0", "from 0"]


def test_the_wait_for_spot_capacity_has_an_end(api: LocalApi):
    """MaxWaitTimeInSeconds: a job for which no capacity comes back must not wait for ever."""
    tags = spot(wait=6, spot_interruption="0.2 wait=60")  # a busy machine starts it in seconds
    job = api.train("no-capacity", EPOCHS, **tags)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert way(job)[-3:] == ["Interrupted", "Starting", "MaxWaitTimeExceeded"]


def test_a_job_that_waits_for_capacity_can_be_stopped(api: LocalApi):
    """StopTrainingJob while nothing of the job runs."""
    request = api.request("waits", EPOCHS, **spot(spot_interruption="0.2 wait=60"))
    api.sm.create_training_job(**request)
    eventually(lambda: way(api.describe("waits"))[-2:] == ["Interrupted", "Starting"])
    api.sm.stop_training_job(TrainingJobName="waits")
    assert api.wait("waits")["TrainingJobStatus"] == "Stopped"


def test_spot_and_retried_jobs_outlive_a_killed_server(new_api):
    """Kill -9 of the server is to a spot job an interruption and to one with a retry strategy an
    internal error: both have said what is to be done then. Only the third has failed."""
    api = new_api("--job-stop-grace", "1", "--job-workers", "3")
    long = "import time; print('began'); time.sleep(600)"
    requests = {
        "spot": spot(),
        "retried": {"RetryStrategy": {"MaximumRetryAttempts": 1}},
        "plain": {},
    }
    for name, given in requests.items():
        api.sm.create_training_job(**api.request(name, long, **given))
    for name in requests:
        api.wait_for_line(name, "began")
    for name in requests:
        api.objects.write(f"s3://code/{name}/train.py", b"print('done')")
    api.end(kill=True)
    api.start()
    ends = {name: api.wait(name) for name in requests}
    assert {name: job["TrainingJobStatus"] for name, job in ends.items()} == {
        "spot": "Completed",
        "retried": "Completed",
        "plain": "Failed",
    }
    assert "Interrupted" in way(ends["spot"])
    assert "Restarting" in way(ends["retried"])
    assert len(read_ledger(api.home)) == 3
