"""ONNX Runtime, XGBoost's own library and the training framework: one answer, whoever gives it."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import xgboost
from onnx import TensorProto, helper, numpy_helper

from mlops_assets.ml.artifact import load, native
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.estimator import Estimator
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.native import NativeModel, UnsealedModel
from mlops_assets.ml.artifact.seal import seal
from mlops_assets.ml.artifact.spec import FeatureSpec
from mlops_assets_tests.ml.artifact import trained


@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass"])
def test_each_engine_answers_as_the_training_framework(kind: str, tmp_path: Path) -> None:
    """Guards against an answer that jumps where the number of rows chooses another engine."""
    fitted = trained.train(tmp_path, kind, early_stopping_rounds=None)
    seal(tmp_path, training={})
    artifact = Artifact.load(tmp_path)
    rows = trained.with_gaps(trained.frame(200, seed=8))
    expected = trained.answers(fitted, rows, kind)
    scale = max(1.0, float(np.abs(expected).max()))
    matrix = artifact.encoder.encode(trained.columns_of(rows))
    for size in (1, 2, 63, 64, 65, 200):
        got = artifact.answer(matrix[:size])
        assert got.shape == expected[:size].shape
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, expected[:size], rtol=0, atol=1e-5 * scale)
    assert artifact._native is not None
    place = artifact.one_row()
    for row in range(20):
        place.cells[:] = memoryview(matrix[row])
        np.testing.assert_allclose(place.run(), expected[row], rtol=0, atol=1e-5 * scale)


def test_a_model_that_stopped_early_answers_by_its_best_round(tmp_path: Path) -> None:
    """Guards against XGBoost's library answering with all trees, where training used the best."""
    rows = trained.frame(2_000)
    labels = trained.labels(rows, "binary")
    estimator = xgboost.XGBClassifier(
        n_estimators=200, early_stopping_rounds=2, learning_rate=1, n_jobs=1
    )
    numbers = rows[["delay", "wind"]]
    estimator.fit(numbers, labels, eval_set=[(numbers[:500], 1 - labels[:500])], verbose=False)
    assert estimator.best_iteration < estimator.get_booster().num_boosted_rounds() - 1
    estimator.save_model(tmp_path / "model.ubj")
    columns = [{"name": name, "type": "number"} for name in numbers]
    spec = {"version": 1, "kind": "binary", "label": "y", "columns": columns}
    model = NativeModel((tmp_path / "model.ubj").read_bytes(), FeatureSpec.from_json(spec))
    expected = estimator.predict_proba(numbers)[:, 1]
    np.testing.assert_allclose(model(numbers.to_numpy(dtype=np.float32)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_bytes(b"spoiled"), "changed since"),
        (lambda path: path.unlink(), "No such file"),
    ],
)
def test_a_native_model_that_is_gone_or_changed_is_not_used(
    sealed: Path, change: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against a file that was swapped after it was verified; ONNX Runtime answers on."""
    artifact = Artifact.load(sealed)
    change(sealed / "model.ubj")
    matrix = np.zeros((64, artifact.spec.width), dtype=np.float32)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            np.testing.assert_array_equal(artifact.answer(matrix), artifact.estimator(matrix))
    assert [said in record.message for record in caplog.records] == [True]


def test_a_native_model_that_fails_the_golden_rows_is_not_used(
    sealed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against a library that answers otherwise than the one the model was sealed with."""
    artifact = Artifact.load(sealed)
    monkeypatch.setattr(NativeModel, "__call__", lambda self, matrix: np.zeros(len(matrix)))
    matrix = np.zeros((64, artifact.spec.width), dtype=np.float32)
    np.testing.assert_array_equal(artifact.answer(matrix), artifact.estimator(matrix))
    assert "golden rows differently" in caplog.text
    monkeypatch.setattr(load, "differs", lambda *arguments: np.zeros(1, dtype=bool))  # the control
    assert (Artifact.load(sealed).answer(matrix) == 0).all()


def test_what_is_no_xgboost_model_is_named_without_paths(sealed: Path) -> None:
    """Guards against a crash inside the library, and against its build's paths in a message."""
    spec = Artifact.load(sealed).spec
    with pytest.raises(ArtifactError, match=r"model.ubj: XGBoost says: ") as caught:
        NativeModel(b"not a model", spec)
    assert ".cc" not in str(caught.value)
    data = (sealed / "model.ubj").read_bytes()
    with pytest.raises(ArtifactError, match=r"model.ubj"):
        NativeModel(data[: len(data) // 2], spec)
    other = {"version": 1, "kind": "binary", "label": "y", "columns": [spec.columns[0].to_json()]}
    with pytest.raises(ArtifactError, match=r"takes 9 columns, features\.json gives 1"):
        NativeModel(data, FeatureSpec.from_json(other))


def test_an_unsealed_model_answers_by_xgboost_alone(sealed: Path, tmp_path: Path) -> None:
    """Guards against a booster that a user brings being answered otherwise than a sealed one."""
    artifact = Artifact.load(sealed)
    matrix = artifact.encoder.encode(trained.columns_of(trained.with_gaps(trained.frame(70))))
    for name in UnsealedModel.NAMES[:2]:
        directory = tmp_path / name
        directory.mkdir()
        shutil.copy(sealed / "features.json", directory)
        shutil.copy(sealed / "model.ubj", directory / name)
        model = UnsealedModel(directory)
        np.testing.assert_allclose(model.answer(matrix), artifact.estimator(matrix), atol=1e-6)
        place = model.one_row()
        place.cells[:] = memoryview(matrix[3])
        assert place.run() == model.answer(matrix[3:4])[0]
    with pytest.raises(ArtifactError, match=r"must hold features\.json and one of"):
        UnsealedModel(tmp_path)


def net(*nodes: Any, weights: dict[str, Any] | None = None) -> bytes:
    """An ONNX model of two inputs and one answer."""
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    tensors = [numpy_helper.from_array(v, name) for name, v in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "net", [entry], [answer], tensors)
    imports = [helper.make_opsetid("", 15)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


MATMUL = net(
    helper.make_node("MatMul", ["x", "w"], ["y"]),
    weights={"w": np.array([[1.0], [2.0]], dtype=np.float32)},
)
# Every answer depends on all rows: what a softmax over the wrong axis does.
MIXED = net(
    helper.make_node("MatMul", ["x", "w"], ["z"]),
    helper.make_node("Softmax", ["z"], ["y"], axis=0),
    weights={"w": np.array([[1.0], [2.0]], dtype=np.float32)},
)


@pytest.mark.parametrize(
    ("graph", "speed", "batches"), [(MATMUL, 3, True), (MATMUL, 1.5, False), (MIXED, 3, False)]
)
def test_a_net_is_answered_in_batches_where_it_pays_and_mixes_no_rows(
    graph: bytes, speed: float, batches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against one caller's answer depending on another caller's row."""
    columns = [{"name": name, "type": "number"} for name in "ab"]
    content = {"version": 1, "kind": "regression", "label": "y", "columns": columns}
    spec = FeatureSpec.from_json(content)
    rows = {"columns": ["a", "b"], "rows": [[1, 2], [3, 4]], "expected": [5, 11], "scale": 1}
    golden = load.GoldenRows.from_bytes(json.dumps(rows).encode())
    manifest: Any = type("Manifest", (), {"files": {}})()
    artifact = Artifact(manifest, spec, Estimator(graph, spec), golden, Path())
    assert artifact.estimator.speed_of_batches(np.ones((1, 2), dtype=np.float32)) > 0
    monkeypatch.setattr(Estimator, "speed_of_batches", lambda self, matrix: speed)
    assert artifact.gains_from_batches() is batches


def test_trees_gain_nothing_from_batches(sealed: Path) -> None:
    """Guards against requests that wait for each other without need."""
    assert Artifact.load(sealed).gains_from_batches() is False


def test_a_device_that_is_not_there_is_an_error(sealed: Path) -> None:
    """Guards against a model that was to be served on a GPU, and is served a hundred times slower
    on the CPU without a word: what ONNX Runtime does by itself."""
    with pytest.raises(ArtifactError, match="the device is cuda, but"):
        Artifact.load(sealed, "cuda")


@pytest.mark.integration
def test_one_hundred_thousand_rows_agree(tmp_path: Path) -> None:
    """Guards against rare values that the small tests do not meet: the issue's own bound."""
    fitted = trained.train(tmp_path)
    seal(tmp_path, training={})
    artifact = Artifact.load(tmp_path)
    rows = trained.with_gaps(trained.frame(100_000, seed=21), seed=22)
    expected = trained.answers(fitted, rows, "binary")
    matrix = artifact.encoder.encode(trained.columns_of(rows))
    assert np.abs(artifact.estimator(matrix) - expected).max() <= 1e-5
    assert np.abs(artifact.answer(matrix) - expected).max() <= 1e-5
    assert artifact._native is not None
    assert native.ROWS <= 64
