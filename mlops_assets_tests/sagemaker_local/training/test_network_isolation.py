"""EnableNetworkIsolation: what works on the laptop must not fail in AWS for want of a network."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mlops_assets.sagemaker_local import isolation, processes
from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.training.job_parts import members
from mlops_assets_tests.sagemaker_local.training.test_hosts import ALL_REDUCE, TWO

ENFORCED = (
    sys.platform == "linux"
    and subprocess.run(
        [*processes.PYTHON, processes.NAMESPACES, "network"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode
    == 0
)
pytestmark = pytest.mark.integration
enforced = pytest.mark.skipif(not ENFORCED, reason="this kernel gives no network namespaces")

ASK = """
import os, socket, sys
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=20).close()
    print("reached")
except OSError as error:
    print("unreachable:", error.strerror)
os.makedirs("/opt/ml/model", exist_ok=True)
open("/opt/ml/model/model.txt", "w").write("made")
print("auc=0.75")
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server on this machine, outside of every job."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@enforced
def test_only_a_job_without_isolation_reaches_a_server_of_this_machine(api: LocalApi, port: int):
    """A script that downloads its data would pass on the laptop, and fail once it costs money."""
    said = {}
    for name, isolated in (("alone", True), ("open", False)):
        request = api.request(name, ASK.format(port=port), EnableNetworkIsolation=isolated)
        request["AlgorithmSpecification"]["MetricDefinitions"] = [
            {"Name": "auc", "Regex": "auc=([0-9.]+)"}
        ]
        api.sm.create_training_job(**request)
        job = api.wait(name)
        assert job["TrainingJobStatus"] == "Completed", api.lines(name)
        # Metrics and artifacts need no network.
        assert job["FinalMetricDataList"][0]["Value"] == 0.75
        assert list(members(api, job["ModelArtifacts"]["S3ModelArtifacts"])) == ["model.txt"]
        said[name] = api.lines(name)[0]
    assert said == {"alone": "unreachable: Connection refused", "open": "reached"}


@enforced
def test_the_hosts_of_an_isolated_job_reach_each_other(api: LocalApi):
    """AWS isolates a cluster, not its hosts: distributed training must go on."""
    source = api.archive("s3://code/isolated/sourcedir.tar.gz", {"train.py": ALL_REDUCE})
    api.objects.write("s3://data/isolated/1", b"21")
    request = api.request("isolated", ResourceConfig=TWO, EnableNetworkIsolation=True)
    del request["AlgorithmSpecification"]["ContainerEntrypoint"]
    request["AlgorithmSpecification"]["TrainingImage"] = "any/pytorch-training:2"
    request["HyperParameters"] = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": json.dumps(source),
        "port": "7777",  # nobody else's, in a network of their own
    }
    request["InputDataConfig"][0]["ChannelName"] = "train"
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = "s3://data/isolated"
    api.sm.create_training_job(**request)
    job = api.wait("isolated")
    assert job["TrainingJobStatus"] == "Completed", api.lines("isolated")
    assert members(api, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"42"}


@enforced
def test_an_isolated_processing_job_reaches_nothing(api: LocalApi, port: int):
    api.objects.write("s3://code/processing/ask.py", ASK.format(port=port).encode())
    source = {
        "S3Uri": "s3://code/processing",
        "LocalPath": "/opt/ml/processing/code",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    api.sm.create_processing_job(
        ProcessingJobName="ask",
        RoleArn="arn:aws:iam::000000000000:role/test",
        AppSpecification={
            "ImageUri": "any/image:1",
            "ContainerEntrypoint": ["python", "/opt/ml/processing/code/ask.py"],
        },
        ProcessingInputs=[{"InputName": "code", "S3Input": source}],
        ProcessingResources={"ClusterConfig": cluster},
        NetworkConfig={"EnableNetworkIsolation": True},
    )
    group = "/aws/sagemaker/ProcessingJobs"

    def said() -> list[str]:
        return [
            event["message"]
            for event in api.logs.filter_log_events(logGroupName=group, logStreamNamePrefix="ask/")[
                "events"
            ]
        ]

    eventually(
        lambda: (
            api.sm.describe_processing_job(ProcessingJobName="ask")["ProcessingJobStatus"]
            == "Completed"
        )
    )
    assert said()[0] == "unreachable: Connection refused"


def test_where_the_kernel_refuses_the_log_says_that_nothing_is_isolated(
    monkeypatch: pytest.MonkeyPatch, tmp_path
):
    """A promise that is not kept must not look kept."""
    refusing = tmp_path / "refusing.py"
    refusing.write_text("print('unshare: Operation not permitted')\nraise SystemExit(1)\n")
    monkeypatch.setattr(isolation, "NAMESPACES", refusing)

    async def asked(*, isolated: bool) -> isolation.Network:
        async with isolation.network_of(isolated=isolated) as network:
            return network

    network = asyncio.run(asked(isolated=True))
    assert network.namespaces is None
    assert "NOT enforced" in network.notice
    assert "Operation not permitted" in network.notice
    assert asyncio.run(asked(isolated=False)) == isolation.Network()

    async def logged() -> str:
        log = tmp_path / "log"
        command = processes.Command(
            ["true"], {}, tmp_path, log, 10_000, None, notice=network.notice
        )
        process = await processes.Process.start(command, tmp_path)
        assert (await process.wait()).code == 0
        return log.read_text()

    assert network.notice in asyncio.run(logged())
