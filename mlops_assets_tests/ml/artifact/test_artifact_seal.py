"""Sealing: equal answers or no artifact, and the same bytes from the same inputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from onnx import TensorProto, helper

from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.seal import seal
from mlops_assets_tests.ml.artifact import trained


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass"])
def test_the_artifact_answers_as_the_frameworks_own_pipeline(kind: str, tmp_path: Path) -> None:
    """12,000 rows with missing and unseen values, compared with scikit-learn + XGBoost."""
    fitted = trained.train(tmp_path / "model", kind)
    seal(tmp_path / "model", training={})
    rows = trained.with_gaps(trained.frame(12_000, seed=11), seed=12)
    expected = trained.answers(fitted, rows, kind)
    got = Artifact.load(tmp_path / "model").predict(trained.columns_of(rows))
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-5 * max(1.0, expected.std())


def test_casting_before_scaling_would_not_have_been_equal(sealed: Path) -> None:
    """The control of the test above: its rows tell a float32 pre-processing from the right one."""
    artifact = Artifact.load(sealed)
    rows = trained.with_gaps(trained.frame(12_000, seed=11), seed=12)
    columns = trained.columns_of(rows)
    early = {n: v.astype(np.float32) if v.dtype == float else v for n, v in columns.items()}
    assert np.abs(artifact.predict(columns) - artifact.predict(early)).max() > 1e-5


def test_early_stopping_is_kept(tmp_path: Path) -> None:
    """Guards against serving all trees where training's own predict uses the best iteration."""
    rows = trained.frame(2_000)
    fitted = trained.train(tmp_path / "model")
    matrix = fitted[:-1].transform(rows)
    estimator = xgboost.XGBClassifier(n_estimators=200, early_stopping_rounds=2, learning_rate=1)
    noise = np.random.default_rng(0).integers(0, 2, len(rows))
    estimator.fit(matrix, trained.labels(rows, "binary"), eval_set=[(matrix, noise)], verbose=False)
    assert estimator.best_iteration + 1 < estimator.get_booster().num_boosted_rounds()
    fitted.steps[-1] = ("xgbclassifier", estimator)
    estimator.save_model(tmp_path / "model" / "model.ubj")
    checked = trained.with_gaps(trained.frame(1_500, seed=3))
    trained.write_check(tmp_path / "model", fitted, "binary", checked)
    assert seal(tmp_path / "model", training={}).check.max_abs_diff <= 1e-5


def test_what_sealing_leaves(unsealed: Path) -> None:
    """Guards against check rows staying in the artifact, and against an incomplete manifest."""
    manifest = seal(unsealed, training={"hyperparameters": {"depth": 5}})
    names = {path.name for path in unsealed.iterdir()}
    assert names == {*manifest.files, "manifest.json"}
    assert set(manifest.files) == {"features.json", "golden.json", "model.onnx", "model.ubj"}
    assert [column.name for column in manifest.columns] == trained.FEATURES
    assert manifest.check.rows == 2_000
    assert manifest.training == {"hyperparameters": {"depth": 5}}
    golden = json.loads((unsealed / "golden.json").read_text())
    assert len(golden["rows"]) == len(golden["expected"]) == 32
    columns = dict(zip(golden["columns"], zip(*golden["rows"], strict=True), strict=True))
    assert all(None in values for values in columns.values())
    assert "ZZ" in columns["carrier"]
    assert "ZZ" in columns["origin"]


def change_check(directory: Path, change: Any) -> None:
    """Rewrite check.parquet."""
    path = directory / "check.parquet"
    table = pd.read_parquet(path)
    (change(table) if callable(change) else table).to_parquet(path)


def _one_answer_off(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[77, "__prediction__"] += 2e-5
    return table


def test_one_disagreeing_row_fails_the_seal(unsealed: Path) -> None:
    """The negative control of every equality here: 1 of 2,000 rows, off by 2e-5."""
    change_check(unsealed, _one_answer_off)
    with pytest.raises(ArtifactError, match=r"answers 1 of 2000 check rows .* worst is row 77 "):
        seal(unsealed, training={})
    assert not (unsealed / "manifest.json").exists()


def test_a_spec_that_is_not_what_training_did_fails_the_seal(unsealed: Path) -> None:
    """Guards against a vocabulary in another order than the encoder's."""
    spec = json.loads((unsealed / "features.json").read_text())
    spec["columns"][4]["vocabulary"].reverse()
    (unsealed / "features.json").write_text(json.dumps(spec))
    with pytest.raises(ArtifactError, match="columns encoded by features"):
        seal(unsealed, training={})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(wind=t["wind"].fillna(1)), "no row in which 'wind' is missing"),
        (
            lambda t: t.assign(carrier=t["carrier"].where(t["carrier"] != "ZZ", "AA")),
            "no row in which 'carrier' is unknown",
        ),
        (lambda t: t.head(900), "holds 900 rows, at least 1000 are due"),
        (lambda t: t.drop(columns="wind"), r"lacks the columns \['wind'\]"),
        (lambda t: t.drop(columns="__prediction__"), "lacks the columns"),
        (lambda t: t.assign(__prediction__=np.nan), "missing or infinite"),
    ],
)
def test_check_rows_that_prove_too_little_fail_the_seal(
    unsealed: Path, change: Any, said: str
) -> None:
    """Guards against a comparison that passes because it never looks at the hard rows."""
    change_check(unsealed, change)
    with pytest.raises(ArtifactError, match=said):
        seal(unsealed, training={})


