"""Train a small convolutional network: an ordinary SageMaker script, which knows of nothing around.

Reads the channel `train` (Parquet: 64 pixels and the label) and, where there is one, `holdout`
(watched, never learned from). Checkpoints every epoch and goes on from the last one, so that an
interruption of a spot instance costs an epoch. Leaves in SM_MODEL_DIR: model.onnx (pixels to
probabilities), features.json, importance.json, and check.parquet for the export to be compared to.
On a CPU equal data, parameters and threads give equal bytes; on a GPU it trains in mixed precision.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

try:
    import torch
    from torch import nn
except ImportError as error:
    raise SystemExit(f"{error}: install what pyproject.toml names as the extra torch") from None

BATCH = 64
CHECK_ROWS = 1_200
INK = 16.0  # the most that a pixel holds
Rows = tuple[torch.Tensor, torch.Tensor]
"""(rows, 64) of ink and (rows,) of class numbers."""


class Network(nn.Module):
    """(rows, 64) of ink to (rows, classes) of logits."""

    def __init__(self, classes: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32 * 4 * 4, 64),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(64, classes),
        )

    def forward(self, ink: torch.Tensor) -> torch.Tensor:
        """Logits of images given as rows of pixels."""
        answer: torch.Tensor = self.layers((ink / INK).reshape(-1, 1, 8, 8))
        return answer


class Probabilities(nn.Module):
    """What is served: the network with its softmax."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, ink: torch.Tensor) -> torch.Tensor:
        """(rows, classes) that sum to 1."""
        return torch.softmax(self.network(ink), dim=1)


def read_channel(directory: Path, label: str) -> pd.DataFrame:
    """All Parquet files of a channel, in order of their names."""
    files = sorted(directory.glob("**/*.parquet"))
    if not files:
        raise FileNotFoundError(f"no .parquet file in channel {directory}: give it a dataset")
    rows = pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True)
    if label not in rows or rows[label].isna().any():
        raise ValueError(f"label {label!r} is absent or null in channel {directory}")
    return rows


def tensors(rows: pd.DataFrame, columns: list[str], label: str) -> Rows:
    """Rows as the network reads them."""
    return (
        torch.from_numpy(rows[columns].to_numpy(dtype=np.float32, copy=True)),
        torch.from_numpy(rows[label].to_numpy(dtype=np.int64, copy=True)),
    )


