"""From rows and a booster that somebody else trained to what sealing needs.

Here: an encoding learned from rows (numbers as they are, a column of 0 or 1 for each word), the
files around a booster that was trained on it. Not here: the arithmetic (encode.py), sealing itself.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_assets.ml.artifact import convert
from mlops_assets.ml.artifact import manifest as files
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.seal import PREDICTION
from mlops_assets.ml.artifact.spec import CategoryColumn, FeatureSpec, Kind, NumberColumn

CHECK_ROWS = 10_000
DAMAGE = 0.05
UNSEEN = "never seen in training"


def one_hot_spec(
    rows: pd.DataFrame, *, label: str, kind: Kind, classes: tuple[str, ...] = ()
) -> FeatureSpec:
    """The encoding of (rows, features): a missing or unseen word sets no column.

    >>> rows = pd.DataFrame({"distance": [1.5, None], "carrier": ["UA", "AA"]})
    >>> one_hot_spec(rows, label="late", kind="binary").encoded_names
    ('distance', 'carrier=AA', 'carrier=UA')
    """
    columns: list[NumberColumn | CategoryColumn] = []
    for name in rows:
        if pd.api.types.is_numeric_dtype(rows[name]):
            columns.append(NumberColumn(str(name)))
            continue
        words = rows[name].dropna()
        known = tuple(sorted(words[words != ""].unique()))
        columns.append(CategoryColumn(str(name), "one_hot", known, missing="zero", unknown="zero"))
    return FeatureSpec(kind=kind, label=label, columns=tuple(columns), classes=classes or None)


def encoded(spec: FeatureSpec, rows: pd.DataFrame) -> NDArray[np.float32]:
    """(rows, spec.width), NaN where a number is missing."""
    columns = {}
    for column in spec.columns:
        values = rows[column.name]
        if isinstance(column, NumberColumn):
            columns[column.name] = values.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            columns[column.name] = values.astype(object).where(values.notna(), None).to_numpy()
    return Encoder(spec).encode(columns)


def complete(directory: Path, model: str, spec: FeatureSpec, rows: pd.DataFrame) -> None:
    """Put beside a booster in `directory`, which becomes model.ubj, what sealing asks for.

    Args:
        model: the booster's file; it was trained on rows encoded by ``spec``.
        rows: raw rows to compare answers on; every second one is damaged on purpose.

    Raises ArtifactError where there is no such file, or it is no XGBoost model of that width.
    """
    if not (directory / model).is_file():
        raise ArtifactError(f"the training left no {model} in the model directory")
    # XGBoost goes by the ending: without one it says that it guesses, each time.
    native = (directory / model).rename(directory / files.NATIVE)
    booster = convert.load_booster(native)
    if booster.num_features() != spec.width:
        raise ArtifactError(
            f"{model} takes {booster.num_features()} columns, the encoded rows have {spec.width}"
        )
    gains = dict.fromkeys(spec.names, 0.0)
    names = [name for column in spec.columns for name in [column.name] * column.width]
    for place, gain in booster.get_score(importance_type="total_gain").items():
        gains[names[int(place.removeprefix("f"))]] += float(np.sum(gain))
    whole = sum(gains.values()) or 1.0
    shares = {n: round(g / whole, 6) for n, g in sorted(gains.items(), key=lambda i: (-i[1], i[0]))}
    checked = _damaged(rows[list(spec.names)], spec)
    answers = convert.native_answers(booster, encoded(spec, checked)).astype(np.float64)
    checked[PREDICTION] = list(answers)
    checked.to_parquet(directory / files.CHECK, index=False)
    booster.save_model(native)
    for name, content in ((files.FEATURES, spec.to_json()), ("importance.json", shares)):
        (directory / name).write_text(json.dumps(content, indent=1) + "\n")


def _damaged(rows: pd.DataFrame, spec: FeatureSpec) -> pd.DataFrame:
    """CHECK_ROWS spread over the rows, every second one with values missing and words unseen."""
    spread = np.linspace(0, len(rows) - 1, CHECK_ROWS).round().astype(int)
    checked = rows.iloc[spread].reset_index(drop=True)
    damaged = np.arange(CHECK_ROWS) % 2 == 1
    random = np.random.default_rng(0)
    for column in spec.columns:
        chance = random.random(CHECK_ROWS)
        if isinstance(column, NumberColumn):
            values = checked[column.name].astype("float64")
            checked[column.name] = values.mask(damaged & (chance < DAMAGE))
        else:
            words = checked[column.name].astype(object).mask(damaged & (chance < DAMAGE), None)
            unseen = damaged & (chance >= DAMAGE) & (chance < 2 * DAMAGE)
            checked[column.name] = words.mask(unseen, UNSEEN).astype("str")
    return checked