@pytest.mark.parametrize("name", ["features.json", "check.parquet", "model.ubj"])
def test_a_file_that_the_script_did_not_leave_is_named(unsealed: Path, name: str) -> None:
    """Guards against a KeyError as the whole explanation of a failed job."""
    (unsealed / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        seal(unsealed, training={})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.ubj", b"nonsense", "not an XGBoost model"),
        ("check.parquet", b"nonsense", "not a Parquet file"),
        ("model.onnx", b"nonsense", "model.onnx is not an ONNX model"),
        ("manifest.json", b"{}", "the training script must not"),
    ],
)
def test_a_file_that_is_something_else_is_named(
    unsealed: Path, name: str, content: bytes, said: str
) -> None:
    """Guards against sealing over what a script wrote by mistake."""
    (unsealed / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=said):
        seal(unsealed, training={})


def test_categorical_splits_are_refused_with_the_remedy(unsealed: Path) -> None:
    """XGBoost's own categories do not convert: say so, instead of answering wrongly."""
    rows = pd.DataFrame({"c": pd.Categorical(["a", "b"] * 50)})
    model = xgboost.XGBClassifier(n_estimators=2, enable_categorical=True)
    model.fit(rows, [0, 1] * 50).save_model(unsealed / "model.ubj")
    with pytest.raises(ArtifactError, match="train on one_hot or ordinal columns"):
        seal(unsealed, training={})


def test_a_booster_that_does_not_convert_is_named(tmp_path: Path) -> None:
    """The converter raises a bare KeyError for what is not made of trees."""
    trained.train(tmp_path, booster="gblinear")
    with pytest.raises(ArtifactError, match="booster 'gblinear' cannot be converted"):
        seal(tmp_path, training={})


def _linear(path: Path, weights: np.ndarray) -> onnx.ModelProto:
    values = helper.make_tensor("w", TensorProto.FLOAT, [6, 1], weights.astype(np.float32).tolist())
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [values],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.save(model, path)
    return model


def own_onnx(directory: Path) -> onnx.ModelProto:
    """Model files of a script that brings model.onnx itself, as one for PyTorch would."""
    random, weights = np.random.default_rng(0), np.arange(1.0, 7.0)
    names = [f"x{index}" for index in range(6)]
    columns = [{"name": name, "type": "number", "missing": 0.5} for name in names]
    spec = {"version": 1, "kind": "regression", "label": "y", "columns": columns}
    directory.mkdir()
    (directory / "features.json").write_text(json.dumps(spec))
    values = random.random((1_000, 6))
    rows = pd.DataFrame(values, columns=names).mask(random.random((1_000, 6)) < 0.1)
    answers = rows.fillna(0.5).to_numpy() @ weights
    rows.assign(__prediction__=answers).to_parquet(directory / "check.parquet")
    return _linear(directory / "model.onnx", weights)


def test_a_script_may_bring_its_own_onnx(tmp_path: Path) -> None:
    """Guards against an artifact that only XGBoost can make."""
    own_onnx(tmp_path / "model")
    seal(tmp_path / "model", training={})
    columns = {f"x{index}": [1, None] for index in range(6)}
    answer = Artifact.load(tmp_path / "model").predict(columns)
    np.testing.assert_allclose(answer, [21, 10.5], rtol=1e-6)


def test_tensors_in_other_files_are_refused(tmp_path: Path) -> None:
    """An ONNX file may name any path to read its weights from."""
    model = own_onnx(tmp_path / "model")
    tensor = model.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    (tmp_path / "model" / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="keeps tensors in other files"):
        seal(tmp_path / "model", training={})


@pytest.mark.integration
def test_two_processes_seal_the_same_bytes(unsealed: Path, tmp_path: Path) -> None:
    """Guards against random graph names, hash order and time stamps: a model could not be
    reproduced byte by byte."""
    script = (
        "import sys; from pathlib import Path; from mlops_assets.ml.artifact.seal import seal;"
        "seal(Path(sys.argv[1]), training={'hyperparameters': {'b': 1, 'a': 2}})"
    )
    contents = []
    for seed in ("1", "2"):
        directory = tmp_path / seed / "model"
        directory.mkdir(parents=True)
        for path in unsealed.iterdir():
            (directory / path.name).write_bytes(path.read_bytes())
        subprocess.run(
            [sys.executable, "-c", script, str(directory)], check=True, env={"PYTHONHASHSEED": seed}
        )
        contents.append({path.name: path.read_bytes() for path in directory.iterdir()})
    assert contents[0] == contents[1]
