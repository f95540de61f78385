"""Metrics agree with scikit-learn, say so when undefined, and refuse what is no prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from mlops_assets.ml import metrics, weighted

# Few distinct scores, so that ties are the rule.
scored = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 1.0])),
    min_size=2,
    max_size=30,
).map(lambda rows: (np.array([y for y, _ in rows]), np.array([p for _, p in rows])))


@given(scored)
@settings(deadline=None)
def test_binary_metrics_are_those_of_scikit_learn(rows):
    y, p = rows
    found = metrics.binary(y, p)
    assert found["brier"] == pytest.approx(reference.brier_score_loss(y, p))
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y, p >= 0.5))
    clipped = np.clip(p, 1e-15, 1 - 1e-15)
    theirs = reference.log_loss(y, clipped, labels=[0, 1])
    assert found["log_loss"] == pytest.approx(theirs, rel=1e-4)  # 1 - (1 - 1e-15) is rounded
    if y.min() < y.max():
        assert found["auc"] == pytest.approx(reference.roc_auc_score(y, p))
        assert found["pr_auc"] == pytest.approx(reference.average_precision_score(y, p))
        assert metrics.undefined(found) == ()
    else:
        assert metrics.undefined(found) == ("auc", "pr_auc")


@given(scored, st.lists(st.integers(0, 3), min_size=30, max_size=30))
@settings(deadline=None)
def test_a_weight_is_a_repetition(rows, counts):
    """The bootstrap relies on it: weight 2 must be the row twice, weight 0 the row not at all."""
    y, p = rows
    w = np.array(counts[: len(y)])
    if w.sum() == 0:
        return
    again = np.repeat(y, w).astype(float), np.repeat(p, w)
    for family in (weighted.BINARY, weighted.REGRESSION):
        for name, metric in family.items():
            alone = metric(*again)(np.ones(len(again[0])))
            assert metric(y.astype(float), p)(w) == pytest.approx(alone, nan_ok=True), name


numbers = st.floats(-1e3, 1e3)


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30))
@settings(deadline=None)
def test_regression_metrics_are_those_of_scikit_learn(rows):
    y, p = np.array(rows).T
    found = metrics.regression(y, p)
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(y, p))
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(y, p))
    assert found["bias"] == pytest.approx((p - y).mean())
    if y.std() > 1e-6:
        assert found["r2"] == pytest.approx(reference.r2_score(y, p), rel=1e-6)


def test_r2_of_a_constant_is_undefined():
    assert metrics.undefined(metrics.regression([1.0, 1.0], [1.0, 2.0])) == ("r2",)


def test_multiclass_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 500)
    y = np.array([rng.choice(4, p=row) for row in p])
    found = metrics.multiclass(y, p)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y, p.argmax(1)))
    assert found["log_loss"] == pytest.approx(reference.log_loss(y, p))
    assert found["auc"] == pytest.approx(reference.roc_auc_score(y, p, multi_class="ovr"))
    assert found["macro_f1"] == pytest.approx(reference.f1_score(y, p.argmax(1), average="macro"))
    assert found["brier"] == pytest.approx(((p - np.eye(4)[y]) ** 2).sum(axis=1).mean())
    names = np.array(["a", "b", "c", "d"])
    assert metrics.multiclass(names[y], p, classes=list(names)) == found
    with pytest.raises(ValueError, match="'z' is none of the 4 classes"):
        metrics.multiclass(["z"], p[:1], classes=list(names))
    with pytest.raises(ValueError, match="no distribution"):
        metrics.multiclass([0], [[0.5, 0.6]])
    with pytest.raises(ValueError, match=r"shape .1,.: multiclass wants"):
        metrics.multiclass([0], [0.5])
    with pytest.raises(ValueError, match=r"y.1. = 0.5 is none of the 2 classes"):
        metrics.multiclass([0.0, 0.5], [[0.2, 0.8]] * 2)


def test_multiclass_metrics_weighted_by_counts_are_those_of_repeated_rows():
    """Else a bootstrap would resample something other than rows."""
    rng = np.random.default_rng(1)
    p, times = rng.dirichlet(np.ones(3), 60), rng.integers(0, 4, 60)
    y = rng.integers(0, 3, 60)
    again = metrics.multiclass(np.repeat(y, times), np.repeat(p, times, axis=0))
    for name, metric in weighted.MULTICLASS.items():
        assert metric(y, p)(times) == pytest.approx(again[name]), name


def test_multiclass_of_one_class_leaves_the_area_undefined():
    assert metrics.undefined(metrics.multiclass([1, 1], [[0.2, 0.8], [0.6, 0.4]])) == ("auc",)


def test_calibration_error_is_nought_when_frequencies_match_and_the_gap_when_not():
    p = np.repeat([0.1, 0.3, 0.9], 1000)
    y = np.concatenate([np.arange(1000) < 1000 * q for q in (0.1, 0.3, 0.9)])
    assert metrics.binary(y, p)["ece"] == pytest.approx(0)
    assert metrics.binary(y, np.clip(p + 0.05, 0, 1))["ece"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([], [], "no rows"),
        ([0, 1], [0.5], "2 labels and 1 predictions"),
        ([0, np.nan], [0.1, 0.2], r"y\[1\] = nan"),
        ([0, 1], [0.1, np.nan], r"p\[1\] = nan"),
        ([0, 1], [0.1, 1.5], r"p\[1\] = 1.5 .1 such rows.: a probability is between 0 and 1"),
        ([0, 2], [0.1, 0.5], r"y\[1\] = 2.0"),
        ([[0], [1]], [[0.1], [0.5]], "one value a row"),
    ],
)
def test_what_is_no_prediction_is_refused(y, p, message):
    with pytest.raises(ValueError, match=message):
        metrics.binary(y, p)


@given(scored)
@settings(deadline=None)
def test_the_area_under_the_points_is_the_auc(rows):
    y, p = rows
    if y.min() == y.max():
        with pytest.raises(ValueError, match="needs both classes"):
            metrics.roc_points(y, p)
        return
    points = metrics.roc_points(y, p)
    assert points.iloc[[0, -1], :2].to_numpy().tolist() == [[0, 0], [1, 1]]
    area = np.trapezoid(points["true_positive_rate"], points["false_positive_rate"])
    assert area == pytest.approx(metrics.binary(y, p)["auc"])


@given(scored, st.integers(1, 12))
@settings(deadline=None)
def test_calibration_points_account_for_every_row(rows, bins):
    y, p = rows
    points = metrics.calibration_points(y, p, bins)
    assert points["rows"].sum() == len(y)
    assert len(points) <= bins
    assert points["predicted"].is_monotonic_increasing
    assert (points["predicted"] * points["rows"]).sum() == pytest.approx(p.sum())
    assert (points["observed"] * points["rows"]).sum() == pytest.approx(y.sum())
    assert (points["low"] <= points["observed"]).all()
    assert (points["observed"] <= points["high"]).all()


def test_slices_show_nulls_leave_out_small_groups_and_ignore_the_index():
    slices = pd.DataFrame(
        {"origin": ["E", "J", "E", "J", None, "X"], "hour": [1, 1, 1, 1, 2, 2]}, index=[0] * 6
    )
    y, p = [0, 1, 1, 1, 0, 0], [0.1, 0.9, 0.8, 0.2, 0.3, 0.4]
    table = metrics.by_slice(metrics.binary, y, p, slices, min_rows=1)
    assert table[["slice_column", "value", "rows"]].to_numpy().tolist() == [
        ["origin", "E", 2],
        ["origin", "J", 2],
        ["origin", "X", 1],
        ["origin", "missing", 1],
        ["hour", "1", 4],
        ["hour", "2", 2],
    ]
    alone = metrics.binary(y[:4], p[:4])
    assert table.loc[4, list(alone)].to_dict() == pytest.approx(alone)
    larger = metrics.by_slice(metrics.binary, y, p, slices, min_rows=2)
    assert larger["rows"].min() == 2
    none = metrics.by_slice(metrics.binary, y, p, slices, min_rows=99)
    assert none.columns.tolist() == ["slice_column", "value", "rows"]
    with pytest.raises(ValueError, match="give the same rows"):
        metrics.by_slice(metrics.binary, y, p, slices.head(2), min_rows=1)
