"""Training jobs: the container contract, and every way in which a job can end."""

from __future__ import annotations

import ast
import io
import json
import tarfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from mlops_assets.sagemaker_local.store import read_ledger
from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually

pytestmark = pytest.mark.integration

LOOK = """
import json, os, pathlib
ml = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
config = ml / "input" / "config"
print(json.dumps({
    "env": dict(os.environ),
    "train": (ml / "input/data/train/part.csv").read_text(),
    **{path.stem: json.loads(path.read_text()) for path in config.iterdir()},
}))
"""
WAIT = """
import signal, sys, time
def stop(*_):
    open("/opt/ml/model/kept.txt", "w").write("kept")
    print("asked to stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("waiting")
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("waiting")
time.sleep(600)
"""


def channel(name: str, uri: str) -> dict:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def members(api: LocalApi, uri: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(api.objects.read(uri))) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_a_job_finds_what_the_container_contract_promises(api: LocalApi):
    """A user's script that runs on SageMaker must find the same files and variables here."""
    api.objects.write("s3://data/train/part.csv", b"1,2\n")
    api.objects.write("s3://data/train2/part.csv", b"a neighbour's")
    request = api.request("contract", LOOK)
    request["InputDataConfig"].append(channel("train", "s3://data/train"))
    request |= {"HyperParameters": {"depth": "6"}, "Environment": {"MINE": "yes"}}
    api.sm.create_training_job(**request)
    assert api.wait("contract")["TrainingJobStatus"] == "Completed"
    seen = json.loads(api.lines("contract")[0])
    assert seen["train"] == "1,2\n"
    assert seen["hyperparameters"] == {"depth": "6"}
    assert sorted(seen["inputdataconfig"]) == ["code", "train"]
    assert seen["inputdataconfig"]["train"]["TrainingInputMode"] == "File"
    assert seen["resourceconfig"]["current_host"] == "algo-1"
    assert seen["resourceconfig"]["hosts"] == ["algo-1"]
    assert seen["env"]["MINE"] == "yes"
    assert seen["env"]["TRAINING_JOB_NAME"] == "contract"
    assert seen["env"]["TRAINING_JOB_ARN"].endswith(":training-job/contract")


def test_where_nothing_can_be_mounted_opt_ml_is_moved(new_api, tmp_path):
    """macOS, and Linux without user namespaces: jobs run there, too, at SAGEMAKER_BASE_DIR."""
    unmounted = tmp_path / "unmounted.py"
    unmounted.write_text("""
import sys
from mlops_assets.sagemaker_local import __main__, server
async def no():
    return False
server.mounts_allowed = no
sys.exit(__main__.main())
""")
    api = new_api(program=(str(unmounted),))
    script = """
import os
base = os.environ["SAGEMAKER_BASE_DIR"]
print(base)
open(base + "/model/model.txt", "w").write("moved")
"""
    job = api.train("moved", script)
    assert api.lines("moved") == [str(api.home / "jobs" / "moved" / "ml")]
    url = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert members(api, url) == {"model.txt": b"moved"}
    api.model("moved", "moved")
    api.deploy("moved", "moved")
    assert api.invoke("moved") == "moved:1"


def test_the_machines_own_opt_ml_is_not_touched(api: LocalApi):
    """Two jobs at once must not write into one /opt/ml, nor leave one on the machine."""
    before = Path("/opt/ml").exists()
    script = "import os, time; print(sorted(os.listdir('/opt'))); time.sleep(0.5)"
    for name in ("left", "right"):
        api.sm.create_training_job(**api.request(name, script))
    for name in ("left", "right"):
        assert api.wait(name)["TrainingJobStatus"] == "Completed"
    outside = {path.name for path in Path("/opt").iterdir()}
    assert set(ast.literal_eval(api.lines("left")[0])) == outside | {"ml"}
    assert Path("/opt/ml").exists() == before


def test_the_servers_environment_stays_with_the_server(new_api, monkeypatch):
    """A secret of the shell that started the server must not reach every training script."""
    monkeypatch.setenv("CANARY_SECRET", "canary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    api = new_api()
    api.train("look", "import os; print(dict(os.environ))")
    assert "TRAINING_JOB_NAME" in api.lines("look")[0]
    assert "canary" not in api.lines("look")[0]


def test_artifacts_metrics_times_and_transitions(api: LocalApi):
    """What a pipeline reads after a job: artifact, metrics, billable time, the way it took."""
    script = """
import os
print("epoch 1 auc=0.7;")
print("epoch 2 auc=0.8;")
os.makedirs("/opt/ml/model/code")
open("/opt/ml/model/model.bin", "w").write("weights")
open("/opt/ml/model/code/inference.py", "w").write("code")
open("/opt/ml/output/data/report.txt", "w").write("report")
"""
    request = api.request("artifacts", script)
    definitions = [{"Name": "auc", "Regex": "auc=([0-9.]+);"}, {"Name": "no", "Regex": "no=(x)"}]
    request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    api.sm.create_training_job(**request)
    job = api.wait("artifacts")
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == "s3://out/models/artifacts/output/model.tar.gz"
    assert members(api, uri) == {"code/inference.py": b"code", "model.bin": b"weights"}
    output = members(api, "s3://out/models/artifacts/output/output.tar.gz")
    assert output == {"report.txt": b"report"}
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("auc", 0.8)]
    assert job["BillableTimeInSeconds"] >= 1
    way = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert way == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all("EndTime" in step for step in job["SecondaryStatusTransitions"])
    eventually(lambda: not (api.home / "jobs" / "artifacts").exists())


