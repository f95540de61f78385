"""Several partitions tell more than one, and no more than they do."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_assets.ml.pooling import Estimate, pooled


def drawn(rng: np.random.Generator, mean: float, rows: int) -> Estimate:
    values = rng.normal(mean, 1.0, rows)
    error = values.std(ddof=1) / rows**0.5
    return Estimate(rows, values.mean(), values.mean() - 1.96 * error, values.mean() + 1.96 * error)


def test_the_interval_of_several_covers_the_truth_as_often_as_it_says():
    """An interval that is too narrow would show a use of everything, sooner or later."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(600):
        several = pooled([drawn(rng, 0.3, rows) for rows in (50, 100, 400)])
        covered += several.low <= 0.3 <= several.high
    assert 0.92 <= covered / 600 <= 0.98


def test_noise_is_shown_to_be_of_use_once_in_forty_times():
    rng = np.random.default_rng(1)
    shown = sum(pooled([drawn(rng, 0.0, 100) for _ in range(4)]).low > 0 for _ in range(800))
    assert shown / 800 < 0.045


def test_one_alone_is_what_it_was():
    alone = Estimate(100, 0.5, 0.3, 0.7)
    same = pooled([alone])
    assert (same.rows, same.value) == (100, 0.5)
    assert (same.low, same.high) == pytest.approx((0.3, 0.7))


def test_nothing_cannot_be_pooled():
    with pytest.raises(ValueError, match="nothing to pool"):
        pooled([])


def test_the_more_there_are_the_worse_one_has_to_be_to_be_told():
    bad = Estimate(300, -0.02, -0.035, -0.005)
    assert bad.below_zero_of(1)
    assert not bad.below_zero_of(40)
    assert not Estimate(300, 0.02, 0.01, 0.03).below_zero_of(1)
