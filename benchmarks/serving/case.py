"""The case that every server gets: one real model, real rows, and the answers that are due.

Belongs here: training once, sealing, and the rows. Does not: how rows are spelled for a server
(bodies.py). What is expected comes from XGBoost itself, not from the artifact.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_assets.checks.rows import accepted_rows, check_rows
from mlops_assets.ml.artifact import manifest
from mlops_assets.ml.artifact.seal import seal
from mlops_assets.pipelines.flight_delays import pipeline
from mlops_assets.pipelines.flight_delays.clean import clean
from mlops_assets.pipelines.flight_delays.features import LOOKBACK, features

# The script's companion lies beside it, as in the job.
sys.path.insert(0, str(pipeline.training.script.parent))
from mlops_assets.pipelines.flight_delays import train as script

LABEL = "late"
MONTHS = 4  # trained on three, asked about the fourth


@dataclass(frozen=True)
class Case:
    """A sealed artifact and n rows of the month after its training.

    `rows`: (n, columns) raw, in the artifact's order, numbers as float or None, words as str or
    None; `encoded`: (n, width) float32; `expected`: (n,) probabilities.
    """

    artifact: Path
    data: Path
    names: tuple[str, ...]
    frame: pd.DataFrame
    rows: list[list[Any]]
    encoded: NDArray[np.float32]
    expected: NDArray[np.float64]


def prepare(cache: Path, trees: int, limit: int | None) -> Case:
    """The case, trained anew only when the cache does not hold it.

    `limit`: use only so many raw columns, the most important ones of the full model; None: all.
    """
    name = f"flight_delays-{trees}" + (f"-{limit}" if limit else "")
    artifact, data = cache / name / "artifact", cache / name / "data"
    if not (artifact / manifest.NAME).exists():
        kept = _most_important(prepare(cache, trees, None).artifact, limit) if limit else None
        _train(_months(), artifact, data, trees, kept)
    frame = pd.read_parquet(data / "holdout" / "rows.parquet")
    # Rows that follow each other would be flights of one morning.
    frame = frame.sample(frac=1, random_state=0, ignore_index=True)
    return _case(artifact, data, frame)


def every_row(case: Case, size: int) -> Iterator[Case]:
    """All rows that there are, those of training included, in cases of `size` rows."""
    for path in sorted(case.data.glob("*/rows.parquet")):
        frame = pd.read_parquet(path)
        for start in range(0, len(frame) - len(frame) % size, size):
            rows = frame.iloc[start : start + size].reset_index(drop=True)
            yield _case(case.artifact, case.data, rows)


def _case(artifact: Path, data: Path, frame: pd.DataFrame) -> Case:
    spec = json.loads((artifact / manifest.FEATURES).read_text())
    names = tuple(column["name"] for column in spec["columns"])
    frame = frame[list(names)]
    words = {c["name"]: tuple(c["vocabulary"]) for c in spec["columns"] if c["type"] == "category"}
    encoding = script.Encoding(tuple(n for n in names if n not in words), words)
    encoded = encoding.matrix(frame)
    booster = script.xgb.Booster(model_file=artifact / manifest.NATIVE)
    matrix = script.xgb.DMatrix(encoded, feature_names=encoding.names())
    expected = booster.predict(matrix).astype(np.float64)
    plain = frame.astype(dict.fromkeys(encoding.numbers, "float64")).astype(object)
    rows = plain.where(frame.notna(), None).to_numpy(dtype=object).tolist()
    return Case(artifact, data, names, frame, rows, encoded, expected)


def _months() -> list[pd.DataFrame]:
    """Labelled features of the first months, made as the pipeline's stations make them."""
    past, made = None, []
    for partition in pipeline.source.partitions()[:MONTHS]:
        raw = pipeline.source.read(partition)
        good = accepted_rows(raw, check_rows(raw, pipeline.raw_schema), pipeline.raw_schema)
        rows = clean(good)
        start = pd.Timestamp(partition, tz="America/New_York") - LOOKBACK
        history = rows.iloc[:0] if past is None else past[past["scheduled_at"] >= start]
        made.append(features(rows, history))
        past = rows
    columns = [*pipeline.feature_columns, LABEL]
    return [m.loc[m[LABEL].notna(), columns].reset_index(drop=True) for m in made]


def _train(
    months: list[pd.DataFrame], artifact: Path, data: Path, trees: int, kept: list[str] | None
) -> None:
    parts = {"train": pd.concat(months[:-1], ignore_index=True), "holdout": months[-1]}
    for name, rows in parts.items():
        (data / name).mkdir(parents=True, exist_ok=True)
        columns = [*(kept or [c for c in rows if c != LABEL]), LABEL]
        rows[columns].to_parquet(data / name / "rows.parquet", index=False)
    artifact.mkdir(parents=True, exist_ok=True)
    settings = {**pipeline.training.hyperparameters, "num_boost_round": trees}
    settings["nthread"] = len(os.sched_getaffinity(0))
    command = [sys.executable, script.__file__, "--label", LABEL, "--model_dir", str(artifact)]
    for name in parts:
        command += [f"--{name}", str(data / name)]
    for name, value in settings.items():
        command += [f"--{name}", str(value)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seal(artifact, training={})


def _most_important(artifact: Path, limit: int) -> list[str]:
    importance = json.loads((artifact / "importance.json").read_text())
    return list(importance)[:limit]  # largest first
