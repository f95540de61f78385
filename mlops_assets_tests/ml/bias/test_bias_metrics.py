"""Clarify's metrics, by hand, against their definition row by row, and by their symmetries."""

from __future__ import annotations

import doctest
import importlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlops_assets.ml.bias.counts import tabulate
from mlops_assets.ml.bias.measured import Measured, post_training, pre_training
from mlops_assets.ml.bias.metrics import NAMES, POST_TRAINING, PRE_TRAINING

# Ten applicants of each group. Of a, 6 are good and 7 are told so; of d, 5 are good and 3 told so.
FACET = [0] * 10 + [1] * 10
LABEL = [1] * 6 + [0] * 4 + [1] * 5 + [0] * 5
PREDICTED = [1] * 5 + [0] + [1] * 2 + [0] * 2 + [1] * 2 + [0] * 3 + [1] + [0] * 4
# a: TP 5, FN 1, FP 2, TN 2; d: TP 2, FN 3, FP 1, TN 4.


def values(found: tuple[Measured, ...]) -> dict[str, float | None]:
    return {measured.name: measured.value for measured in found}


def rounded(found: tuple[Measured, ...]) -> dict[str, float | None]:
    return {n: None if v is None else round(v, 6) for n, v in values(found).items()}


def test_pre_training_metrics_by_hand():
    """A sign turned round would praise the model for what it should be blamed for."""
    counts = tabulate(FACET[:15], label=LABEL[:15], group=["x"] * 15)
    a, d = 0.6, 1.0  # shares of positive labels: 6 of 10, and 5 of 5
    found = rounded(pre_training(counts))
    assert found["CI"] == round(5 / 15, 6)
    assert found["DPL"] == round(a - d, 6)
    assert found["KL"] is None
    assert found["LP"] == round(math.sqrt(2) * abs(a - d), 6)
    assert found["TVD"] == found["KS"] == round(abs(a - d), 6)
    assert found["CDDL"] == round(0 / 4 - 5 / 11, 6)


def test_divergences_by_hand():
    found = rounded(pre_training(tabulate(FACET, label=LABEL)))
    kl = 0.6 * math.log(0.6 / 0.5) + 0.4 * math.log(0.4 / 0.5)
    middle = [0.55, 0.45]
    to = [p * math.log(p / m) for p, m in zip([0.6, 0.4], middle, strict=True)]
    too = [p * math.log(p / m) for p, m in zip([0.5, 0.5], middle, strict=True)]
    assert found["KL"] == round(kl, 6)
    assert found["JS"] == round((sum(to) + sum(too)) / 2, 6)


def test_post_training_metrics_by_hand():
    counts = tabulate(FACET, label=LABEL, predicted=PREDICTED, group=["x"] * 20)
    assert rounded(post_training(counts)) == {
        "DPPL": round(0.7 - 0.3, 6),
        "DI": round(0.3 / 0.7, 6),
        "DCAcc": round(6 / 7 - 5 / 3, 6),
        "DCR": round(5 / 7 - 4 / 3, 6),
        "SD": round(4 / 5 - 2 / 4, 6),
        "RD": round(5 / 6 - 2 / 5, 6),
        "DAR": round(5 / 7 - 2 / 3, 6),
        "DRR": round(4 / 7 - 2 / 3, 6),
        "AD": round(7 / 10 - 6 / 10, 6),
        "TE": round(3 / 1 - 1 / 2, 6),
        "CDDPL": round(7 / 10 - 3 / 10, 6),
        # 13 benefits of 1, 3 of 2, 4 of 0: mean .95, mean square 1.25
        "GE": round((1.25 / 0.95**2 - 1) / 2, 6),
    }


def test_conditional_disparity_removes_what_the_group_explains():
    """Simpson's paradox, as in Berkeley's admissions: each department treats both alike, but one
    of them asks more of the women."""
    department = ["easy"] * 100 + ["hard"] * 100
    woman = [1] * 20 + [0] * 80 + [1] * 80 + [0] * 20
    admitted = ([1] * 16 + [0] * 4) + ([1] * 64 + [0] * 16)
    admitted += ([1] * 16 + [0] * 64) + ([1] * 4 + [0] * 16)
    found = values(pre_training(tabulate(woman, label=admitted, group=department)))
    assert found["DPL"] == pytest.approx(0.68 - 0.32)
    assert found["CDDL"] == pytest.approx(0.0)


rows = st.integers(20, 60).flatmap(
    lambda n: st.tuples(*[arrays.arrays(bool, n) for _ in range(3)], arrays.arrays(np.int8, n))
)


