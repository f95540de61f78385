"""What the flights' training scripts share: reading a channel, rows to check an export by, the AUC.

It travels beside the script that a job runs (`Training(files=…)`) and knows of nothing around it.
Not here: how a script encodes rows and what it learns (train.py, train_network.py).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

DAMAGE = 0.05  # share of the values of a damaged row that are missing, and again that are unseen
UNSEEN = "never seen in training"


def read_channel(directory: Path, label: str) -> pd.DataFrame:
    """All Parquet files of a channel, in order of their names."""
    files = sorted(directory.glob("**/*.parquet"))
    if not files:
        raise FileNotFoundError(f"no .parquet file in channel {directory}: give it a dataset")
    rows = pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True)
    if label not in rows or rows[label].isna().any():
        raise ValueError(
            f"label {label!r} is absent or null in channel {directory}, which has "
            f"{', '.join(rows.columns)}: leave rows without a label out"
        )
    return rows


def check_rows(rows: pd.DataFrame, numbers: Collection[str], count: int, seed: int) -> pd.DataFrame:
    """`count` raw rows spread over `rows`, every second one damaged on purpose."""
    spread = np.linspace(0, len(rows) - 1, count).round().astype(int)
    checked = rows.iloc[spread].reset_index(drop=True)
    damaged = np.arange(count) % 2 == 1
    random = np.random.default_rng(seed)
    for column in rows.columns:
        chance = random.random(count)
        if column in numbers:
            values = checked[column].astype("float64")
            checked[column] = values.mask(damaged & (chance < DAMAGE))
        else:
            words = checked[column].astype(object).mask(damaged & (chance < DAMAGE), None)
            unseen = damaged & (chance >= DAMAGE) & (chance < 2 * DAMAGE)
            checked[column] = words.mask(unseen, UNSEEN).astype("str")
    return checked


def auc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve by ranks; NaN where only one class is there."""
    positive = truth == 1
    pairs = positive.sum() * (~positive).sum()
    ranks = pd.Series(scores).rank().to_numpy()
    least = positive.sum() * (positive.sum() + 1) / 2
    return float((ranks[positive].sum() - least) / pairs) if pairs else float("nan")


def leave(
    directory: Path, checked: pd.DataFrame, spec: Mapping[str, Any], importance: Mapping[str, float]
) -> None:
    """What lies beside the model: features.json, importance.json, and check.parquet."""
    directory.mkdir(parents=True, exist_ok=True)
    checked.to_parquet(directory / "check.parquet", index=False)
    for name, content in (("features.json", spec), ("importance.json", importance)):
        (directory / name).write_text(json.dumps(content, indent=1) + "\n")
