"""Train the flight delay model as a network: an ordinary SageMaker script, on CPUs or GPUs.

Reads the channel `train` (Parquet, oldest row first: features and label) and, where there is one,
`holdout` (watched, never learned from). Words become embeddings; a number becomes how far it lies
in each of its quantiles' bins (piecewise linear encoding: Gorishniy et al., "On Embeddings for
Numerical Features in Tabular Deep Learning", NeurIPS 2022, section 3.2), so that a missing one,
which is in no bin, is told from 0. Training stops early by days that it does not learn from.

With SM_NUM_GPUS > 1 or several SM_HOSTS the script starts itself again under torchrun: a process
for each GPU, gradients averaged by nccl, or by gloo where there is none. On GPUs it trains in mixed
precision. On a CPU equal data, parameters and processes give equal bytes. Leaves in SM_MODEL_DIR:
model.onnx, features.json, importance.json and check.parquet for the export to be compared to.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import numpy as np

try:
    import torch
    from torch import distributed, nn
except ImportError as error:
    raise SystemExit(f"{error}: install what pyproject.toml names as the extra torch") from None

# They lie beside this file, here as in the job.
from train_rows import auc, check_rows, leave, read_channel  # type: ignore[import-not-found]
from train_tabular import (  # type: ignore[import-not-found]
    Encoding,
    Network,
    Trainer,
    quantile_edges,
)

BLOCKS = 100  # of the rows in their order: about a day each, of which every tenth is kept back
CHECK_ROWS = 6_000
IMPORTANCE_ROWS = 4_000
PORT = "7777"


class Served(nn.Module):
    """What is served: the network's probability."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows,) of probabilities."""
        return torch.sigmoid(self.network(rows))


def start_processes(hosts: list[str], each: int) -> None:
    """Become torchrun, which starts this script `each` times here, as on every host."""
    meeting = ["--standalone"]  # at a free port of this host
    if len(hosts) > 1:
        meeting = [
            f"--nnodes={len(hosts)}",
            f"--node-rank={hosts.index(os.environ['SM_CURRENT_HOST'])}",
            f"--master-addr={hosts[0]}",
            f"--master-port={os.environ.get('SM_MASTER_PORT', PORT)}",
        ]
    # Its own choice is one thread each, said in a warning.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"{len(hosts)} hosts × {each} processes", flush=True)
    torchrun = [sys.executable, "-m", "torch.distributed.run", *meeting]
    command = [*torchrun, f"--nproc-per-node={each}", __file__, *sys.argv[1:]]
    os.execv(sys.executable, command)  # noqa: S606


def export(network: nn.Module, columns: int, path: Path) -> None:
    """The network and its sigmoid as one ONNX file with rows of any number."""
    served = Served(network).cpu().eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            served,
            (torch.zeros(2, columns),),
            input_names=["input"],
            output_names=["probability"],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch exported nothing")
    program.save(path, external_data=False)


def importance(trainer: Trainer, inputs: torch.Tensor, labels: torch.Tensor) -> list[float]:
    """Of each encoded column the share of the log-loss that shuffling it alone adds."""
    inputs, labels = inputs[-IMPORTANCE_ROWS:], labels[-IMPORTANCE_ROWS:]
    whole = trainer.measure((inputs, labels))
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    worths = []
    for place in range(inputs.shape[1]):
        shuffled = inputs.clone()
        shuffled[:, place] = inputs[order, place]
        worths.append(max(0.0, trainer.measure((shuffled, labels)) - whole))
    return [round(worth / (sum(worths) or 1.0), 6) for worth in worths]


def parse_arguments() -> argparse.Namespace:
    """Hyperparameters as arguments, places as SM_* variables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--label", required=True)
    for name, default in {
        "epochs": 15, "patience": 4, "batch": 512, "layers": 2, "width": 256, "bins": 12, "seed": 13
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, rate in {"learning_rate": 1e-3, "weight_decay": 1e-2, "dropout": 0.5}.items():
        parser.add_argument(f"--{name}", type=float, default=rate)
    parser.add_argument("--nthread", type=int, default=int(os.environ.get("SM_NUM_CPUS", "1")))
    places = {"train": "CHANNEL_TRAIN", "holdout": "CHANNEL_HOLDOUT", "model_dir": "MODEL_DIR"}
    for name, variable in places.items():
        place = os.environ.get(f"SM_{variable}")
        required = place is None and name != "holdout"
        parser.add_argument(f"--{name}", type=Path, default=place, required=required)
    # Where SageMaker mirrors checkpoints from, when the job asks for it.
    kept = Path("/opt/ml/checkpoints")
    parser.add_argument("--checkpoints", type=Path, default=kept if kept.is_dir() else None)
    return parser.parse_args()


def train(options: argparse.Namespace) -> None:
    """Train, measure, and leave the model with everything that its export is checked by."""
    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # The order of sums, and so every bit, follows from the number of threads.
    torch.set_num_threads(options.nthread)
    label = options.label
    rows = {"train": read_channel(options.train, label)}
    if options.holdout is not None:
        rows["holdout"] = read_channel(options.holdout, label)
    features = [column for column in rows["train"] if column != label]
    encoding = Encoding(rows["train"][features])
    data = {
        name: (
            encoding.matrix(part[features]),
            torch.from_numpy(part[label].to_numpy(dtype=np.float32, copy=True)),
        )
        for name, part in rows.items()
    }
    inputs, labels = data.pop("train")
    kept = torch.from_numpy(np.arange(len(inputs)) * BLOCKS // len(inputs) % 10 == 5)
    edges = quantile_edges(inputs[~kept, : len(encoding.numbers)].numpy(), options.bins)
    trainer = Trainer(Network(edges, encoding.sizes, options), options)
    if trainer.rank == 0:
        where = f"{trainer.world} processes, the first on {trainer.device}"
        print(f"{len(inputs):,} rows, {len(features)} features; {where}", flush=True)
    validation = (inputs[kept], labels[kept])
    trainer.fit((inputs[~kept], labels[~kept]), {"validation": validation, **data})
    if trainer.rank != 0:
        return
    for name, (seen, truth) in {"validation": validation, **data}.items():
        print(f"{name}-auc: {auc(truth.numpy(), trainer.answers(seen)):.5f}", flush=True)
    shares = importance(trainer, *data.get("holdout", validation))
    names = [*encoding.numbers, *encoding.words]
    ordered = sorted(zip(names, shares, strict=True), key=lambda item: (-item[1], item[0]))
    sampled = rows.get("holdout", rows["train"])[features]
    checked = check_rows(sampled, encoding.numbers, CHECK_ROWS, options.seed)
    with torch.no_grad():
        answers = Served(trainer.network.cpu()).eval()(encoding.matrix(checked)).numpy()
    checked["__prediction__"] = answers.astype(np.float64)
    leave(options.model_dir, checked, encoding.spec(label), dict(ordered))
    export(trainer.network, len(names), options.model_dir / "model.onnx")


def main() -> None:
    """Train in this process, or in as many as there are GPUs on all hosts."""
    options = parse_arguments()
    hosts = json.loads(os.environ.get("SM_HOSTS", '["algo-1"]'))
    each = max(1, int(os.environ.get("SM_NUM_GPUS", "1")))
    if "RANK" not in os.environ:
        if len(hosts) * each > 1:
            start_processes(hosts, each)
        return train(options)
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        train(options)
    finally:
        distributed.destroy_process_group()
    return None


if __name__ == "__main__":
    main()
