"""An ordinary SageMaker training script: XGBoost on Parquet, one categorical column."""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

# XGBoost would import it for estimators that are not used here, in a second of each test's job.
sys.modules["sklearn"] = None  # type: ignore[assignment]
import xgboost  # noqa: E402

SEXES = ["A", "B"]


def encode(frame: pd.DataFrame, numbers: list[str]) -> np.ndarray:
    one_hot = [(frame["sex"] == sex).to_numpy(float) for sex in SEXES]
    return np.column_stack([*one_hot, *(frame[name].to_numpy(float) for name in numbers)])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--label", required=True)
    parser.add_argument("--num_boost_round", type=int, default=60)
    parser.add_argument("--max_depth", type=int, default=2)
    parser.add_argument("--learning_rate", type=float, default=0.1)
    parser.add_argument("--subsample", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    train = pd.read_parquet(os.environ["SM_CHANNEL_TRAIN"])
    numbers = [c for c in train.columns if c not in ("sex", options.label)]
    matrix = xgboost.DMatrix(
        encode(train, numbers).astype(np.float32), label=train[options.label].to_numpy()
    )
    booster = xgboost.train(
        {
            "objective": "reg:squarederror",
            "max_depth": options.max_depth,
            "learning_rate": options.learning_rate,
            "nthread": 1,
            "subsample": options.subsample,
            "seed": options.seed,
        },
        matrix,
        options.num_boost_round,
    )
    rmse = float(np.sqrt(np.mean((booster.predict(matrix) - train[options.label]) ** 2)))
    print(f"train-rmse:{rmse:.4f}", flush=True)
    if "SM_CHANNEL_HOLDOUT" in os.environ:
        holdout = pd.read_parquet(os.environ["SM_CHANNEL_HOLDOUT"])
        told = booster.predict(xgboost.DMatrix(encode(holdout, numbers).astype(np.float32)))
        rmse = float(np.sqrt(np.mean((told - holdout[options.label]) ** 2)))
        print(f"holdout-rmse:{rmse:.4f}", flush=True)

    model_dir = Path(os.environ["SM_MODEL_DIR"])
    booster.save_model(model_dir / "model.ubj")
    columns = [
        {
            "name": "sex",
            "type": "category",
            "encoding": "one_hot",
            "vocabulary": SEXES,
            "missing": "zero",
            "unknown": "zero",
        },
        *({"name": name, "type": "number", "missing": "nan"} for name in numbers),
    ]
    (model_dir / "features.json").write_text(
        json.dumps({"version": 1, "kind": "regression", "label": options.label, "columns": columns})
    )
    check = train.drop(columns=options.label).sample(1500, replace=True, random_state=0)
    check = check.reset_index(drop=True)
    check["sex"] = check["sex"].astype(object)
    check.loc[::7, "sex"] = None
    check.loc[::11, "sex"] = "unseen"
    for position, name in enumerate(numbers):
        check[name] = check[name].astype(float)
        check.loc[position::13, name] = np.nan
    answers = booster.predict(xgboost.DMatrix(encode(check, numbers).astype(np.float32)))
    check.assign(__prediction__=answers.astype(float)).to_parquet(model_dir / "check.parquet")


if __name__ == "__main__":
    main()
