"""A public example's shape: distributed torch over SM_HOSTS, unmodified, on two hosts."""

from __future__ import annotations

import importlib.util
import json

import pytest

from mlops_assets.sagemaker_local.fleet.replica import free_port
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.training.job_parts import members

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="the extra torch"),
]

TRAIN = """
import argparse, json, os
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

def train(args):
    torch.set_num_threads(1)
    world_size = len(args.hosts)
    os.environ["WORLD_SIZE"] = str(world_size)
    host_rank = args.hosts.index(args.current_host)
    os.environ["RANK"] = str(host_rank)
    os.environ["MASTER_ADDR"] = args.hosts[0]
    dist.init_process_group(backend=args.backend, rank=host_rank, world_size=world_size)
    torch.manual_seed(host_rank)  # unlike at first, DistributedDataParallel makes them alike
    model = DistributedDataParallel(torch.nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.tensor([[float(host_rank)]])  # host 0 sees x=0 only, host 1 sees x=1 only
    y = 2 * x + 1
    for epoch in range(1, args.epochs + 1):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    both = loss.detach()
    dist.all_reduce(both)
    print(f"rank={host_rank} loss={both.item():.6f};")
    if host_rank == 0:
        weights = {k: v.item() for k, v in model.module.state_dict().items()}
        with open(os.path.join(args.model_dir, "model.json"), "w") as file:
            json.dump(weights, file)
    dist.destroy_process_group()

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--backend", type=str, default=None)
    parser.add_argument("--hosts", type=list, default=json.loads(os.environ["SM_HOSTS"]))
    parser.add_argument("--current-host", type=str, default=os.environ["SM_CURRENT_HOST"])
    parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
    train(parser.parse_args())
"""


def test_two_hosts_train_one_model(api: LocalApi):
    """The gradient is averaged over both hosts: alone, neither could learn weight 2 and bias 1."""
    source = api.archive("s3://code/torch/sourcedir.tar.gz", {"mnist.py": TRAIN})
    resources = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
    request = api.request("torch", ResourceConfig=resources)
    del request["InputDataConfig"], request["AlgorithmSpecification"]["ContainerEntrypoint"]
    request["AlgorithmSpecification"]["TrainingImage"] = "any/pytorch-training:2"
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "loss", "Regex": "rank=0 loss=(.*?);"}
    ]
    request["HyperParameters"] = {
        "sagemaker_program": '"mnist.py"',
        "sagemaker_submit_directory": json.dumps(source),
        "epochs": "300",
        "backend": '"gloo"',
    }
    request["Environment"] = {"MASTER_PORT": str(free_port())}
    api.sm.create_training_job(**request)
    job = api.wait("torch")
    assert job["TrainingJobStatus"] == "Completed", (job, api.lines("torch"))
    (model,) = members(api, job["ModelArtifacts"]["S3ModelArtifacts"]).values()
    weights = json.loads(model)
    assert weights == pytest.approx({"weight": 2.0, "bias": 1.0}, abs=0.01)
    assert job["FinalMetricDataList"][0]["Value"] < 0.001
