"""The benchmark's model as a scikit-learn pipeline, built from the artifact's data where it is
served: the same trees and the same encoding.

Runs in a peer's environment and knows nothing of the project. `python pipeline.py ARTIFACT FILE`
also writes it down for MLServer, whose runtime opens pickles only; nothing of ours opens one.
"""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBClassifier


def build(artifact: Path) -> Pipeline:
    """The fitted pipeline; missing numbers stay NaN, missing and unknown words set no column."""
    columns = json.loads((artifact / "features.json").read_text())["columns"]
    words = {c["name"]: c["vocabulary"] for c in columns if c["type"] == "category"}
    numbers = [c["name"] for c in columns if c["name"] not in words]
    one_hot = OneHotEncoder(
        categories=[np.array(known, dtype=object) for known in words.values()],
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )
    encode = ColumnTransformer(
        [("numbers", "passthrough", numbers), ("words", one_hot, list(words))]
    )
    row = {name: [0.0] for name in numbers} | {name: known[:1] for name, known in words.items()}
    encode.fit(pd.DataFrame(row))
    trees = XGBClassifier(n_jobs=1)
    trees.load_model(artifact / "model.ubj")
    trees.get_booster().feature_names = None
    return Pipeline([("encode", encode), ("trees", trees)])


if __name__ == "__main__":
    joblib.dump(build(Path(sys.argv[1])), sys.argv[2])
