"""SHAP values of a sealed artifact, by well-kept libraries.

XGBoost models by the library's own exact TreeSHAP (Lundberg et al., "From local explanations to
global understanding with explainable AI for trees", Nature Machine Intelligence 2020); any other
model by the shap package's permutation explainer. Belongs here: calling them, and adding encoded
columns up to the features that callers know. Does not: what is made of the values (`explained`).
XGBoost and shap are imported when they are called.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_assets.ml.artifact import manifest as files
from mlops_assets.ml.artifact.convert import load_booster
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.spec import FeatureSpec
from mlops_assets.ml.explanation.explained import Explained, Space

BACKGROUND = 20
# Asking a model again for every feature, row of the background and order of the features: so
# many answers are had in some seconds.
_ANSWERS = 500_000
_MOST_ORDERS = 10


def explain(
    directory: Path, artifact: Artifact, rows: pd.DataFrame, background: pd.DataFrame
) -> tuple[Explained, ...]:
    """SHAP values of the rows of a frame that holds the artifact's raw columns.

    A model of several classes has an explanation for each, in their order, any other has one.

    Args:
        directory: where the artifact was loaded from.
        background: rows that stand for "nothing is known"; used for models other than XGBoost's,
            of which 20, evenly spread, are taken.

    Raises EncodingError for rows that the artifact does not take.
    """
    if not len(rows):
        nothing = np.empty((0, len(artifact.spec.names)))
        return tuple(
            Explained(artifact.spec.names, nothing, 0.0, "value", np.empty(0), label)
            for label in labels_of(artifact.spec)
        )
    if files.NATIVE in artifact.manifest.files:
        return _by_trees(directory, artifact, rows)
    return _by_permutation(artifact, rows, background)


def labels_of(spec: FeatureSpec) -> tuple[str, ...]:
    """What there are explanations for: each class of several, else the one answer, unnamed."""
    return spec.classes or ("",) if spec.kind == "multiclass" else ("",)


def columns_of(frame: pd.DataFrame, spec: FeatureSpec) -> dict[str, NDArray[np.generic]]:
    """A frame as `Artifact.predict` takes it; a column that it lacks is missing everywhere."""
    return {
        name: frame[name].to_numpy()
        if name in frame.columns
        else np.full(len(frame), None, dtype=object)
        for name in spec.names
    }


def _by_trees(directory: Path, artifact: Artifact, rows: pd.DataFrame) -> tuple[Explained, ...]:
    import xgboost

    spec = artifact.spec
    matrix = artifact.encoder.encode(columns_of(rows, spec))
    booster = load_booster(directory / files.NATIVE)
    booster.set_param({"nthread": 1})
    data = xgboost.DMatrix(matrix)
    labels = labels_of(spec)
    # By class: (rows, classes, encoded columns and the base).
    found = np.asarray(booster.predict(data, pred_contribs=True), dtype=np.float64)
    found = found.reshape(len(rows), len(labels), -1)
    answers, margins = (
        np.asarray(booster.predict(data, output_margin=margin), dtype=np.float64).reshape(
            len(rows), len(labels)
        )
        for margin in (False, True)
    )
    space = _space(margins, answers)
    values = np.stack(
        [part.sum(axis=2) for part in np.split(found[:, :, :-1], _ends(spec), axis=2)], axis=2
    )
    return tuple(
        Explained(spec.names, values[:, k], float(found[0, k, -1]), space, answers[:, k], label)
        for k, label in enumerate(labels)
    )


def _ends(spec: FeatureSpec) -> list[int]:
    """Where each feature but the last ends in the encoded matrix."""
    return np.cumsum([column.width for column in spec.columns])[:-1].tolist()


def _space(margins: NDArray[np.float64], answers: NDArray[np.float64]) -> Space:
    if np.allclose(margins, answers, rtol=1e-5, atol=1e-6):
        return "value"
    if margins.shape[1] > 1:
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        softmax = powers / powers.sum(axis=1, keepdims=True)
        return "logit" if np.allclose(softmax, answers, atol=1e-5) else "margin"
    with np.errstate(over="ignore"):
        logistic = 1 / (1 + np.exp(-margins))
    return "log-odds" if np.allclose(logistic, answers, atol=1e-5) else "margin"


def _by_permutation(
    artifact: Artifact, rows: pd.DataFrame, background: pd.DataFrame
) -> tuple[Explained, ...]:
    """Values are explained as the places where they stand in a column's list of values: shap mixes
    rows in one matrix of floats, and texts and missing values would not survive that. Each value
    is encoded once; a mix of rows is then put together from encoded pieces."""
    import shap

    spec = artifact.spec
    chosen = _spread(background if len(background) else rows, BACKGROUND)
    both = columns_of(pd.concat([chosen, rows], ignore_index=True), spec)
    places, pieces = [], []
    for column in spec.columns:
        codes, words = pd.factorize(both[column.name], use_na_sentinel=False)
        alone = Encoder(FeatureSpec(spec.kind, spec.label, (column,), spec.classes))
        places.append(codes)
        pieces.append(alone.encode({column.name: np.asarray(words)}))
    matrix = np.column_stack(places).astype(float)

    def answers(mixed: NDArray[np.float64]) -> NDArray[np.float64]:
        index = np.asarray(mixed).astype(int)
        encoded = [piece[index[:, at]] for at, piece in enumerate(pieces)]
        return artifact.answer(np.ascontiguousarray(np.hstack(encoded)))

    width = len(spec.names)
    one_order = 2 * len(rows) * (width + 1) * len(chosen)
    orders = int(np.clip(_ANSWERS // one_order, 1, _MOST_ORDERS))
    masker = shap.maskers.Independent(matrix[: len(chosen)], max_samples=len(chosen))
    explainer = shap.PermutationExplainer(answers, masker, seed=0)
    found = explainer(matrix[len(chosen) :], max_evals=orders * (2 * width + 1), silent=True)
    space: Space = "value" if spec.kind == "regression" else "probability"
    labels = labels_of(spec)
    # By class last: shap gives no axis to a single answer.
    values = np.asarray(found.values, dtype=np.float64).reshape(len(rows), width, len(labels))
    bases = np.asarray(found.base_values).reshape(len(rows), len(labels)).mean(axis=0)
    told = answers(matrix[len(chosen) :]).reshape(len(rows), len(labels))
    return tuple(
        Explained(spec.names, values[:, :, k], float(bases[k]), space, told[:, k], label)
        for k, label in enumerate(labels)
    )


def _spread(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    places = np.unique(np.linspace(0, len(frame) - 1, min(rows, len(frame))).astype(int))
    return frame.iloc[places]
