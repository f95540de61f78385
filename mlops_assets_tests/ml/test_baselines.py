"""Baselines: simple, deterministic, and blind to the held-out rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml import baselines, metrics
from mlops_assets.ml.baselines import fit_predict


def mixed(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features of every type with missing and infinite values; a binary and a numeric target."""
    rng = np.random.default_rng(seed)
    x, group = rng.normal(size=rows), rng.choice(["a", "b", "c"], rows, p=[0.5, 0.4, 0.1])
    signal = x + np.select([group == "a", group == "b"], [1.0, -1.0], 0.0)
    frame = pd.DataFrame(
        {
            "x": np.where(rng.random(rows) < 0.1, np.nan, x),
            "wild": np.where(rng.random(rows) < 0.01, np.inf, rng.normal(size=rows)),
            "group": pd.Series(group, dtype="str").mask(rng.random(rows) < 0.05),
            "id": pd.Series([f"id{n}" for n in range(rows)], dtype="str"),
            "whole": pd.array(rng.integers(0, 5, rows), dtype="Int64"),
            "flag": rng.random(rows) < 0.5,
            "time": pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(np.arange(rows), "h"),
            "empty": np.full(rows, np.nan),
            "constant": 1.0,
        }
    )
    return frame, (rng.random(rows) < 1 / (1 + np.exp(-signal))).astype(int), 3 + 2 * signal


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("prior", "binary", [0.25] * 2),
        ("majority", "binary", [0.0] * 2),
        ("mean", "regression", [0.25] * 2),
        ("prior", "multiclass", [[0.75, 0.25]] * 2),
        ("majority", "multiclass", [[1.0, 0.0]] * 2),
    ],
)
def test_constants_answer_what_they_are_named_for(name, kind, expected):
    X = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]})
    assert fit_predict(name, X, [0, 0, 0, 1], X.head(2), kind).tolist() == expected


def test_linear_finds_the_signal_in_mixed_columns():
    X, y, value = mixed(4000)
    train, holdout = X.iloc[:3000], X.iloc[3000:]
    p = fit_predict("linear", train, y[:3000], holdout, "binary")
    assert metrics.binary(y[3000:], p)["auc"] > 0.75
    guess = fit_predict("linear", train, value[:3000], holdout, "regression")
    assert metrics.regression(value[3000:], guess)["r2"] > 0.8
    three = np.digitize(value, [2, 4])
    shares = fit_predict("linear", train, three[:3000], holdout, "multiclass")
    assert shares.shape == (1000, 3)
    assert metrics.multiclass(three[3000:], shares)["accuracy"] > 0.6


def test_linear_gives_the_same_bytes_again():
    X, y, _ = mixed(500)
    first, again = (fit_predict("linear", X, y, X, "binary").tobytes() for _ in "ab")
    assert first == again


def test_one_held_out_row_is_answered_as_among_others():
    """Statistics of the held-out rows (medians, vocabularies) must not reach the answer."""
    X, y, _ = mixed(500)
    many = fit_predict("linear", X, y, X, "binary")
    alone = fit_predict("linear", X, y, X.iloc[[7]], "binary")
    assert alone[0] == pytest.approx(many[7], abs=1e-12)


def test_unseen_missing_and_infinite_values_are_answered():
    X, y, _ = mixed(500)
    strange = X.head(1).assign(x=np.nan, wild=-np.inf, group="never seen", empty=1.0, id=None)
    assert 0 < fit_predict("linear", X, y, strange, "binary")[0] < 1


def test_a_column_of_identifiers_does_not_become_a_thousand_columns():
    X, _, _ = mixed(2000)
    train, holdout = baselines._design(X, X.head(3))
    assert train.shape[1] == holdout.shape[1] <= 20
    assert np.isfinite(train).all()


@pytest.mark.parametrize("label", [0, 1])
def test_training_rows_of_one_class_are_answered_with_it(label):
    X = pd.DataFrame({"x": [1.0, 2.0]})
    for name in ("prior", "majority", "linear"):
        assert fit_predict(name, X, [label] * 2, X, "binary").tolist() == [label] * 2


def test_no_features_at_all_leave_the_prior():
    X = pd.DataFrame(index=range(4))
    answer = fit_predict("linear", X, [0, 0, 0, 1], X, "binary")
    assert answer == pytest.approx([0.25] * 4, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "oracle"}, "'oracle' is unknown: give one of prior"),
        ({"name": "mean"}, "'mean' is for regression, not for 'binary'"),
        ({"train_y": [0.0, np.nan]}, "1 labels are null"),
        ({"train_y": [0.0]}, "2 training rows and 1 labels"),
        ({"holdout_X": pd.DataFrame({"z": [1.0]})}, r"holdout lacks the columns \['x'\]"),
    ],
)
def test_what_cannot_be_fitted_is_refused(arguments, message):
    X = pd.DataFrame({"x": [1.0, 2.0]})
    call = {"name": "linear", "train_X": X, "train_y": [0.0, 1.0], "holdout_X": X} | arguments
    with pytest.raises(ValueError, match=message):
        fit_predict(**call, kind="binary")
