"""The flip test's interval: right as often as it says, and no alarm where facets are alike."""

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.bias import flip
from mlops_assets.ml.bias.flip import flip_test


def asked(seed, *, held_against=0.4, advantaged=300, disadvantaged=200):
    """Features, facet and a model's answers, which it bends for rows of the facet."""
    rng = np.random.default_rng(seed)
    facet = np.arange(advantaged + disadvantaged) >= advantaged
    points = rng.normal(0.3 * facet[:, None], 1, (len(facet), 3))
    answers = points[:, 0] + 0.5 * points[:, 1] - held_against * facet > 0.2
    return pd.DataFrame(points, columns=list("abc")), facet, answers


def share_holding(seeds=60, **made):
    found = [flip_test(*asked(seed, **made)) for seed in range(seeds)]
    true = np.mean([one.value for one in found])
    return np.mean([one.low <= true <= one.high for one in found])


@pytest.mark.parametrize("held_against", [0.4, 0.0])
def test_the_interval_holds_the_expected_value_as_often_as_it_says(held_against, monkeypatch):
    monkeypatch.setattr(flip, "REPEATS", 100)
    assert share_holding(held_against=held_against) >= 0.9


def test_rows_of_one_facet_alone_would_be_far_too_sure(monkeypatch):
    """Negative control: neighbours that are taken as given vote as one, for many rows at once."""
    monkeypatch.setattr(flip, "REPEATS", 100)
    honest = flip._flips
    monkeypatch.setattr(flip, "_flips", lambda own, told, times: honest(own, told, times * 0 + 1))
    assert share_holding() <= 0.88


def test_like_facets_are_not_told_to_be_treated_unlike():
    """Negative control of a gate at ± .1: its whole interval never lies beyond."""
    found = [flip_test(*asked(seed, held_against=0.0)) for seed in range(30)]
    assert not [one for one in found if one.low > 0.1 or one.high < -0.1]
    bent = flip_test(*asked(1, held_against=1.5))
    assert bent.low > 0.1


def test_the_same_rows_give_the_same_interval():
    assert flip_test(*asked(3)) == flip_test(*asked(3))


def test_it_is_not_compared_for_drift():
    """With fewer rows neighbours are farther: two sets of unlike size say nothing of a drift."""
    assert flip_test(*asked(4)).sigma is None


def test_few_rows_of_the_advantaged_are_enough_for_five_neighbours():
    found = flip_test(*asked(5, advantaged=6))
    assert -1 <= found.low <= found.value <= found.high <= 1
