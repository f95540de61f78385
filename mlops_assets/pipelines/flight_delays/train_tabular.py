"""A network for tables: how rows become numbers, the network, and its training on CPUs or GPUs.

It travels with train_network.py, whose docstring says what is trained and how. Belongs here: what
another pipeline's script could take as it is. Does not belong here: channels, files, export.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

MASKED = 0.01  # of the words that it learns from, so that an unseen one has a meaning
Rows = tuple[torch.Tensor, torch.Tensor]
"""(rows, columns) as encoded, and (rows,) of labels."""


class Encoding:
    """Raw columns to the network's: numbers as they are, NaN where missing; of a word its place.

    Behind the words of a category come two places more: of a missing word, of an unseen one.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.numbers = [c for c in rows if pd.api.types.is_numeric_dtype(rows[c])]
        words = {c: rows[c].dropna() for c in rows if c not in self.numbers}
        self.words = {c: sorted(w[w != ""].unique()) for c, w in words.items()}

    @property
    def sizes(self) -> list[int]:
        """How many places each category has."""
        return [len(known) + 2 for known in self.words.values()]

    def matrix(self, rows: pd.DataFrame) -> torch.Tensor:
        """(rows, columns) of float32, numbers first."""
        parts = [rows[self.numbers].to_numpy(dtype=np.float64, na_value=np.nan)]
        for column, known in self.words.items():
            places = {word: place for place, word in enumerate(known)}
            texts = rows[column].astype(object)
            missing = texts.isna() | (texts == "")
            found = texts.map(places).fillna(len(known) + 1).mask(missing, len(known))
            parts.append(found.to_numpy(dtype=np.float64)[:, None])
        return torch.from_numpy(np.hstack(parts).astype(np.float32))

    def spec(self, label: str) -> dict[str, Any]:
        """What features.json says."""
        numbers = [{"name": name, "type": "number", "missing": "nan"} for name in self.numbers]
        words = [
            {
                "name": name,
                "type": "category",
                "encoding": "ordinal",
                "vocabulary": known,
                "missing": "own",
                "unknown": "own",
            }
            for name, known in self.words.items()
        ]
        columns = [*numbers, *words]
        return {
            "version": 1, "kind": "binary", "label": label, "classes": None, "columns": columns
        }  # fmt: skip


