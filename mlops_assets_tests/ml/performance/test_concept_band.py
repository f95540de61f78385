"""Concept drift by partition: quiet partitions stay inside, a changed one is outside."""

import numpy as np
import pytest

from mlops_assets.ml.performance.band import band
from mlops_assets.ml.performance.intervals import measure, metrics_of
from mlops_assets_tests.ml.performance.made_answers import answers

RATES = {name: metrics_of("binary")[name] for name in ("error_rate", "calibration_gap")}


def figures(seed: int, rows: int = 2000, concept: float = 0.0) -> dict:
    y, p = answers(rows, seed, concept=concept)
    return measure(y, p, RATES, kind="binary", repeats=50)


def baseline(name: str, seed: int, partitions: int = 10):
    values = [figures(1000 * (seed + 1) + n)[name].value for n in range(partitions)]
    return band(values, [2000] * partitions, floor=0.005)


@pytest.mark.parametrize("name", list(RATES))
def test_quiet_partitions_stay_inside(name):
    """Negative control: 200 partitions of an unchanged world."""
    outside = 0
    for seed in range(10):
        usual = baseline(name, seed)
        for n in range(20):
            now = figures(500_000 + 20 * seed + n)[name]
            outside += usual.beyond(now.low, now.high, only_above=name == "error_rate")
    assert outside == 0


def test_a_changed_concept_is_outside():
    for name in RATES:
        now = figures(7, concept=1.2)[name]
        usual = baseline(name, 1)
        assert usual.beyond(now.low, now.high, only_above=name == "error_rate"), name


def test_restless_partitions_widen_the_band():
    """The flights: months differ by more than their rows explain, and must not alarm each time."""
    restless = [0.14, 0.33, 0.18, 0.25, 0.31, 0.17, 0.24, 0.29, 0.18, 0.33]
    calm = [0.24, 0.25, 0.24, 0.23, 0.25, 0.24, 0.24, 0.25, 0.23, 0.24]
    rows = [28_000] * 10
    assert not band(restless, rows, floor=0.02).beyond(0.32, 0.33)
    assert band(calm, rows, floor=0.02).beyond(0.32, 0.33)


def test_fewer_errors_than_usual_are_no_alarm():
    usual = band([0.3] * 8, [1000] * 8, floor=0.02)
    assert usual.beyond(0.1, 0.12)
    assert not usual.beyond(0.1, 0.12, only_above=True)


def test_no_band_without_enough_partitions():
    assert band([0.2] * 7, [1000] * 7, floor=0.01) is None


def test_figures_that_are_none_are_refused():
    with pytest.raises(ValueError, match="must be finite"):
        band([np.nan] * 9, [10] * 9, floor=0.01)
    with pytest.raises(ValueError, match="one a partition"):
        band([0.1] * 9, [10] * 8, floor=0.01)
