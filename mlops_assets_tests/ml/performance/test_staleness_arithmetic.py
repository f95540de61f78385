"""Staleness: ages are compared on the same partition, and a gain is only told where it is known."""

import numpy as np
import pytest

from mlops_assets.ml.performance.staleness import (
    Pair,
    curve,
    expected_gain,
    loss_per_partition,
    losses,
)


def back_test(
    partitions: int, *, per_age: float, seed: int = 0, noise: float = 0.003
) -> list[Pair]:
    """Log-losses of models that age, on partitions of which some are much harder than others."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 0.1, partitions)
    return [
        Pair(f"{a:02}", f"{p:02}", p - a, 0.5 + hard[p] + per_age * (p - a) + rng.normal(0, 0.003))
        for p in range(partitions)
        for a in range(p)
    ]


def test_hard_and_easy_partitions_do_not_pass_for_age():
    """A plain mean by age would see the partitions' weather; the pairs on one partition do not."""
    found = loss_per_partition(back_test(10, per_age=0.01), "log_loss")
    assert found.value == pytest.approx(0.01, abs=0.002)
    assert found.low > 0.005


def test_a_model_that_does_not_age_loses_nothing():
    """Negative control: 100 back-tests, as rarely wrong as the interval says."""
    wrong = 0
    for seed in range(100):
        found = loss_per_partition(back_test(9, per_age=0.0, seed=seed), "log_loss")
        wrong += found.low > 0
    assert wrong <= 12


def test_the_sign_follows_the_metric():
    pairs = [Pair(p.as_of, p.partition, p.age, 1 - p.value) for p in back_test(8, per_age=0.01)]
    assert loss_per_partition(pairs, "auc").value == pytest.approx(0.01, abs=0.003)


def test_the_curve_starts_at_the_freshest():
    found = curve(back_test(6, per_age=0.02), "log_loss")
    assert [point.age for point in found] == [1, 2, 3, 4, 5]
    assert found[0].loss is None
    assert [point.pairs for point in found] == [5, 4, 3, 2, 1]
    assert found[1].loss.value == pytest.approx(0.02, abs=0.01)


def test_a_partition_without_its_freshest_model_is_left_out():
    pairs = [Pair("1", "4", 3, 0.6), Pair("3", "4", 1, 0.5), Pair("1", "9", 8, 0.9)]
    assert list(losses(pairs, "log_loss")) == [3]


def test_gain_of_an_age_that_was_seen_often():
    gain = expected_gain(back_test(8, per_age=0.02), age=3, metric="log_loss")
    assert (gain.by_line, gain.pairs) == (False, 5)
    assert gain.gain.value == pytest.approx(0.04, abs=0.01)


def test_gain_of_an_age_beyond_the_back_test_is_read_off_the_line():
    gain = expected_gain(back_test(8, per_age=0.02), age=12, metric="log_loss")
    assert gain.by_line
    assert gain.gain.value == pytest.approx(0.22, abs=0.05)


def test_a_fresh_champion_gains_nothing_and_no_back_test_knows_nothing():
    pairs = back_test(8, per_age=0.02)
    assert expected_gain(pairs, age=1, metric="log_loss").gain.value == 0
    assert expected_gain([], age=4, metric="log_loss") is None
    assert expected_gain([Pair("1", "3", 2, 0.5)], age=2, metric="log_loss") is None
    assert loss_per_partition([], "log_loss") is None
    assert curve([], "log_loss") == ()


def test_where_fresh_models_are_worse_the_gain_is_negative():
    """September of the flights: a model of the stormy summer loses to the older one."""
    gain = expected_gain(back_test(8, per_age=-0.01), age=3, metric="log_loss")
    assert gain.gain.high < 0