def quantile_edges(numbers: np.ndarray, bins: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each column of (rows, columns): the (columns, bins) lower edges and widths of its bins.

    Where quantiles are equal a bin is empty: its width is infinite, and it is never entered.
    """
    edges = np.nanquantile(numbers, np.linspace(0, 1, bins + 1), axis=0).T.astype(np.float32)
    widths = np.diff(edges, axis=1)
    return torch.from_numpy(edges[:, :-1].copy()), torch.from_numpy(
        np.where(widths > 0, widths, np.inf).astype(np.float32)
    )


class Network(nn.Module):
    """(rows, columns) of encoded rows to (rows,) of logits."""

    def __init__(
        self,
        edges: tuple[torch.Tensor, torch.Tensor],
        sizes: list[int],
        options: argparse.Namespace,
    ) -> None:
        super().__init__()
        self.register_buffer("lower", edges[0])
        self.register_buffer("widths", edges[1])
        self.numbers, bins = edges[0].shape
        self.sizes = sizes
        wide = [min(16, (size + 3) // 2) for size in sizes]
        self.embeddings = nn.ModuleList(map(nn.Embedding, sizes, wide))
        width = self.numbers * (bins + 1) + sum(wide)
        layers: list[nn.Module] = []
        for _ in range(options.layers):
            layers += [nn.Linear(width, options.width), nn.LayerNorm(options.width), nn.ReLU()]
            layers += [nn.Dropout(options.dropout)]
            width = options.width
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The logit of the label being 1."""
        numbers = rows[:, : self.numbers]
        missing = torch.isnan(numbers)
        known = torch.where(missing, self.lower[:, 0], numbers)
        filled = ((known.unsqueeze(2) - self.lower) / self.widths).clamp(0.0, 1.0)
        parts = [filled.flatten(1), missing.to(rows.dtype)]
        for place, embedding in enumerate(self.embeddings, start=self.numbers):
            parts.append(embedding(rows[:, place].to(torch.int64)))
        answer: torch.Tensor = self.layers(torch.cat(parts, dim=1))
        return answer.squeeze(1)


class Trainer:
    """One training: the network, its optimizer, and the state that a checkpoint holds."""

    def __init__(self, network: Network, options: argparse.Namespace) -> None:
        self.options = options
        self.rank, self.world, local = (
            int(os.environ.get(name, default))
            for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
        )
        gpu = torch.cuda.is_available()
        self.device = torch.device("cuda", local) if gpu else torch.device("cpu")
        # bfloat16 needs no scaling of the loss; GPUs before Ampere have float16 alone, which does.
        self.half = torch.bfloat16 if gpu and torch.cuda.is_bf16_supported(False) else torch.float16
        self.scaler = torch.amp.GradScaler("cuda", enabled=gpu and self.half == torch.float16)
        self.network = network.to(self.device)
        self.learner: nn.Module = self.network
        if self.world > 1:
            ids = [local] if gpu else None
            self.learner = nn.parallel.DistributedDataParallel(self.network, device_ids=ids)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self.done, self.best, self.best_epoch = 0, math.inf, 0
        self.best_state = copy.deepcopy(self.network.state_dict())

    def fit(self, learned: Rows, judged: dict[str, Rows]) -> None:
        """Epochs until `validation` has not become better for `patience` of them; then the best."""
        options, (inputs, labels) = self.options, learned
        inputs, labels = inputs.to(self.device), labels.to(self.device)
        self._restore()
        while self.done < options.epochs and self.done - self.best_epoch < options.patience:
            began = time.perf_counter()
            told = {"train": self._epoch(inputs, labels)}
            took = time.perf_counter() - began
            self.done += 1
            told |= {name: self.measure(rows) for name, rows in judged.items()}
            if told["validation"] < self.best:
                self.best, self.best_epoch = told["validation"], self.done
                self.best_state = copy.deepcopy(self.network.state_dict())
            if self.rank == 0:
                said = " ".join(f"{name}-logloss:{value:.5f}" for name, value in told.items())
                print(f"epoch {self.done} {said} seconds:{took:.2f}", flush=True)
                self._keep()
        self.network.load_state_dict(self.best_state)

    def answers(self, inputs: torch.Tensor) -> np.ndarray:
        """(rows,) of probabilities, in float32 throughout."""
        self.network.eval()
        with torch.no_grad():
            parts = [self.network(part.to(self.device)) for part in inputs.split(65_536)]
        return torch.sigmoid(torch.cat(parts)).double().cpu().numpy()

    def measure(self, rows: Rows) -> float:
        """The log-loss of what the network answers now, the same in every process."""
        answers = np.clip(self.answers(rows[0]), 1e-7, 1 - 1e-7)
        truth = rows[1].numpy().astype(bool)
        return float(-np.log(np.where(truth, answers, 1 - answers)).mean())

    def _epoch(self, inputs: torch.Tensor, labels: torch.Tensor) -> float:
        options, draw = self.options, self.options.seed * 1_000 + self.done
        # All processes draw the same order, and each takes every world-th row of it.
        order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(draw))
        order = order[: len(order) // self.world * self.world][self.rank :: self.world]
        torch.manual_seed(draw * 1_000 + self.rank)
        rate = options.learning_rate * (1 + math.cos(math.pi * self.done / options.epochs)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        unseen = torch.tensor([size - 1.0 for size in self.network.sizes], device=self.device)
        self.learner.train()
        total = torch.zeros((), device=self.device)
        for places in order.to(self.device).split(max(1, options.batch // self.world)):
            numbers, words = inputs[places].tensor_split([self.network.numbers], dim=1)
            masked = torch.rand(words.shape, device=self.device) < MASKED
            seen = torch.cat([numbers, torch.where(masked, unseen, words)], dim=1)
            with torch.autocast("cuda", dtype=self.half, enabled=self.device.type == "cuda"):
                logits = self.learner(seen)
            loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), labels[places])
            self.optimizer.zero_grad()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            total += loss.detach() * len(places)
        return float(total) / len(order)

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best_state": self.best_state,
            "told": {"done": self.done, "best": self.best, "best_epoch": self.best_epoch},
        }

    def _keep(self) -> None:
        directory: Path | None = self.options.checkpoints
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            torch.save(self._state(), directory / "state.new")
            (directory / "state.new").replace(directory / "state.pt")

    def _restore(self) -> None:
        path = self.options.checkpoints and self.options.checkpoints / "state.pt"
        if path is None or not path.is_file():
            return
        # weights_only: tensors and plain values, nothing that a file could run.
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best_state = state["best_state"]
        self.done, self.best, self.best_epoch = state["told"].values()
        if self.rank == 0:
            print(f"going on after epoch {self.done}, from the last checkpoint", flush=True)
