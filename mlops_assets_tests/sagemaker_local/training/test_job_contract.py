"""Training jobs: what a script finds, and what is kept of what it leaves."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.training.job_parts import channel, members

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
    assert api.lines("moved") == [str(api.home / "jobs" / "moved" / "algo-1" / "ml")]
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
