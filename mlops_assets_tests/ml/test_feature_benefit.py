"""Permutation on held-out rows finds what helps, and says of noise that it does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.feature_benefit import benefits, groups


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(7)
    rows = pd.DataFrame(rng.normal(size=(3000, 3)), columns=["strong", "weak", "noise"])
    rows["kind"] = rng.choice(["a", "b"], 3000)
    logit = 2 * rows["strong"] + 0.6 * rows["weak"] + 0.8 * (rows["kind"] == "a")
    truth = (rng.random(3000) < 1 / (1 + np.exp(-logit))).astype(float)
    return rows, truth


def model(frame: pd.DataFrame) -> np.ndarray:
    """Knows the truth, and listens to the noise a little, as fitted models do."""
    kind = (frame["kind"] == "a").to_numpy(float)
    logit = 2 * frame["strong"] + 0.6 * frame["weak"] + 0.8 * kind + 0.05 * frame["noise"]
    return (1 / (1 + np.exp(-logit))).to_numpy()


@pytest.mark.parametrize("metric", ["log_loss", "auc"])
def test_features_are_ranked_by_what_the_model_loses_without_them(case, metric):
    rows, truth = case
    found = benefits(model, rows, truth, metric, groups(rows))
    assert found[0].group == "strong"
    assert {b.group for b in found if b.helps} == {"strong", "weak", "kind"}
    assert all(b.worth.low <= b.worth.value <= b.worth.high for b in found)


def test_a_model_that_does_not_look_at_a_feature_loses_exactly_nothing_without_it(case):
    rows, truth = case
    found = benefits(lambda f: model(f.assign(noise=0.0)), rows, truth, "log_loss", groups(rows))
    noise = next(b for b in found if b.group == "noise")
    assert (noise.worth.value, noise.worth.low, noise.worth.high) == (0.0, 0.0, 0.0)
    assert not noise.helps


def test_the_rows_index_does_not_undo_the_permutation(case):
    """Assigned by index instead of position, a shuffled column falls back into its order."""
    rows, truth = case
    turned = rows.set_axis(np.arange(len(rows))[::-1])
    found = benefits(model, turned, truth, "log_loss", {"strong": ("strong",)})
    assert found[0].helps


def test_features_that_tell_the_same_are_one_group(case):
    """Alone, each of two copies would seem worthless: the other stands in for it."""
    rows, _ = case
    doubled = rows.assign(copy=np.exp(rows["strong"]), reversed=-rows["weak"])
    found = groups(doubled)
    assert found["strong"] == ("strong", "copy")
    assert found["weak"] == ("weak", "reversed")
    assert found["noise"] == ("noise",)
    assert sorted(name for members in found.values() for name in members) == sorted(doubled)


def test_copies_help_together(case):
    rows, truth = case
    doubled = rows.assign(copy=rows["strong"])

    def listens_to_both(frame: pd.DataFrame) -> np.ndarray:
        return model(frame.assign(strong=(frame["strong"] + frame["copy"]) / 2))

    together = benefits(listens_to_both, doubled, truth, "log_loss", groups(doubled))
    alone = benefits(listens_to_both, doubled, truth, "log_loss", {"strong": ("strong",)})
    assert together[0].group == "strong"
    assert together[0].worth.value > alone[0].worth.value > 0


def test_a_constant_column_is_a_group_of_its_own():
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0], "still": [5.0, 5.0, 5.0]})
    assert groups(rows) == {"x": ("x",), "still": ("still",)}


def test_rows_of_one_day_are_one_piece_of_evidence():
    """What helped on some days and harmed on others, taken row by row, would seem sure."""
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(30), 100)
    rows = pd.DataFrame({"x": rng.normal(size=3000)})
    # Two days of three the feature is right, on the third it says the contrary.
    sign = np.repeat(np.where(np.arange(30) % 3, 1.0, -1.0), 100)
    truth = (rng.random(3000) < 1 / (1 + np.exp(-2 * sign * rows["x"]))).astype(float)

    def listens(frame: pd.DataFrame) -> np.ndarray:
        return (1 / (1 + np.exp(-frame["x"]))).to_numpy()

    def width(blocks: np.ndarray | None) -> float:
        (found,) = benefits(listens, rows, truth, "log_loss", {"x": ("x",)}, blocks=blocks)
        return found.worth.high - found.worth.low

    assert width(days) > 2 * width(None)
