"""Training on several instances: a process each, which find each other and end together."""

from __future__ import annotations

import json

import pytest

from mlops_assets.sagemaker_local.fleet.replica import free_port
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.training.job_parts import channel, members

pytestmark = pytest.mark.integration

# The shape of a distributed torch script: ranks from SM_HOSTS, a rendezvous at the first host's
# name, a sum over all ranks, artifacts from rank 0 and a report from each.
ALL_REDUCE = """
import argparse, json, os, socket, sys

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
port = parser.parse_args().port
hosts = json.loads(os.environ["SM_HOSTS"])
rank = hosts.index(os.environ["SM_CURRENT_HOST"])
os.environ["MASTER_ADDR"] = hosts[0]
data = os.listdir(os.environ["SM_CHANNEL_TRAIN"])
part = sum(int(open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], f)).read()) for f in data)

def all_reduce(value):
    if rank == 0:
        with socket.create_server((os.environ["MASTER_ADDR"], port)) as server:
            peers = [server.accept()[0] for _ in hosts[1:]]
            total = value + sum(int(peer.recv(100)) for peer in peers)
            for peer in peers:
                peer.sendall(str(total).encode())
        return total
    while True:
        try:
            with socket.create_connection((os.environ["MASTER_ADDR"], port), timeout=20) as peer:
                peer.sendall(str(value).encode())
                return int(peer.recv(100))
        except ConnectionRefusedError:
            pass

total = all_reduce(part)
print("rank", rank, "part", part, "total", total)
if rank == 0:
    open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write(str(total))
name = os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], f"rank-{rank}.json")
json.dump(json.load(open("/opt/ml/input/config/resourceconfig.json")), open(name, "w"))
"""
TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}


def streams(api: LocalApi, job: str) -> list[str]:
    found = api.logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=job
    )
    return [stream["logStreamName"] for stream in found["logStreams"]]


def test_a_distributed_estimator_script_trains_on_two_hosts(api: LocalApi):
    """A script in Estimator-style script mode that works on two instances must work unmodified."""
    for number in (1, 10, 100):
        api.objects.write(f"s3://data/parts/{number}", str(number).encode())
    source = api.archive("s3://code/reduce/sourcedir.tar.gz", {"train.py": ALL_REDUCE})
    request = api.request("reduce", ResourceConfig=TWO)
    del request["AlgorithmSpecification"]["ContainerEntrypoint"]
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8-cpu-py312"
    request["AlgorithmSpecification"]["TrainingImage"] = image
    request["HyperParameters"] = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": json.dumps(source),
        "port": str(free_port()),
    }
    train = channel("train", "s3://data/parts")
    train["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    request["InputDataConfig"] = [train]
    api.sm.create_training_job(**request)
    job = api.wait("reduce")
    assert job["TrainingJobStatus"] == "Completed", job
    first, second = streams(api, "reduce")
    assert (first.split("-")[0:2], second.split("-")[0:2]) == (
        ["reduce/algo", "1"],
        ["reduce/algo", "2"],
    )
    lines = [line for line in api.lines("reduce") if line.startswith("rank")]
    assert lines == ["rank 0 part 101 total 111", "rank 1 part 10 total 111"]
    assert members(api, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"111"}
    output = members(api, "s3://out/models/reduce/output/output.tar.gz")
    assert sorted(output) == ["rank-0.json", "rank-1.json"]
    told = json.loads(output["rank-1.json"])
    assert (told["current_host"], told["hosts"]) == ("algo-2", ["algo-1", "algo-2"])
    assert told["instance_groups"][0]["hosts"] == ["algo-1", "algo-2"]


def test_all_hosts_end_when_one_fails(api: LocalApi):
    """The other hosts of a failed job would wait for it, and cost, until MaxRuntime."""
    script = """
import json, os, sys, time
host = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
if host == "algo-2":
    open("/opt/ml/output/failure", "w").write("RuntimeError: no peer")
    sys.exit(3)
open("/opt/ml/model/half", "w").write("half")
time.sleep(600)
"""
    job = api.train("one-fails", script, ResourceConfig=TWO)
    assert job["TrainingJobStatus"] == "Failed"
    reason = "AlgorithmError: RuntimeError: no peer, exit code: 3 on algo-2"
    assert job["FailureReason"] == reason
    assert not api.objects.exists(job["ModelArtifacts"]["S3ModelArtifacts"])


def test_instance_groups_get_their_own_channels(api: LocalApi):
    """A heterogeneous cluster whose data servers got the trainers' data would train twice on it."""
    api.objects.write("s3://data/only/part", b"x")
    script = """
import json, os
resources = json.load(open("/opt/ml/input/config/resourceconfig.json"))
channels = json.load(open("/opt/ml/input/config/inputdataconfig.json"))
print(resources["current_host"], resources["current_group_name"],
      resources["current_instance_type"], sorted(channels),
      sorted(os.listdir("/opt/ml/input/data")))
"""
    groups = [
        {"InstanceGroupName": "data", "InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceGroupName": "train", "InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
    ]
    resources = {"InstanceGroups": groups, "VolumeSizeInGB": 1}
    request = api.request("groups", script, ResourceConfig=resources)
    only = channel("only", "s3://data/only")
    only["DataSource"]["S3DataSource"]["InstanceGroupNames"] = ["train"]
    request["InputDataConfig"].append(only)
    api.sm.create_training_job(**request)
    assert api.wait("groups")["TrainingJobStatus"] == "Completed"
    assert sorted(api.lines("groups")) == [
        "algo-1 data ml.m5.large ['code'] ['code']",
        "algo-2 train ml.g5.xlarge ['code', 'only'] ['code', 'only']",
    ]


def test_jobs_of_several_hosts_take_turns(api: LocalApi):
    """Two jobs with a rendezvous at the same port would meet each other's ranks."""
    script = (
        "import time; print('began', time.time()); time.sleep(0.4); print('ended', time.time())"
    )
    for name in ("turn-a", "turn-b"):
        api.sm.create_training_job(**api.request(name, script, ResourceConfig=TWO))
    spans = []
    for name in ("turn-a", "turn-b"):
        assert api.wait(name)["TrainingJobStatus"] == "Completed"
        times = [float(line.split()[1]) for line in api.lines(name)]
        spans.append((min(times), max(times)))
    (_, first_end), (second_start, _) = sorted(spans)
    assert first_end <= second_start
