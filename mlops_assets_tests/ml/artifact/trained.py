"""What training scripts leave behind, made with scikit-learn and XGBoost as a user would.

The expected answers come from scikit-learn's own transformers, never from the project's encoder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

CARRIERS = ["AA", "B6", "DL", "UA"]
ORIGINS = ["EWR", "JFK", "LGA"]
SCALED, PLAIN, FILLED = ["distance", "pressure"], ["delay"], ["wind"]
FEATURES = [*SCALED, *PLAIN, *FILLED, "carrier", "origin"]


def frame(rows: int, seed: int = 0) -> pd.DataFrame:
    """Raw feature rows; scaled columns sit far from zero, where an early float32 cast shows."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "distance": random.normal(1_000_000, 300, rows),
            "pressure": random.normal(1013.25, 0.01, rows),
            "delay": random.exponential(10, rows).round(),
            "wind": random.gamma(2, 5, rows),
            "carrier": random.choice(CARRIERS, rows),
            "origin": random.choice(ORIGINS, rows),
        }
    )


def with_gaps(rows: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """The rows with 5 % of all values missing and 5 % of the categories never seen."""
    random = np.random.default_rng(seed)
    rows = rows.copy()
    for name in ("carrier", "origin"):
        rows.loc[random.random(len(rows)) < 0.05, name] = "ZZ"
    return rows.mask(random.random(rows.shape) < 0.05)


def signal(rows: pd.DataFrame, seed: int = 2) -> np.ndarray:
    """A number that depends on the features and on chance."""
    noise = np.random.default_rng(seed).logistic(size=len(rows))
    value = (rows["distance"] - 1_000_000) / 300 + rows["delay"] / 10 + noise
    return (value + (rows["carrier"] == "UA") - (rows["wind"] > 10)).to_numpy()


def labels(rows: pd.DataFrame, kind: str) -> np.ndarray:
    """The label of each row."""
    value = signal(rows)
    if kind == "binary":
        return (value > 1).astype(int)
    if kind == "multiclass":
        return np.digitize(value, [0, 2])
    return value * 50


def pipeline(estimator: Any) -> Pipeline:
    """scikit-learn's pipeline: each kind of encoding that the feature spec can declare."""
    steps = [
        ("scaled", StandardScaler(), SCALED),
        ("plain", "passthrough", PLAIN),
        ("filled", SimpleImputer(strategy="median"), FILLED),
        (
            "one_hot",
            OneHotEncoder(categories=[CARRIERS], handle_unknown="ignore", sparse_output=False),
            ["carrier"],
        ),
        (
            "ordinal",
            OrdinalEncoder(
                categories=[ORIGINS], handle_unknown="use_encoded_value", unknown_value=np.nan
            ),
            ["origin"],
        ),
    ]
    return make_pipeline(ColumnTransformer(steps), estimator)


def spec_of(fitted: Pipeline, kind: str) -> dict[str, Any]:
    """features.json for a fitted pipeline."""
    columns = fitted.named_steps["columntransformer"].named_transformers_
    scaler, imputer = columns["scaled"], columns["filled"]
    entries: list[dict[str, Any]] = [
        {"name": name, "type": "number", "missing": "nan", "mean": mean, "scale": scale}
        for name, mean, scale in zip(
            SCALED, scaler.mean_.tolist(), scaler.scale_.tolist(), strict=True
        )
    ]
    entries += [{"name": name, "type": "number", "missing": "nan"} for name in PLAIN]
    fills = zip(FILLED, imputer.statistics_.tolist(), strict=True)
    entries += [{"name": name, "type": "number", "missing": fill} for name, fill in fills]
    one_hot = {"type": "category", "encoding": "one_hot", "missing": "zero", "unknown": "zero"}
    ordinal = {"type": "category", "encoding": "ordinal", "missing": "nan", "unknown": "nan"}
    entries += [{"name": "carrier", "vocabulary": CARRIERS, **one_hot}]
    entries += [{"name": "origin", "vocabulary": ORIGINS, **ordinal}]
    classes = ["calm", "late", "storm"] if kind == "multiclass" else None
    return {"version": 1, "kind": kind, "label": "y", "classes": classes, "columns": entries}


def answers(fitted: Pipeline, rows: pd.DataFrame, kind: str) -> np.ndarray:
    """The pipeline's own answers, in the shape that the artifact's have."""
    if kind == "regression":
        return fitted.predict(rows).astype(np.float64)
    probabilities = fitted.predict_proba(rows).astype(np.float64)
    return probabilities[:, 1] if kind == "binary" else probabilities


def train(
    directory: Path, kind: str = "binary", *, check_rows: int = 2_000, **options: Any
) -> Pipeline:
    """Train, and leave in `directory` what a training script leaves; the fitted pipeline."""
    rows = frame(4_000)
    model = xgboost.XGBRegressor if kind == "regression" else xgboost.XGBClassifier
    estimator = model(**{"n_estimators": 40, "max_depth": 5, "n_jobs": 2, **options})
    fitted = pipeline(estimator).fit(rows, labels(rows, kind))
    directory.mkdir(parents=True, exist_ok=True)
    fitted[-1].save_model(directory / "model.ubj")
    (directory / "features.json").write_text(json.dumps(spec_of(fitted, kind)))
    write_check(directory, fitted, kind, with_gaps(frame(check_rows, seed=3)))
    return fitted


def write_check(directory: Path, fitted: Pipeline, kind: str, rows: pd.DataFrame) -> None:
    """Write check.parquet: raw rows with the pipeline's own answers."""
    expected = answers(fitted, rows, kind)
    column = list(expected) if expected.ndim == 2 else expected
    rows.assign(__prediction__=column).to_parquet(directory / "check.parquet")


def columns_of(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """A frame as Artifact.predict takes it."""
    return {name: rows[name].to_numpy() for name in rows}
