"""Processing jobs: every way in which one can end."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.processing.processing_api import (
    describe,
    lines,
    process,
    request,
    source,
    stored,
    target,
    wait,
)

pytestmark = pytest.mark.integration

WAIT = """
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path("/opt/ml/output/message").write_text("asked to stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
pathlib.Path("/opt/ml/processing/output/live/part.txt").write_text("kept")
pathlib.Path("/opt/ml/processing/output/end/part.txt").write_text("half")
print("waiting")
time.sleep(600)
"""


def waiting(name: str) -> list[dict]:
    live = target("live", f"s3://made/{name}/live", "Continuous")
    return [live, target("end", f"s3://made/{name}/end")]


def running(api: LocalApi, name: str) -> None:
    eventually(lambda: "waiting" in lines(api, name))


def test_a_failure_has_its_reason_and_the_containers_message(api: LocalApi):
    """Opaque failures are what users complain of most: both texts must arrive, cut to size."""
    script = """
import pathlib
pathlib.Path("/opt/ml/output/message").write_text("rows are missing: " + "ä" * 2000)
pathlib.Path("/opt/ml/processing/output/end/half.csv").write_text("half")
raise SystemExit(7)
"""
    job = process(api, "fails", script, outputs=[target("end", "s3://made/fails")])
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: See job logs")
    assert job["FailureReason"].endswith("exit code: 7")
    assert job["ExitMessage"].startswith("rows are missing: ä")
    assert 1000 < len(job["ExitMessage"].encode()) <= 1024
    assert stored(api, "s3://made/fails") == {}


def test_a_message_that_is_no_text_fails_the_job(api: LocalApi):
    """As documented: the service answers ClientError, so a script that works here must not."""
    script = 'open("/opt/ml/output/message", "wb").write(bytes([255, 254]))'
    job = process(api, "bytes", script)
    assert job["ProcessingJobStatus"] == "Failed"
    assert "not encoded in UTF-8" in job["FailureReason"]


def test_one_host_that_fails_fails_the_job_and_ends_the_others(api: LocalApi):
    """Hosts that wait for a dead one would be paid for until the time limit."""
    script = """
import json, pathlib, time
config = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())
if config["current_host"] == "algo-2":
    raise SystemExit(3)
time.sleep(600)
"""
    job = process(api, "half", script, cluster={"InstanceCount": 2})
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].endswith("exit code: 3 on algo-2")


def test_an_input_without_objects_fails_the_job_before_it_runs(api: LocalApi):
    """A job over no data because of a typo in a prefix."""
    job = process(api, "empty", "print('ran')", inputs=[source("rows", "s3://data/no-such")])
    assert job["ProcessingJobStatus"] == "Failed"
    assert "s3://data/no-such" in job["FailureReason"]
    assert lines(api, "empty") == []


def test_stop_is_sigterm_first_and_keeps_what_was_stored(api: LocalApi):
    """StopProcessingJob: Stopped, the message kept, Continuous outputs kept, no half result."""
    api.sm.create_processing_job(**request(api, "stops", WAIT, outputs=waiting("stops")))
    running(api, "stops")
    for _ in range(2):
        api.sm.stop_processing_job(ProcessingJobName="stops")
    job = wait(api, "stops")
    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Stopped", "asked to stop")
    assert stored(api, "s3://made/stops") == {"live/part.txt": b"kept"}
    with pytest.raises(ClientError, match="status Stopped"):
        api.sm.stop_processing_job(ProcessingJobName="stops")


def test_a_script_that_ignores_sigterm_is_killed(api: LocalApi):
    """A stop that waits for a stubborn script for ever."""
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT.replace(
        "signal.signal(signal.SIGTERM, stop)", ""
    )
    wanted = request(api, "stubborn", script, outputs=waiting("stubborn"))
    api.sm.create_processing_job(**wanted)
    running(api, "stubborn")
    api.sm.stop_processing_job(ProcessingJobName="stubborn")
    assert wait(api, "stubborn")["ProcessingJobStatus"] == "Stopped"


def test_the_time_limit_ends_a_job(api: LocalApi):
    """MaxRuntimeInSeconds is what bounds the bill."""
    limit = {"MaxRuntimeInSeconds": 1}
    job = process(api, "late", WAIT, outputs=waiting("late"), StoppingCondition=limit)
    assert job["ProcessingJobStatus"] == "Stopped"
    assert "FailureReason" not in job


def test_a_killed_server_fails_what_ran_and_goes_on_with_what_waited(new_api):
    """After a restart no job may look as if it ran on, and none that waited may be forgotten."""
    api = new_api("--job-workers", "1", "--job-stop-grace", "1")
    api.sm.create_processing_job(**request(api, "ran", WAIT, outputs=waiting("ran")))
    running(api, "ran")
    api.sm.create_processing_job(**request(api, "waits", "print('second')"))
    api.sm.create_processing_job(**request(api, "unwanted", "print('third')"))
    api.sm.stop_processing_job(ProcessingJobName="unwanted")
    assert describe(api, "unwanted")["ProcessingJobStatus"] == "Stopped"
    assert "ProcessingStartTime" not in describe(api, "waits")
    api.end(kill=True)
    api.start()
    assert "killed while the job was running" in describe(api, "ran")["FailureReason"]
    assert wait(api, "waits")["ProcessingJobStatus"] == "Completed"
    assert lines(api, "unwanted") == []
