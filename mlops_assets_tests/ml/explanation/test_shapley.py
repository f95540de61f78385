"""SHAP values of real artifacts: they add up, by feature, for trees and for any other model."""

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
from mlops_assets.ml.explanation.shapley import columns_of, explain
from mlops_assets_tests.ml.artifact import trained

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=["binary", "regression"])
def trees(request, tmp_path_factory) -> Path:
    """A sealed XGBoost model with every kind of encoding."""
    directory = tmp_path_factory.mktemp("trees") / request.param
    trained.train(directory, request.param)
    seal(directory, training={})
    return directory


@pytest.fixture(scope="module")
def linear(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A linear regression as ONNX, without XGBoost's file, and its coefficients."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression

    directory = tmp_path_factory.mktemp("linear") / "model"
    directory.mkdir()
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=1200), "c": rng.choice(["u", "v"], 1200)})
    rows["x"] = rows["x"].astype(np.float32).astype(float)
    matrix = np.column_stack([rows["x"], rows["c"] == "u", rows["c"] == "v"]).astype(np.float32)
    fitted = LinearRegression().fit(matrix, 3 * rows["x"] + 2 * (rows["c"] == "v"))
    model = to_onnx(fitted, matrix[:1], target_opset=15)
    (directory / "model.onnx").write_bytes(model.SerializeToString())
    columns = [
        {"name": "x", "type": "number", "missing": "error"},
        {
            "name": "c",
            "type": "category",
            "vocabulary": ["u", "v"],
            "missing": "error",
            "unknown": "error",
        },
    ]
    (directory / "features.json").write_text(
        json.dumps({"version": 1, "kind": "regression", "label": "y", "columns": columns})
    )
    rows.assign(__prediction__=fitted.predict(matrix).ravel()).to_parquet(
        directory / "check.parquet"
    )
    seal(directory, training={})
    return directory, fitted.coef_.ravel()


def test_values_of_trees_add_up_to_the_answer(trees):
    """Values that do not add up explain another model than the one that answers."""
    artifact = Artifact.load(trees)
    rows = trained.with_gaps(trained.frame(300, seed=5))
    (told,) = explain(trees, artifact, rows, rows)
    assert told.columns == artifact.spec.names, "one-hot columns must be one feature again"
    assert told.space == ("log-odds" if artifact.spec.kind == "binary" else "value")
    answers = artifact.predict(columns_of(rows, artifact.spec))
    assert np.allclose(told.answers, answers, atol=1e-4)
    assert np.allclose(told.in_probability().totals, answers, atol=1e-3)


def test_the_features_that_make_the_label_matter_and_the_other_does_not(trees):
    """The label is made of distance, delay, wind and carrier; origin is noise."""
    artifact = Artifact.load(trees)
    rows = trained.frame(400, seed=6)
    (told,) = explain(trees, artifact, rows, rows)
    importance = told.importance()
    assert set(list(importance)[:2]) == {"distance", "delay"}
    assert list(importance)[-1] in {"origin", "pressure"}


def test_the_explained_model_is_cut_where_training_stopped_early(tmp_path):
    """Explaining trees that do not answer would tell of another model."""
    trained.train(tmp_path / "model", n_estimators=60)
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(tmp_path / "model" / "model.ubj")
    booster.set_attr(best_iteration="4")
    booster.save_model(tmp_path / "model" / "model.ubj")
    check = pd.read_parquet(tmp_path / "model" / "check.parquet")
    from mlops_assets.ml.artifact.convert import load_booster, native_answers
    from mlops_assets.ml.artifact.encode import Encoder
    from mlops_assets.ml.artifact.spec import FeatureSpec

    spec = FeatureSpec.from_json((tmp_path / "model" / "features.json").read_bytes())
    matrix = Encoder(spec).encode(columns_of(check, spec))
    short = native_answers(load_booster(tmp_path / "model" / "model.ubj"), matrix)
    check.assign(__prediction__=short.astype(float)).to_parquet(
        tmp_path / "model" / "check.parquet"
    )
    seal(tmp_path / "model", training={})
    artifact = Artifact.load(tmp_path / "model")
    rows = trained.frame(50, seed=7)
    (told,) = explain(tmp_path / "model", artifact, rows, rows)
    assert np.allclose(
        told.in_probability().totals, artifact.predict(columns_of(rows, artifact.spec)), atol=1e-5
    )


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # when shap is imported
def test_another_model_is_explained_through_its_answers(linear):
    """A linear model's SHAP values are known: coefficient × distance from the background's mean."""
    directory, (slope, u, v) = linear
    artifact = Artifact.load(directory)
    assert manifest.NATIVE not in artifact.manifest.files
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"x": rng.normal(size=40), "c": rng.choice(["u", "v"], 40)})
    (told,) = explain(directory, artifact, rows, rows.head(20))
    assert told.space == "value"
    assert np.allclose(told.totals, artifact.predict(columns_of(rows, artifact.spec)), atol=1e-5)
    background = rows.head(20)
    assert np.allclose(told.values[:, 0], slope * (rows["x"] - background["x"].mean()), atol=1e-4)
    share = (background["c"] == "v").mean()
    expected = (v - u) * ((rows["c"] == "v") - share)
    assert np.allclose(told.values[:, 1], expected, atol=1e-4)


def test_no_rows_have_no_explanation(linear):
    artifact = Artifact.load(linear[0])
    (told,) = explain(linear[0], artifact, pd.DataFrame({"x": [], "c": []}), pd.DataFrame())
    assert told.importance() == {}


def test_pictures_are_small_and_hide_personal_values(trees):
    """They are stored inside Dagster's events; and a colour by value would show the value."""
    artifact = Artifact.load(trees)
    rows = trained.with_gaps(trained.frame(500, seed=8))
    (told,) = explain(trees, artifact, rows, rows)
    drawn = curves(
        lambda f: artifact.predict(columns_of(f, artifact.spec)), rows, told.importance()
    )
    assert [curve.column for curve in drawn] == list(told.importance())
    swarm = plots.swarm(told, rows)
    assert plots.swarm(told, rows, personal=("distance",)) != swarm
    pictures = [
        swarm,
        plots.attributions(told.importance(), told.importance()),
        plots.dependences(drawn),
    ]
    for png in pictures:
        assert png.startswith(b"\x89PNG")
        assert len(png) < 40_000


@pytest.mark.filterwarnings("error")
def test_little_is_drawn_without_a_warning():
    from mlops_assets.ml.explanation.explained import Explained

    nothing = Explained(("a",), np.empty((0, 1)), 0.0, "value", np.empty(0))
    one = Explained(("a",), np.zeros((1, 1)), 0.0, "value", np.zeros(1))
    frame = pd.DataFrame({"a": [None]})
    drawn = (plots.swarm(nothing, frame), plots.swarm(one, frame))
    for png in (*drawn, plots.attributions({}, {}), plots.dependences(())):
        assert png.startswith(b"\x89PNG")
