"""`python -m mlops_assets.containers.algorithms.xgboost`: what AWS's XGBoost image does in a job.

With a script (`sagemaker_program`) it is the framework's image, without one the algorithm: CSV
without a header, the label first, an empty field for a missing value; hyperparameters of its own,
num_round required; lines such as ``[0]#011train-auc:0.71#011validation-auc:0.70``; the booster as
``xgboost-model``. Source of the contract: github.com/aws/sagemaker-xgboost-container and
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html. Not here: libsvm, Parquet, RecordIO,
weights, several hosts and early ends with a model, which are refused or left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_assets.containers import failure
from mlops_assets.containers.environment import ContainerError, Paths, TrainingJob
from mlops_assets.containers.train import train as train_script

if TYPE_CHECKING:
    import pandas as pd

MODEL = "xgboost-model"
_CSV = ("csv", "text/csv")
_CHANNELS = ("train", "validation")
_WHOLE = frozenset(
    {
        "csv_weights", "early_stopping_rounds", "max_bin", "max_depth", "max_leaves", "nthread",
        "num_class", "num_parallel_tree", "num_round", "one_drop", "refresh_leaf", "seed",
        "verbosity",
    }
)  # fmt: skip
_NUMBERS = frozenset(
    {
        "alpha", "base_score", "colsample_bylevel", "colsample_bynode", "colsample_bytree",
        "eta", "gamma", "lambda", "lambda_bias", "max_delta_step", "min_child_weight",
        "rate_drop", "scale_pos_weight", "sketch_eps", "skip_drop", "subsample",
        "tweedie_variance_power",
    }
)  # fmt: skip
_WORDS = frozenset(
    {
        "booster", "device", "dsplit", "eval_metric", "grow_policy", "interaction_constraints",
        "monotone_constraints", "normalize_type", "objective", "process_type", "sample_type",
        "tree_method", "updater",
    }
)  # fmt: skip


def main() -> int:
    """Run the job; returns the exit status. On failure /opt/ml/output/failure says why."""
    paths = Paths.from_environ()
    try:
        job = TrainingJob.read(paths)
        if "sagemaker_program" in job.settings or "SAGEMAKER_PROGRAM" in os.environ:
            return train_script(sealing=False)
        paths.model.mkdir(parents=True, exist_ok=True)
        train(job)
    except ContainerError as error:
        print(f"AlgorithmError: {error}", file=sys.stderr, flush=True)
        paths.output.mkdir(parents=True, exist_ok=True)
        (paths.output / "failure").write_text(str(error)[: failure.LIMIT])
        return 1
    return 0


def train(job: TrainingJob) -> None:
    """Train and leave the booster. Raises ContainerError for what the algorithm refuses."""
    if len(job.resources["hosts"]) > 1:
        raise ContainerError(
            "on this machine the algorithm trains on one host: set InstanceCount to 1"
        )
    given = parameters(job.hyperparameters)
    rounds, stopping = given.pop("num_round"), given.pop("early_stopping_rounds", None)
    channels = {name: job.paths.channel(name) for name in _check_channels(job.channels)}
    # XGBoost takes a second to import: what is refused, is refused before.
    import xgboost

    data = {}
    for name, directory in channels.items():
        rows = read_csv(directory, name)
        data[name] = xgboost.DMatrix(rows.iloc[:, 1:].to_numpy("float32"), rows[0].to_numpy())
        print(f"{name.capitalize()} matrix has {len(rows)} rows", flush=True)

    class Log(xgboost.callback.TrainingCallback):
        """A line each round, with what CloudWatch shows of a tab."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            told = [f"{n}-{m}:{v[-1]:.5f}" for n, log in evals_log.items() for m, v in log.items()]
            print("#011".join([f"[{epoch}]", *told]), flush=True)
            return False

    try:
        booster = xgboost.train(
            given,
            data["train"],
            num_boost_round=rounds,
            evals=[(matrix, name) for name, matrix in data.items()],
            early_stopping_rounds=stopping,
            callbacks=[Log()],
            verbose_eval=False,
        )
    except xgboost.core.XGBoostError as error:
        said = str(error).splitlines()[0]
        raise ContainerError(f"XGB train call failed with exception: {said}") from None
    # Without an ending: XGBoost writes UBJSON, as it does in the image.
    (job.paths.model / MODEL).write_bytes(booster.save_raw("ubj"))


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters as XGBoost takes them. Raises ContainerError for one it does not know.

    >>> parameters({"num_round": 3, "eval_metric": "auc,logloss"})
    {'num_round': 3, 'eval_metric': ['auc', 'logloss']}
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _WHOLE | _NUMBERS | _WORDS:
            raise ContainerError(f"Extraneous hyperparameter found: {name}")
        try:
            if name in _WHOLE:
                found[name] = int(value)
            else:
                found[name] = float(value) if name in _NUMBERS else str(value)
        except (TypeError, ValueError):
            raise ContainerError(
                f"Hyperparameter {name}: could not parse value {value!r}"
            ) from None
    if found.get("num_round", 0) < 1:
        raise ContainerError("Missing required hyperparameter: num_round, at least 1")
    if found.get("csv_weights"):
        raise ContainerError("csv_weights is not read on this machine: leave it out")
    if "eval_metric" in found:
        found["eval_metric"] = [m.strip() for m in found["eval_metric"].split(",")]
    return found


def _check_channels(channels: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The channels to read, `train` first."""
    for name, channel in channels.items():
        if name not in _CHANNELS:
            raise ContainerError(f"Extraneous channel found: {name}")
        content = str(channel.get("ContentType") or "text/libsvm").partition(";")[0].strip()
        if content.lower() not in _CSV:
            raise ContainerError(
                f"channel {name!r} has the content type {content}, which is not read on this "
                "machine: give CSV without a header, and ContentType text/csv"
            )
    if "train" not in channels:
        raise ContainerError("Missing required channel: train")
    return [name for name in _CHANNELS if name in channels]


def read_csv(directory: Path, channel: str) -> pd.DataFrame:
    """All rows of a channel, numbered columns of numbers. Raises ContainerError for a header."""
    import pandas as pd

    files = sorted(p for p in directory.rglob("*") if p.is_file() and p.name[0] not in "._")
    files = [path for path in files if path.stat().st_size]
    if not files:
        raise ContainerError(f"No data in {channel} channel path {directory}")
    rows = pd.concat([pd.read_csv(path, header=None) for path in files], ignore_index=True)
    words = [at for at in rows if not pd.api.types.is_numeric_dtype(rows[at])]
    if words:
        raise ContainerError(
            f"channel {channel!r} holds words in columns {words[:5]}, such as "
            f"{rows[words[0]].iloc[0]!r}: the algorithm takes numbers, and no header"
        )
    if rows[0].isna().any():
        raise ContainerError(f"channel {channel!r} has rows without a label, its first column")
    return rows


if __name__ == "__main__":
    sys.exit(main())
