"""SHAP values of models of several classes: one explanation for each, adding up to its answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.artifact import manifest
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.seal import seal
from mlops_assets.ml.explanation import plots
from mlops_assets.ml.explanation.dependence import curves
from mlops_assets.ml.explanation.explained import importance, most_answered, most_moved
from mlops_assets.ml.explanation.shapley import columns_of, explain
from mlops_assets_tests.ml.artifact import trained

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def trees(tmp_path_factory) -> Path:
    """A sealed XGBoost model of three classes."""
    directory = tmp_path_factory.mktemp("classes") / "trees"
    trained.train(directory, "multiclass", check_rows=1000)
    seal(directory, training={})
    return directory


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    """A model of three classes as ONNX alone, as a network would be; feature z says nothing."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    directory = tmp_path_factory.mktemp("classes") / "net"
    directory.mkdir()
    rows = made(1500, seed=0)
    matrix = rows.to_numpy(np.float32)
    fitted = LogisticRegression(max_iter=200).fit(matrix, classes_of(rows))
    model = to_onnx(fitted, matrix[:1], options={"zipmap": False}, target_opset=15)
    (directory / "model.onnx").write_bytes(model.SerializeToString())
    columns = [{"name": name, "type": "number", "missing": "error"} for name in rows]
    spec = {"version": 1, "kind": "multiclass", "label": "class", "classes": ["a", "b", "c"]}
    (directory / "features.json").write_text(json.dumps({**spec, "columns": columns}))
    answers = fitted.predict_proba(matrix).astype(float)
    rows.assign(__prediction__=list(answers)).to_parquet(directory / "check.parquet")
    seal(directory, training={})
    return directory


def made(rows: int, seed: int) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(rows, 3))
    return pd.DataFrame(values.astype(np.float32).astype(float), columns=["x", "y", "z"])


def classes_of(rows: pd.DataFrame) -> np.ndarray:
    """x parts a from the others, y parts b from c."""
    return np.where(rows["x"] > 0, 0, np.where(rows["y"] > 0, 1, 2))


def test_trees_explain_each_class_and_add_up_to_its_answer(trees):
    """Values that do not add up explain another model than the one that answers."""
    artifact = Artifact.load(trees)
    rows = trained.with_gaps(trained.frame(200, seed=5))
    told = explain(trees, artifact, rows, rows)
    assert [one.label for one in told] == ["calm", "late", "storm"]
    assert {one.space for one in told} == {"logit"}
    logits = np.column_stack([one.totals for one in told])
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answers = artifact.predict(columns_of(rows, artifact.spec))
    assert np.allclose(softmax, answers, atol=1e-4)
    assert np.allclose(np.column_stack([one.answers for one in told]), answers, atol=1e-4)
    assert set(list(importance(told))[:2]) == {"distance", "delay"}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # when shap is imported
def test_another_model_explains_each_class_in_probability(net):
    artifact = Artifact.load(net)
    assert manifest.NATIVE not in artifact.manifest.files
    rows = made(60, seed=1)
    told = explain(net, artifact, rows, rows)
    assert [one.label for one in told] == ["a", "b", "c"]
    assert {one.space for one in told} == {"probability"}
    answers = artifact.predict(columns_of(rows, artifact.spec))
    assert np.allclose(np.column_stack([one.totals for one in told]), answers, atol=1e-5)
    assert next(iter(told[0].importance())) == "x"
    assert list(importance(told))[-1] == "z"
    assert most_moved(told, "x") == 0
    assert most_answered(told) == np.bincount(answers.argmax(axis=1)).argmax()


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_curve_is_of_the_class_that_its_feature_moves(net):
    """Of several classes the mean answer would be 1/k whatever the feature."""
    artifact = Artifact.load(net)
    rows = made(60, seed=2)
    told = explain(net, artifact, rows, rows)

    def of(column: str) -> tuple[int, str]:
        place = most_moved(told, column)
        return place, told[place].label

    drawn = curves(
        lambda frame: artifact.predict(columns_of(frame, artifact.spec)), rows, importance(told),
        of=of,
    )  # fmt: skip
    first = drawn[0]
    assert (first.column, first.label) == ("x", "a")
    assert first.answers[0] < 0.2 < 0.8 < first.answers[-1]
    by_class = {one.label: one.importance() for one in told}
    for png in (
        plots.dependences(drawn), plots.by_class(by_class), plots.swarm(told[0], rows),
        plots.by_class({}),
    ):  # fmt: skip
        assert png.startswith(b"\x89PNG")
        assert len(png) < 40_000


def test_no_rows_have_no_explanation_of_any_class(trees):
    artifact = Artifact.load(trees)
    told = explain(trees, artifact, trained.frame(5).head(0), pd.DataFrame())
    assert [one.label for one in told] == ["calm", "late", "storm"]
    assert importance(told) == {}
