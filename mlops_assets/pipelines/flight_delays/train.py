"""Train the flight delay model: an ordinary SageMaker script, which knows of nothing around it.

Reads the channel `train` (Parquet: features and label) and, where there is one, `holdout` (the
same columns and more; watched and checked, never learned from). Leaves in SM_MODEL_DIR:
model.ubj, features.json (how raw columns become the model's), importance.json, and check.parquet:
raw rows, half of them damaged, with this script's own answers, for the export to be compared to.
Equal data, parameters and threads give equal bytes on a CPU; `device` cuda trains on a GPU, where
there is one.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# Idle threads sleep instead of spinning: on a machine with other work, minutes become seconds.
# OpenMP reads this once, when XGBoost is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import xgboost as xgb

# It lies beside this file, here as in the job.
from train_rows import auc, check_rows, leave, read_channel  # type: ignore[import-not-found]

CHECK_ROWS = 12_000
LOG_EVERY = 25
FIXED = {"objective": "binary:logistic", "tree_method": "hist", "eval_metric": "logloss"}


@dataclass(frozen=True)
class Encoding:
    """Raw columns to the model's: numbers as they are, each word of a category a column of 0 or 1.

    A missing number stays NaN, which XGBoost sends its own way; a missing or unseen word sets no
    column.
    """

    numbers: tuple[str, ...]
    vocabularies: dict[str, tuple[str, ...]]

    @classmethod
    def fit(cls, rows: pd.DataFrame) -> Encoding:
        """Learn the vocabularies of the columns that are not numbers."""
        numbers = tuple(c for c in rows if pd.api.types.is_numeric_dtype(rows[c]))
        words = {c: rows[c].dropna() for c in rows if c not in numbers}
        return cls(numbers, {c: tuple(sorted(w[w != ""].unique())) for c, w in words.items()})

    def names(self) -> list[str]:
        """The encoded columns, in order."""
        words = [f"{c}={word}" for c, known in self.vocabularies.items() for word in known]
        return [*self.numbers, *words]

    def matrix(self, rows: pd.DataFrame) -> np.ndarray:
        """(rows, encoded columns) of float32."""
        parts = [rows[list(self.numbers)].to_numpy(dtype=np.float64, na_value=np.nan)]
        for column, known in self.vocabularies.items():
            values = rows[column].to_numpy(dtype=object)[:, None]
            parts.append((values == np.array(known, dtype=object)[None, :]).astype(np.float64))
        return np.hstack(parts).astype(np.float32)

    def spec(self, label: str) -> dict[str, Any]:
        """What features.json says."""
        columns: list[dict[str, Any]] = [
            {"name": name, "type": "number", "missing": "nan"} for name in self.numbers
        ]
        columns += [
            {
                "name": name,
                "type": "category",
                "encoding": "one_hot",
                "vocabulary": list(known),
                "missing": "zero",
                "unknown": "zero",
            }
            for name, known in self.vocabularies.items()
        ]
        return {
            "version": 1,
            "kind": "binary",
            "label": label,
            "classes": None,
            "columns": columns,
        }


class Progress(xgb.callback.TrainingCallback):
    """A line every LOG_EVERY rounds, flushed, so that a log shows it while training runs."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Print what was measured in this round; never stop training."""
        if epoch == 0 or (epoch + 1) % LOG_EVERY == 0:
            seen = (f"{n}-{m}:{v[-1]:.5f}" for n, log in evals_log.items() for m, v in log.items())
            print(f"[{epoch + 1}]", *seen, flush=True)
        return False


def usable(device: str) -> str:
    """The device that was asked for, or the CPU where this machine or XGBoost has no such one."""
    cuda = bool(xgb.build_info().get("USE_CUDA")) and os.environ.get("SM_NUM_GPUS", "0") != "0"
    if device == "cuda" and not cuda:
        print("no GPU that XGBoost could use: training on the CPU", flush=True)
    return device if cuda else "cpu"


def importance(model: xgb.Booster, encoding: Encoding) -> dict[str, float]:
    """Gain by raw column as a share of all gain, largest first; unused columns are 0."""
    shares = dict.fromkeys([*encoding.numbers, *encoding.vocabularies], 0.0)
    gains = model.get_score(importance_type="total_gain")
    for name, gain in gains.items():
        # A word is a column of its own, "carrier=AA", but what counts is the carrier.
        column = name if name in shares else name.partition("=")[0]
        shares[column] += float(np.sum(gain))
    whole = sum(shares.values()) or 1.0
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {name: round(gain / whole, 6) for name, gain in ordered}


def parse_arguments() -> argparse.Namespace:
    """Hyperparameters as arguments, places as SM_* variables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--label", required=True)
    parser.add_argument("--num_boost_round", type=int, default=250)
    parser.add_argument("--learning_rate", type=float, default=0.05)
    parser.add_argument("--max_depth", type=int, default=6)
    parser.add_argument("--min_child_weight", type=float, default=20)
    parser.add_argument("--subsample", type=float, default=0.8)
    parser.add_argument("--colsample_bytree", type=float, default=0.3)
    parser.add_argument("--reg_lambda", type=float, default=10)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--nthread", type=int, default=int(os.environ.get("SM_NUM_CPUS", "1")))
    places = {"train": "CHANNEL_TRAIN", "holdout": "CHANNEL_HOLDOUT", "model_dir": "MODEL_DIR"}
    for name, variable in places.items():
        default = os.environ.get(f"SM_{variable}")
        required = default is None and name != "holdout"
        parser.add_argument(f"--{name}", type=Path, default=default, required=required)
    return parser.parse_args()


def main() -> None:
    """Train, measure, and leave the model with everything that its export is checked by."""
    arguments = vars(parse_arguments())
    label, directory = arguments.pop("label"), arguments.pop("model_dir")
    channels = {name: arguments.pop(name) for name in ("train", "holdout")}
    rounds = arguments.pop("num_boost_round")
    arguments["device"] = usable(arguments["device"])

    train = read_channel(channels["train"], label)
    features = [column for column in train if column != label]
    encoding = Encoding.fit(train[features])
    rows = {"train": train}
    if channels["holdout"] is not None:
        rows["holdout"] = read_channel(channels["holdout"], label)
    names = encoding.names()
    data = {
        name: xgb.DMatrix(
            encoding.matrix(part),
            part[label].to_numpy(),
            feature_names=names,
            nthread=arguments["nthread"],
        )
        for name, part in rows.items()
    }
    print(f"{len(train):,} rows, {len(features)} features, {len(names)} encoded", flush=True)
    model = xgb.train(
        {**FIXED, **arguments},
        data["train"],
        num_boost_round=rounds,
        evals=[(matrix, name) for name, matrix in data.items()],
        callbacks=[Progress()],
        verbose_eval=False,
    )
    for name, part in rows.items():
        print(f"{name}-rows: {len(part)}", flush=True)
        print(
            f"{name}-auc: {auc(part[label].to_numpy(), model.predict(data[name])):.5f}", flush=True
        )

    sampled = rows.get("holdout", train)[features]
    checked = check_rows(sampled, encoding.numbers, CHECK_ROWS, arguments["seed"])
    matrix = xgb.DMatrix(encoding.matrix(checked), feature_names=names)
    checked["__prediction__"] = model.predict(matrix).astype(np.float64)
    leave(directory, checked, encoding.spec(label), importance(model, encoding))
    model.save_model(directory / "model.ubj")


if __name__ == "__main__":
    main()
