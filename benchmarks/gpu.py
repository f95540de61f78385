"""What is a GPU worth for the flights: XGBoost's trees and the network, on CPU and on CUDA.

    python benchmarks/gpu.py                  # the flights are read, features made, all measured
    python benchmarks/gpu.py --write DIR      # only the rows, as two Parquet files …
    python benchmarks/gpu.py --data DIR       # … that another machine measures

The second form needs of the platform nothing but its training scripts: numpy, pandas, pyarrow,
xgboost (built with CUDA, as PyPI's `xgboost` is) and torch. Both learn from January to November and
answer December. `trees`: seconds of `xgboost.train` with the pipeline's own parameters, the best of
three. `network`: seconds of an epoch, the best after the first, at two batch sizes, in mixed
precision on the GPU. The ratio is the CPU's seconds by the GPU's, with as many threads as the CPU
has; without a GPU only the CPU's figures are printed, and the last line says so.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

FLIGHTS = Path(__file__).parents[1] / "mlops_assets" / "pipelines" / "flight_delays"
PARAMETERS = {
    "learning_rate": 0.05,
    "max_depth": 6,
    "min_child_weight": 20,
    "subsample": 0.8,
    "colsample_bytree": 0.3,
    "reg_lambda": 10,
    "seed": 13,
}
ROUNDS = 250
BATCHES = (512, 8_192)


@dataclass(frozen=True)
class Measured:
    """Seconds of one load on one device, and how good what it learned is."""

    load: str
    device: str
    seconds: float
    auc: float
    log_loss: float


def write(directory: Path) -> None:
    """The features of January to November, and of December, as a training job is given them."""
    sys.path.insert(0, str(Path(__file__).parent))
    from flight_delays_quality import months

    from mlops_assets.pipelines.flight_delays.schemas import FlightFeatures

    columns = [c for c in FlightFeatures.to_schema().columns if c != "flight_id"]
    *train, holdout = [month[columns] for month in months()]
    for name, rows in (("train", pd.concat(train)), ("holdout", holdout)):
        (directory / name).mkdir(parents=True, exist_ok=True)
        ordered = rows.sort_values("scheduled_at", kind="stable").drop(columns="scheduled_at")
        ordered.to_parquet(directory / name / "part-0.parquet", index=False)


def trees(data: Path, device: str, threads: int) -> Measured:
    """XGBoost with the pipeline's parameters."""
    sys.path.insert(0, str(FLIGHTS))
    import train as script

    rows = {name: script.read_channel(data / name, "late") for name in ("train", "holdout")}
    features = [column for column in rows["train"] if column != "late"]
    encoding = script.Encoding.fit(rows["train"][features])
    matrices = {
        name: script.xgb.DMatrix(encoding.matrix(part), part["late"].to_numpy(), nthread=threads)
        for name, part in rows.items()
    }
    told = {**script.FIXED, **PARAMETERS, "device": device, "nthread": threads}
    script.xgb.train(told, matrices["train"], 5)  # the first use of a device is not its speed
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        model = script.xgb.train(told, matrices["train"], ROUNDS)
        taken.append(time.perf_counter() - began)
    answers, truth = model.predict(matrices["holdout"]), rows["holdout"]["late"].to_numpy()
    found = model.eval(matrices["holdout"])
    loss = float(re.findall(r"logloss:([0-9.]+)", found)[0])
    return Measured(f"trees, {ROUNDS}", device, min(taken), script.auc(truth, answers), loss)


def network(data: Path, device: str, threads: int, batch: int, epochs: int) -> Measured:
    """The network's own script, as a training job would run it."""
    with tempfile.TemporaryDirectory() as model:
        done = subprocess.run(
            [
                *(sys.executable, str(FLIGHTS / "train_network.py"), "--label", "late"),
                *("--batch", str(batch), "--epochs", str(epochs), "--nthread", str(threads)),
                # A larger batch takes fewer steps: each is longer, as is usual.
                *("--learning_rate", str(0.001 * (batch / 512) ** 0.5)),
            ],
            env={
                **os.environ,
                "SM_CHANNEL_TRAIN": str(data / "train"),
                "SM_CHANNEL_HOLDOUT": str(data / "holdout"),
                "SM_MODEL_DIR": model,
                "SM_NUM_GPUS": str(int(device == "cuda")),
                **({} if device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    epochs_s = [float(value) for value in re.findall(r"seconds:([0-9.]+)", done.stdout)]
    losses = re.findall(r"validation-logloss:(\S+) holdout-logloss:(\S+)", done.stdout)
    best = min(losses, key=lambda pair: float(pair[0]))
    return Measured(
        f"network, batches of {batch:,}",
        device,
        min(epochs_s[1:] or epochs_s),
        float(re.findall(r"holdout-auc: ([0-9.]+)", done.stdout)[0]),
        float(best[1]),
    )


def loads(data: Path, cuda: bool, threads: int, epochs: int) -> Iterator[Measured]:
    """Everything that can be measured here, as it is."""
    built = xgboost_build()
    for device in ("cpu", "cuda")[: 1 + cuda]:
        if built and (device == "cpu" or built.get("USE_CUDA")):
            yield trees(data, device, threads)
        else:
            why = "was built without CUDA" if built else "is not installed"
            print(f"XGBoost {why}: no trees on {device}", flush=True)
        for batch in BATCHES:
            yield network(data, device, threads, batch, epochs)


def xgboost_build() -> dict[str, object]:
    """How XGBoost was built; empty where there is none."""
    try:
        import xgboost
    except ImportError:
        return {}
    return dict(xgboost.build_info())


def gpu() -> str:
    """The GPU's name; empty where torch could not use one."""
    import torch

    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else ""


def table(found: list[Measured]) -> str:
    """A line for each load: seconds by device, their ratio, and how good it is."""
    lines = ["| load | CPU, s | GPU, s | ratio | AUC | log-loss |", "|---|---|---|---|---|---|"]
    for load in dict.fromkeys(each.load for each in found):
        by = {each.device: each for each in found if each.load == load}
        both = [by[device] for device in ("cpu", "cuda") if device in by]
        seconds = [f"{by[d].seconds:.2f}" if d in by else "–" for d in ("cpu", "cuda")]
        ratio = f"{by['cpu'].seconds / by['cuda'].seconds:.1f} ×" if len(both) == 2 else "–"
        aucs = " / ".join(f"{each.auc:.3f}" for each in both)
        losses = " / ".join(f"{each.log_loss:.3f}" for each in both)
        lines.append("| " + " | ".join([load, *seconds, ratio, aucs, losses]) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", type=Path, help="write the rows there, measure nothing")
    parser.add_argument("--data", type=Path, help="measure on rows that --write left there")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--epochs", type=int, default=8)
    given = parser.parse_args()
    if given.write:
        write(given.write)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        data = given.data or Path(scratch)
        if given.data is None:
            write(data)
        name = gpu()
        found = []
        for each in loads(data, bool(name), given.threads, given.epochs):
            found.append(each)
            print(each, flush=True)
    print("\n" + table(found))
    print(f"\n{given.threads} threads; " + (name or "no GPU here that torch could use"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