def test_the_same_files_give_the_same_archive(api: LocalApi):
    """A reproduced model must compare equal, so no time or order may get into the archive."""
    for number, order in enumerate(("ab", "ba")):
        script = f"""
import time
for name in {order!r}:
    open("/opt/ml/model/" + name, "w").write(name)
time.sleep(1.1 * {number})
"""
        api.train(f"same-{number}", script)
    first, second = (
        api.objects.read(f"s3://out/models/same-{number}/output/model.tar.gz")
        for number in range(2)
    )
    assert first == second


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


def test_a_name_is_used_once_and_billed_once(api: LocalApi):
    """Fault matrix 1–3: a retry meets ResourceInUse, and the ledger shows one job."""
    request = api.request("once", "print('trained')")
    arn = api.sm.create_training_job(**request)["TrainingJobArn"]
    with pytest.raises(ClientError) as caught:
        api.sm.create_training_job(**request)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    assert arn in str(caught.value)
    api.wait("once")
    (entry,) = [entry for entry in read_ledger(api.home) if entry.job == "once"]
    assert (entry.instance_type, entry.instance_count) == ("ml.m5.large", 1)
    assert entry.billable_seconds is not None


def test_checkpoints_are_restored_and_mirrored_deletions_included(api: LocalApi):
    """A resumed job that finds no checkpoint starts from nothing and costs as much again."""
    for step, content in (("1", b"epoch 1"), ("old", b"stale")):
        api.objects.write(f"s3://data/checkpoints/{step}", content)
    script = """
import os
print(open("/opt/ml/checkpoints/1").read())
os.remove("/opt/ml/checkpoints/old")
open("/opt/ml/checkpoints/2", "w").write("epoch 2")
"""
    api.train("resume", script, CheckpointConfig={"S3Uri": "s3://data/checkpoints"})
    assert api.lines("resume") == ["epoch 1"]
    kept = [info.uri for info in api.objects.list("s3://data/checkpoints")]
    assert kept == ["s3://data/checkpoints/1", "s3://data/checkpoints/2"]


def test_a_metric_expression_that_never_ends_does_not_hold_the_server(api: LocalApi):
    """A user's catastrophic regular expression must not stop all other jobs."""
    request = api.request("regex", f"print({'a' * 60 + '!'!r})")
    definitions = [{"Name": "m", "Regex": "(a+)+$"}]
    request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    api.sm.create_training_job(**request)
    eventually(lambda: api.describe("regex")["SecondaryStatus"] == "Uploading")
    assert api.train("beside", "print('ran')")["TrainingJobStatus"] == "Completed"
    assert api.describe("regex")["TrainingJobStatus"] == "InProgress"


def test_list_filters_sorts_and_pages(api: LocalApi):
    """Adoption looks jobs up by name: a page that skips or repeats one would train twice."""
    for number in range(3):
        api.train(f"listed-{number}", "pass")
    pages = api.sm.get_paginator("list_training_jobs").paginate(
        NameContains="listed",
        SortBy="Name",
        SortOrder="Ascending",
        PaginationConfig={"PageSize": 2},
    )
    names = [[s["TrainingJobName"] for s in page["TrainingJobSummaries"]] for page in pages]
    assert names == [["listed-0", "listed-1"], ["listed-2"]]
    found = api.sm.list_training_jobs(NameContains="listed", StatusEquals="Failed")
    assert found["TrainingJobSummaries"] == []


def test_tags_of_a_job(api: LocalApi):
    """The adoption of a job compares the hash in its tags."""
    tags = [{"Key": "hash", "Value": "abc"}]
    arn = api.sm.create_training_job(**api.request("tagged", "pass", Tags=tags))["TrainingJobArn"]
    api.sm.add_tags(ResourceArn=arn, Tags=[{"Key": "more", "Value": "x"}])
    assert {t["Key"]: t["Value"] for t in api.sm.list_tags(ResourceArn=arn)["Tags"]} == {
        "hash": "abc",
        "more": "x",
    }
    api.sm.delete_tags(ResourceArn=arn, TagKeys=["more"])
    assert api.sm.list_tags(ResourceArn=arn)["Tags"] == tags
    with pytest.raises(ClientError, match="Could not find"):
        api.sm.list_tags(ResourceArn=arn.replace("tagged", "nobody"))
