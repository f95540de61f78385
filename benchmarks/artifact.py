"""What the artifact costs: Artifact.predict beside the floor and beside scikit-learn's pipeline.

    python benchmarks/artifact.py [--trees 300] [--seconds 2]

One model (18 numbers, 6 categories, missing and unseen values), one process, one thread each. The
floor is ONNX Runtime on a matrix that somebody else encoded. All three give the same answers, which
is checked before anything is timed. Each figure is the median of calls that take turns, with a
different row each time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.seal import seal

NUMBERS = [f"number_{index}" for index in range(18)]
CATEGORIES = [f"category_{index}" for index in range(6)]
WORDS = [f"word_{index}" for index in range(12)]


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Rows with 5 % missing and some unseen words."""
    random = np.random.default_rng(seed)
    numbers = pd.DataFrame(random.normal(size=(rows, len(NUMBERS))), columns=NUMBERS)
    words = random.choice([*WORDS, "unseen"], (rows, len(CATEGORIES)), p=[0.08] * 12 + [0.04])
    both = numbers.join(pd.DataFrame(words, columns=CATEGORIES, dtype=object))
    return both.mask(random.random(both.shape) < 0.05)


def train(directory: Path, trees: int) -> Any:
    """Train scikit-learn's pipeline, leave its artifact in `directory`, and return it."""
    rows = frame(20_000, 0)
    value = rows["number_0"].fillna(0) + (rows["category_0"] == "word_1") + rows["number_1"].isna()
    label = (value + np.random.default_rng(1).logistic(size=len(rows)) > 0.5).astype(int)
    one_hot = OneHotEncoder(
        categories=[WORDS] * len(CATEGORIES), handle_unknown="ignore", sparse_output=False
    )
    steps = [("n", SimpleImputer(strategy="median"), NUMBERS), ("c", one_hot, CATEGORIES)]
    estimator = xgboost.XGBClassifier(n_estimators=trees, max_depth=6, learning_rate=0.05, n_jobs=1)
    fitted = make_pipeline(ColumnTransformer(steps), estimator).fit(rows, label)
    imputer = fitted[0].named_transformers_["n"]
    columns: list[dict[str, Any]] = [
        {"name": name, "type": "number", "missing": fill}
        for name, fill in zip(NUMBERS, imputer.statistics_.tolist(), strict=True)
    ]
    policy = {"type": "category", "encoding": "one_hot", "missing": "zero", "unknown": "zero"}
    columns += [{"name": name, "vocabulary": WORDS, **policy} for name in CATEGORIES]
    spec = {"version": 1, "kind": "binary", "label": "y", "columns": columns}
    (directory / "features.json").write_text(json.dumps(spec))
    fitted[-1].save_model(directory / "model.ubj")
    check = frame(10_000, 2)
    answers = fitted.predict_proba(check)[:, 1].astype(float)
    check.assign(__prediction__=answers).to_parquet(directory / "check.parquet")
    return fitted


def raw_session(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """ONNX Runtime as bare as it gets: one thread, never spinning."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names, output = session.get_inputs()[0].name, session.get_outputs()[-1].name
    return lambda matrix: session.run([output], {names: matrix})[0][:, 1]


def in_turns(calls: dict[str, Callable[[int], Any]], seconds: float) -> dict[str, float]:
    """Median seconds of each call; they take turns until each has had `seconds`."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    turn = 0
    while time.perf_counter() < end:
        for name, call in calls.items():
            # The slow ones would leave the quick ones a cold cache and few samples.
            for repeat in range(1 if name == "scikit-learn pipeline" else 50):
                start = time.perf_counter()
                call(turn + repeat)
                taken[name].append(time.perf_counter() - start)
        turn += 50
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    """Train, check, time, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        fitted = train(directory, options.trees)
        manifest = seal(directory, training={})
        artifact = Artifact.load(directory)
        floor = raw_session(directory / "model.onnx")
    names = [*NUMBERS, *CATEGORIES]
    print(f"{options.trees} trees, {len(names)} columns, encoded {manifest.width}; one thread")
    print(f"{'rows':>6} {'what':<24} {'µs a call':>12} {'of the floor':>13} {'of sklearn':>11}")
    for size in (1, 1_000):
        batches = [frame(size, 100 + index) for index in range(64)]
        arrays = [{name: batch[name].to_numpy() for name in names} for batch in batches]
        plain = [batch.astype(object).where(batch.notna(), None) for batch in batches]
        given = [{n: b[n].tolist() for n in names} for b in plain] if size == 1 else arrays
        matrices = [Encoder(artifact.spec).encode(columns) for columns in given]
        for batch, columns, matrix in zip(batches, given, matrices, strict=True):
            expected = fitted.predict_proba(batch)[:, 1]
            assert np.abs(artifact.predict(columns) - expected).max() < 1e-5
            assert np.abs(floor(matrix) - expected).max() < 1e-5
        calls: dict[str, Callable[[int], Any]] = {
            "ONNX Runtime, encoded": lambda i, m=matrices: floor(m[i % 64]),
            "Artifact.predict": lambda i, g=given: artifact.predict(g[i % 64]),
            "scikit-learn pipeline": lambda i, b=batches: fitted.predict_proba(b[i % 64]),
        }
        medians = in_turns(calls, options.seconds)
        base, peer = medians["ONNX Runtime, encoded"], medians["scikit-learn pipeline"]
        for name, median in medians.items():
            print(
                f"{size:>6} {name:<24} {median * 1e6:>12,.1f} {median / base:>12.2f}×"
                f" {peer / median:>10.1f}×"
            )


if __name__ == "__main__":
    main()
