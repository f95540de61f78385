"""Calibration: the curve rises, and the gap is told from chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.ml.performance.calibration import fit, gap
from mlops_assets_tests.ml.performance.made_answers import answers


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 200))
def test_the_curve_never_falls_and_stays_a_probability(seed, rows):
    y, p = answers(rows, seed)
    said = np.linspace(0, 1, 50)
    curve = fit(y, p)(said)
    assert (np.diff(curve) >= 0).all()
    assert ((curve >= 0) & (curve <= 1)).all()


def test_an_overconfident_model_is_brought_to_what_comes_true():
    y, p = answers(20_000, 1)
    loud = 1 / (1 + np.exp(-2 * np.log(p / (1 - p))))
    curve = fit(y, loud)
    assert gap(y, loud).ece > 0.05
    fresh_y, fresh_p = answers(20_000, 2)
    calibrated = curve(1 / (1 + np.exp(-2 * np.log(fresh_p / (1 - fresh_p)))))
    assert gap(fresh_y, calibrated).ece < 0.02


def test_chance_explains_the_ece_of_a_calibrated_model():
    """Negative control: on calibrated answers the band is left as rarely as it says."""
    outside = 0
    for seed in range(200):
        found = gap(*answers(800, seed))
        outside += found.ece > found.ece_by_chance
    assert outside <= 22, f"{outside} of 200 leave a band of 95 %"


def test_a_planted_gap_is_found_with_its_sign():
    y, p = answers(3000, 3, concept=-0.6)
    found = gap(y, p)
    assert found.low > 0.03, "more was predicted than came true"
    assert found.ece > found.ece_by_chance


def test_no_probability_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit([0, 1], [0.5, 1.5])