@given(rows)
def test_counts_say_the_same_as_rows(given_rows):
    """The metrics are computed from counts; here they are, from the rows, as AWS writes them."""
    d, y, p, group = given_rows
    group = group % 3
    a = ~d
    if not (a.any() and d.any()):
        return
    found = values(post_training(tabulate(d, label=y, predicted=p, group=group)))
    found |= values(pre_training(tabulate(d, label=y, group=group)))
    assert found["CI"] == pytest.approx((a.sum() - d.sum()) / len(d))
    assert found["DPL"] == pytest.approx(y[a].mean() - y[d].mean())
    assert found["DPPL"] == pytest.approx(p[a].mean() - p[d].mean())
    assert found["AD"] == pytest.approx((y == p)[a].mean() - (y == p)[d].mean())
    if y[a].any() and y[d].any():
        assert found["RD"] == pytest.approx(p[a & y].mean() - p[d & y].mean())
    if p[a].any() and p[d].any():
        assert found["DAR"] == pytest.approx(y[a & p].mean() - y[d & p].mean())
        assert found["DCAcc"] == pytest.approx(y[a].sum() / p[a].sum() - y[d].sum() / p[d].sum())
    benefit = p.astype(int) - y + 1
    if benefit.mean() > 0:
        terms = (benefit / benefit.mean()) ** 2 - 1
        assert found["GE"] == pytest.approx(terms.sum() / (2 * len(d)))
    if y.any() and not y.all():
        disparity = 0.0
        for one in np.unique(group):
            of = group == one
            rejected = d[of & ~y].mean() if (of & ~y).any() else 0.0
            accepted = d[of & y].mean() if (of & y).any() else 0.0
            disparity += of.mean() * (rejected - accepted)
        assert found["CDDL"] == pytest.approx(disparity)


@pytest.mark.integration
@given(rows)
def test_turning_the_facets_round_turns_the_differences_round(given_rows):
    d, y, p, group = given_rows
    one = values(post_training(tabulate(d, label=y, predicted=p, group=group)))
    other = values(post_training(tabulate(~d, label=y, predicted=p, group=group)))
    for name in ("DPPL", "DCAcc", "DCR", "SD", "RD", "DAR", "DRR", "AD", "TE"):
        if one[name] is not None:
            assert other[name] == pytest.approx(-one[name])
    if one["DI"]:
        assert other["DI"] == pytest.approx(1 / one["DI"])
    assert other["GE"] == pytest.approx(one["GE"])


@pytest.mark.integration
@given(rows)
def test_every_value_lies_in_its_documented_range_and_inside_its_interval(given_rows):
    d, y, p, group = given_rows
    shares = {"CI", "DPL", "CDDL", "DPPL", "SD", "RD", "DAR", "DRR", "AD", "CDDPL"}
    found = [
        *pre_training(tabulate(d, label=y, group=group)),
        *post_training(tabulate(d, label=y, predicted=p, group=group)),
    ]
    for one in found:
        assert (one.value is None) == (one.error is not None)
        if one.value is None:
            continue
        if one.name in shares:
            assert -1 - 1e-9 <= one.value <= 1 + 1e-9
        if one.name in {"KL", "JS", "LP", "TVD", "KS", "DI", "GE"}:
            assert one.value >= -1e-12
        if one.name == "JS":
            assert one.value <= math.log(2) + 1e-9
        if one.low is not None:
            assert one.low <= one.value <= one.high


@pytest.mark.parametrize(
    ("name", "facet", "label", "predicted", "reason"),
    [
        ("DPL", [1, 1], [0, 1], None, "no rows among the advantaged rows"),
        ("KL", [0, 1], [1, 0], None, "infinite: the disadvantaged rows lack a label"),
        ("CDDL", [0, 1], [0, 1], None, "no group column was given"),
        ("DI", [0, 1], [0, 1], [0, 1], "no positive predictions among the advantaged rows"),
        ("RD", [0, 1], [0, 1], [0, 1], "no positive labels among the advantaged rows"),
        ("TE", [0, 1], [1, 1], [0, 0], "no false positives"),
        ("GE", [0, 1], [1, 1], [0, 0], "every row is a false negative"),
        ("DPPL", [], [], [], "no rows"),
    ],
)
def test_what_is_undefined_says_why_and_raises_nothing(name, facet, label, predicted, reason):
    """One empty group must not take the whole report away."""
    measure = pre_training if predicted is None else post_training
    found = {m.name: m for m in measure(tabulate(facet, label=label, predicted=predicted))}
    assert found[name].value is None
    assert reason in str(found[name].error)


def test_what_needs_labels_is_told_apart_from_what_does_not():
    found = {m.name: m for m in post_training(tabulate(FACET, predicted=PREDICTED))}
    assert found["DPPL"].value == pytest.approx(0.4)
    assert found["RD"].error == "the labels are not known"


def test_labels_that_are_no_flags_are_refused():
    with pytest.raises(ValueError, match="say first which rows are positive"):
        tabulate([0, 1], label=[3.5, 2.0])


def test_all_names_are_those_of_the_documentation():
    assert set(PRE_TRAINING) == {"CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL"}
    assert len(POST_TRAINING) == 12
    assert len(NAMES) == 21


@pytest.mark.parametrize("module", ["counts", "measured", "facets", "flip", "clarify"])
def test_examples_of_bias_are_true(module):
    found = doctest.testmod(importlib.import_module(f"mlops_assets.ml.bias.{module}"))
    assert found.attempted > 0
    assert found.failed == 0