class Trainer:
    """One training: the network, its optimizer, and the state that a checkpoint holds."""

    def __init__(self, arguments: argparse.Namespace, classes: int) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = Network(classes, arguments.dropout).to(self.device)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=arguments.learning_rate, weight_decay=1e-4
        )
        self.generator = torch.Generator().manual_seed(arguments.seed)
        self.epochs: int = arguments.epochs
        self.directory: Path | None = arguments.checkpoints
        self.done = 0

    def fit(
        self, train: tuple[torch.Tensor, ...], holdout: tuple[torch.Tensor, ...] | None
    ) -> None:
        """All epochs that are still to be done, a line of metrics after each."""
        self._restore()
        for epoch in range(self.done, self.epochs):
            # Dropout draws from the global generator: the same after an interruption as without.
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=self.generator)))
            said = f"epoch {epoch + 1} train-loss:{self._epoch(train):.5f}"
            if holdout is not None:
                loss, accuracy = self.measure(holdout)
                said += f" holdout-loss:{loss:.5f} holdout-accuracy:{accuracy:.5f}"
            print(said, flush=True)
            self.done = epoch + 1
            self._keep()

    def measure(self, rows: Rows) -> tuple[float, float]:
        """(loss, accuracy) on rows."""
        images, labels = (part.to(self.device) for part in rows)
        self.network.eval()
        with torch.no_grad():
            logits = self.network(images)
            loss = nn.functional.cross_entropy(logits, labels)
        return float(loss), float((logits.argmax(dim=1) == labels).float().mean())

    def _epoch(self, rows: Rows) -> float:
        images, labels = (part.to(self.device) for part in rows)
        order = torch.randperm(len(images), generator=self.generator)
        self.network.train()
        total = 0.0
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH].to(self.device)
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.device == "cuda"):
                loss = nn.functional.cross_entropy(self.network(images[batch]), labels[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(batch)
        return total / len(order)

    def _keep(self) -> None:
        if self.directory is None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        beside = self.directory / "state.new"
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "done": self.done,
        }
        torch.save(state, beside)
        beside.replace(self.directory / "state.pt")

    def _restore(self) -> None:
        path = None if self.directory is None else self.directory / "state.pt"
        if path is None or not path.is_file():
            return
        # weights_only: tensors and plain values, nothing that a file could run.
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        self.done = int(state["done"])
        print(f"going on after epoch {self.done}, from the last checkpoint", flush=True)


def export(network: Network, path: Path) -> None:
    """The network and its softmax as one ONNX file with rows of any number."""
    served = Probabilities(network).cpu().eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            served,
            (torch.zeros(2, 64),),
            input_names=["input"],
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch exported nothing")
    program.save(path, external_data=False)


def importance(network: Network, images: torch.Tensor) -> np.ndarray:
    """(64,) shares: the mean size of the top answer's gradient by each pixel, times its ink."""
    network.cpu().eval()
    ink = images.clone().requires_grad_()
    network(ink).max(dim=1).values.sum().backward()
    if ink.grad is None:
        raise RuntimeError("the network has no gradient")
    share = (ink.grad * images).abs().mean(dim=0).numpy().astype(np.float64)
    return share / (share.sum() or 1.0)


def spec(columns: list[str], label: str, classes: list[str]) -> dict[str, Any]:
    """What features.json says: every pixel must be there."""
    entries = [{"name": name, "type": "number", "missing": "error"} for name in columns]
    return {
        "version": 1,
        "kind": "multiclass",
        "label": label,
        "classes": classes,
        "columns": entries,
    }


def parse_arguments() -> argparse.Namespace:
    """Hyperparameters as arguments, places as SM_* variables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--label", required=True)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--learning_rate", type=float, default=0.002)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=7)
    places = {"train": "CHANNEL_TRAIN", "holdout": "CHANNEL_HOLDOUT", "model_dir": "MODEL_DIR"}
    for name, variable in places.items():
        default = os.environ.get(f"SM_{variable}")
        required = default is None and name != "holdout"
        parser.add_argument(f"--{name}", type=Path, default=default, required=required)
    # Where SageMaker mirrors checkpoints from, when the job asks for it.
    kept = Path("/opt/ml/checkpoints")
    parser.add_argument("--checkpoints", type=Path, default=kept if kept.is_dir() else None)
    return parser.parse_args()


def main() -> None:
    """Train, measure, and leave the model with everything that its export is checked by."""
    arguments = parse_arguments()
    torch.manual_seed(arguments.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(1)  # the order of sums, and so every bit, is that of one thread
    label = arguments.label
    train = read_channel(arguments.train, label)
    columns = [column for column in train if column != label]
    holdout = None if arguments.holdout is None else read_channel(arguments.holdout, label)
    trainer = Trainer(arguments, arguments.classes)
    print(f"{len(train):,} images, {len(columns)} pixels, on {trainer.device}", flush=True)
    trainer.fit(
        tensors(train, columns, label),
        None if holdout is None else tensors(holdout, columns, label),
    )
    directory: Path = arguments.model_dir
    directory.mkdir(parents=True, exist_ok=True)
    export(trainer.network, directory / "model.onnx")
    shown = train if holdout is None else holdout
    checked = shown.iloc[np.arange(CHECK_ROWS) % len(shown)][columns].reset_index(drop=True)
    images = torch.from_numpy(checked.to_numpy(dtype=np.float32, copy=True))
    with torch.no_grad():
        answers = Probabilities(trainer.network.cpu()).eval()(images).numpy()
    checked["__prediction__"] = list(answers.astype(np.float64))
    checked.to_parquet(directory / "check.parquet", index=False)
    shares = importance(trainer.network, images)
    ordered = sorted(zip(columns, shares, strict=True), key=lambda item: (-item[1], item[0]))
    for name, content in (
        ("features.json", spec(columns, label, [str(n) for n in range(arguments.classes)])),
        ("importance.json", {column: round(float(share), 6) for column, share in ordered}),
    ):
        (directory / name).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
