"""Training jobs: every way in which one can fail or be stopped."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.training.job_parts import WAIT, channel, members

pytestmark = pytest.mark.integration

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("waiting")
time.sleep(600)
"""


def test_a_failure_is_told_in_the_containers_words(api: LocalApi):
    """Fault matrix 15: FailureReason must say what the script said, not just an exit code."""
    script = """
open("/opt/ml/output/failure", "w").write("ValueError: label column is missing" + "." * 2000)
open("/opt/ml/model/half", "w").write("half a model")
raise SystemExit(7)
"""
    job = api.train("fails", script)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ValueError: label column is missing")
    assert job["FailureReason"].endswith("exit code: 7")
    assert len(job["FailureReason"]) <= 1024
    assert not api.objects.exists(job["ModelArtifacts"]["S3ModelArtifacts"])


def test_an_entrypoint_that_is_not_there_fails_the_job(api: LocalApi):
    """A wrong path must end as a failed job, not as one that runs for ever."""
    request = api.request("nowhere")
    request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["/no/such/program"]
    api.sm.create_training_job(**request)
    assert "exit code: 127" in api.wait("nowhere")["FailureReason"]
    assert "/no/such/program" in api.lines("nowhere")[0]


def test_an_empty_channel_fails_the_job_before_it_runs(api: LocalApi):
    """A training on no data because of a typo in a prefix."""
    request = api.request("empty", "print('ran')")
    request["InputDataConfig"].append(channel("train", "s3://data/no-such-prefix"))
    api.sm.create_training_job(**request)
    job = api.wait("empty")
    assert job["TrainingJobStatus"] == "Failed"
    assert "s3://data/no-such-prefix" in job["FailureReason"]
    assert api.lines("empty") == []


def test_stop_lets_the_script_finish_and_keeps_its_artifacts(api: LocalApi):
    """Fault matrix 19: StopTrainingJob is SIGTERM first, and what was saved is not lost."""
    api.sm.create_training_job(**api.request("stops", WAIT))
    api.wait_for_line("stops", "waiting")
    api.sm.stop_training_job(TrainingJobName="stops")
    api.sm.stop_training_job(TrainingJobName="stops")
    job = api.wait("stops")
    assert job["TrainingJobStatus"] == "Stopped"
    assert "asked to stop" in api.lines("stops")
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert members(api, uri) == {"kept.txt": b"kept"}
    with pytest.raises(ClientError, match="status Stopped"):
        api.sm.stop_training_job(TrainingJobName="stops")


def test_a_script_that_ignores_sigterm_is_killed(api: LocalApi):
    """A stop that waits for a stubborn script for ever."""
    api.sm.create_training_job(**api.request("stubborn", STUBBORN))
    api.wait_for_line("stubborn", "waiting")
    api.sm.stop_training_job(TrainingJobName="stubborn")
    assert api.wait("stubborn")["TrainingJobStatus"] == "Stopped"


def test_the_time_limit_ends_a_job(api: LocalApi):
    """MaxRuntimeInSeconds is what bounds the bill: Stopped, MaxRuntimeExceeded, artifacts kept."""
    job = api.train("late", WAIT, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert api.objects.exists(job["ModelArtifacts"]["S3ModelArtifacts"])


def test_jobs_beyond_the_workers_wait_and_can_be_stopped_there(new_api):
    """Twenty backfilled partitions must not train at once on a laptop."""
    api = new_api("--job-workers", "1", "--job-stop-grace", "2")
    api.sm.create_training_job(**api.request("first", WAIT))
    api.wait_for_line("first", "waiting")
    api.sm.create_training_job(**api.request("second", "print('second')"))
    api.sm.create_training_job(**api.request("third", "print('third')"))
    api.sm.stop_training_job(TrainingJobName="third")
    third = api.wait("third")
    assert (third["TrainingJobStatus"], third["BillableTimeInSeconds"]) == ("Stopped", 0)
    assert api.describe("second")["SecondaryStatus"] == "Starting"
    api.sm.stop_training_job(TrainingJobName="first")
    assert api.wait("second")["TrainingJobStatus"] == "Completed"
    assert api.lines("third") == []


def test_a_metric_expression_that_never_ends_does_not_hold_the_server(api: LocalApi):
    """A user's catastrophic regular expression must not stop all other jobs."""
    request = api.request("regex", f"print({'a' * 60 + '!'!r})")
    definitions = [{"Name": "m", "Regex": "(a+)+$"}]
    request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    api.sm.create_training_job(**request)
    eventually(lambda: api.describe("regex")["SecondaryStatus"] == "Uploading")
    assert api.train("beside", "print('ran')")["TrainingJobStatus"] == "Completed"
    assert api.describe("regex")["TrainingJobStatus"] == "InProgress"
