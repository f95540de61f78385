"""An ordinary SageMaker training script: trees that part three classes of parcels."""

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

DEPOTS = ["north", "south"]
CLASSES = ["early", "in time", "late"]


def encode(frame: pd.DataFrame) -> np.ndarray:
    depots = [(frame["depot"] == depot).to_numpy(float) for depot in DEPOTS]
    return np.column_stack([*depots, frame["weight"].to_numpy(float)]).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--label", required=True)
    label = parser.parse_args().label

    train = pd.read_parquet(os.environ["SM_CHANNEL_TRAIN"])
    booster = xgboost.train(
        {
            "objective": "multi:softprob",
            "num_class": len(CLASSES),
            "max_depth": 2,
            "eta": 0.2,
            "nthread": 1,
            "seed": 0,
        },
        xgboost.DMatrix(encode(train), label=train[label].to_numpy()),
        25,
    )
    print(f"rows:{len(train)}", flush=True)

    model_dir = Path(os.environ["SM_MODEL_DIR"])
    booster.save_model(model_dir / "model.ubj")
    depot = {"name": "depot", "type": "category", "encoding": "one_hot", "vocabulary": DEPOTS}
    columns = [
        {**depot, "missing": "zero", "unknown": "zero"},
        {"name": "weight", "type": "number", "missing": "nan"},
    ]
    spec = {"version": 1, "kind": "multiclass", "label": label, "classes": CLASSES}
    (model_dir / "features.json").write_text(json.dumps({**spec, "columns": columns}))
    check = train.drop(columns=label).sample(1500, replace=True, random_state=0)
    check = check.reset_index(drop=True).astype({"depot": object, "weight": float})
    check.loc[::7, "depot"] = None
    check.loc[::11, "depot"] = "unseen"
    check.loc[::13, "weight"] = np.nan
    answers = booster.predict(xgboost.DMatrix(encode(check)))
    check.assign(__prediction__=list(answers.astype(float))).to_parquet(model_dir / "check.parquet")


if __name__ == "__main__":
    main()
