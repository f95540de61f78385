"""From an XGBoost booster to ONNX: the estimator only, never the pre-processing.

Whole pipelines export without complaint and then answer wrongly (float32 at split thresholds);
an estimator alone agrees to some 1e-7. sealing compares every conversion all the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_assets.ml.artifact.errors import ArtifactError

if TYPE_CHECKING:
    import xgboost


def load_booster(path: Path) -> xgboost.Booster:
    """The booster in model.ubj, cut to its best iteration if training stopped early.

    The cut is what the framework's own predict does; a raw booster would answer with all trees.
    Raises ArtifactError for a file that is not an XGBoost model, or one with categorical splits.
    """
    import xgboost

    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as error:
        raise ArtifactError(f"{path.name} is not an XGBoost model: {_short(error)}") from None
    if "c" in (booster.feature_types or []):
        raise ArtifactError(
            f"{path.name} splits on XGBoost's own categorical features, which ONNX cannot hold:"
            " train on one_hot or ordinal columns, as declared in features.json"
        )
    if booster.attr("best_iteration") is not None:
        booster = booster[: booster.best_iteration + 1]
    booster.feature_names = booster.feature_types = None
    return booster


def to_onnx(booster: xgboost.Booster) -> bytes:
    """The booster as an ONNX model with one input [n, width] of float32; deterministic bytes.

    Raises ArtifactError when the converter does not know the booster's kind (dart, gblinear).
    """
    kind = _config(booster)["learner"]["learner_train_param"]["booster"]
    if kind != "gbtree":
        raise ArtifactError(f"booster {kind!r} cannot be converted to ONNX: train with gbtree")
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    width = booster.num_features()
    try:
        model = convert_xgboost(
            booster,
            name="estimator",  # the default is a random name: the bytes would differ each time
            initial_types=[("input", FloatTensorType([None, width]))],
            target_opset=15,
        )
    except Exception as error:  # the converter raises bare KeyErrors for what it does not know
        raise ArtifactError(
            f"the booster cannot be converted to ONNX: {type(error).__name__}: {_short(error)}"
        ) from error
    return bytes(model.SerializeToString(deterministic=True))


def native_answers(booster: xgboost.Booster, matrix: Any) -> Any:
    """XGBoost's own answers to an encoded matrix."""
    import xgboost

    return booster.predict(xgboost.DMatrix(matrix))


def refuse_external_data(data: bytes) -> None:
    """Raise ArtifactError if an ONNX model keeps tensors in other files: the path is unchecked."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        raise ArtifactError("model.onnx is not an ONNX model") from None
    if any(True for tensor in _tensors(model.graph) if tensor.external_data):
        raise ArtifactError("model.onnx keeps tensors in other files: export it as one file")


def _tensors(graph: Any) -> Any:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)


def _config(booster: xgboost.Booster) -> Any:
    return json.loads(booster.save_config())


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
