"""What candidates learn with: boosted trees, linear models, a small neural network.

Belongs here: one function an algorithm, from encoded rows to answers and a model file. Does not
belong here: rows (table.py), what is tried (sagemaker_local/automl/candidates.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlops_assets.containers.automl.table import Task

Answers = Callable[[np.ndarray], np.ndarray]
Layer = tuple[np.ndarray, np.ndarray]
"""Weights (inputs, outputs) and biases (outputs,)."""


@dataclass(frozen=True)
class Learned:
    """A model: its answers to encoded rows, and how to leave it in a directory."""

    answers: Answers
    save: Callable[[Path], None]


@dataclass(frozen=True)
class Learner:
    """An algorithm; ``scaled`` says whether it wants standardized columns without gaps."""

    learn: Callable[[Task, np.ndarray, np.ndarray, Mapping[str, Any], int], Learned]
    scaled: bool


def boosted_trees(
    task: Task, rows: np.ndarray, targets: np.ndarray, given: Mapping[str, Any], seed: int
) -> Learned:
    """XGBoost; given: num_round, and the booster's own parameters."""
    import xgboost

    objectives: dict[str, dict[str, Any]] = {
        "BinaryClassification": {"objective": "binary:logistic"},
        "MulticlassClassification": {
            "objective": "multi:softprob",
            "num_class": len(task.classes),
        },
        "Regression": {"objective": "reg:squarederror"},
    }
    own = {name: value for name, value in given.items() if name != "num_round"}
    parameters = objectives[task.problem] | own | {"tree_method": "hist", "seed": seed}
    booster = xgboost.train(parameters, xgboost.DMatrix(rows, targets), int(given["num_round"]))
    return Learned(
        lambda matrix: np.asarray(booster.predict(xgboost.DMatrix(matrix)), dtype=np.float64),
        lambda directory: booster.save_model(directory / "model.ubj"),
    )


def linear(
    task: Task, rows: np.ndarray, targets: np.ndarray, given: Mapping[str, Any], seed: int
) -> Learned:
    """Logistic or ridge regression; given: l2, the weight of the squared coefficients."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if task.problem == "Regression":
        model = Ridge(alpha=float(given["l2"])).fit(rows, targets)
        return _network(task, [_layer(model.coef_[None, :].T, [model.intercept_])])
    model = LogisticRegression(C=1 / float(given["l2"]), max_iter=500, random_state=seed)
    model.fit(rows, targets)
    return _network(task, [_layer(model.coef_.T, model.intercept_)])


def neural_network(
    task: Task, rows: np.ndarray, targets: np.ndarray, given: Mapping[str, Any], seed: int
) -> Learned:
    """One hidden layer of rectifiers; given: hidden, learning_rate, l2."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    common = {
        "hidden_layer_sizes": (int(given["hidden"]),),
        "learning_rate_init": float(given["learning_rate"]),
        "alpha": float(given["l2"]),
        "max_iter": 120,
        "early_stopping": len(rows) >= 200,
        "random_state": seed,
    }
    if task.problem != "Regression":
        model = MLPClassifier(**common).fit(rows, targets)
        return _network(task, list(map(_layer, model.coefs_, model.intercepts_)))
    # Far from 0 and 1 it would learn the label's scale first.
    mean, scale = float(targets.mean()), float(targets.std()) or 1.0
    model = MLPRegressor(**common).fit(rows, (targets - mean) / scale)
    layers = list(map(_layer, model.coefs_, model.intercepts_))
    weights, biases = layers[-1]
    return _network(task, [*layers[:-1], _layer(weights * scale, biases * scale + mean)])


LEARNERS = {
    "xgboost": Learner(boosted_trees, scaled=False),
    "linear-learner": Learner(linear, scaled=True),
    "mlp": Learner(neural_network, scaled=True),
}


def _layer(weights: Any, biases: Any) -> Layer:
    return np.asarray(weights, dtype=np.float32), np.asarray(biases, dtype=np.float32)


def _network(task: Task, layers: Sequence[Layer]) -> Learned:
    """Layers with rectifiers between them, and the problem's own end."""
    last = {"BinaryClassification": "Sigmoid", "MulticlassClassification": "Softmax"}
    end = last.get(task.problem, "Identity")

    def answers(matrix: np.ndarray) -> np.ndarray:
        values = matrix.astype(np.float64)
        for place, (weights, biases) in enumerate(layers):
            values = values @ weights.astype(np.float64) + biases
            values = np.maximum(values, 0) if place < len(layers) - 1 else values
        if end == "Softmax":
            powers = np.exp(values - values.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        return np.asarray(1 / (1 + np.exp(-values)) if end == "Sigmoid" else values)[:, 0]

    def save(directory: Path) -> None:
        (directory / "model.onnx").write_bytes(_onnx(layers, end))

    return Learned(answers, save)


def _onnx(layers: Sequence[Layer], end: str) -> bytes:
    """The network as ONNX: one input [n, width] of float32, one output."""
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, values, flowing = [], [], "input"
    for place, (weights, biases) in enumerate(layers):
        names = [f"weights{place}", f"biases{place}"]
        values += [
            numpy_helper.from_array(v, n) for v, n in zip((weights, biases), names, strict=True)
        ]
        nodes.append(helper.make_node("Gemm", [flowing, *names], [f"sum{place}"]))
        flowing = f"sum{place}"
        if place < len(layers) - 1:
            nodes.append(helper.make_node("Relu", [flowing], [f"layer{place}"]))
            flowing = f"layer{place}"
    nodes.append(helper.make_node(end, [flowing], ["answer"]))
    sizes = [len(layers[0][0]), len(layers[-1][1])]
    graph = helper.make_graph(
        nodes,
        "estimator",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, sizes[0]])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, sizes[1]])],
        values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
