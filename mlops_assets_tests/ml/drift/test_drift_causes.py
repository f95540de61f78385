"""Broken data told from a changed world: units, clocks, codes, and their negative controls."""

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.drift.compare import compare
from mlops_assets.ml.drift.report import Finding
from mlops_assets.ml.drift.units import clock_shift, unit_break
from mlops_assets.ml.profiles.profile import fit_grids, profile

TICKS = np.linspace(0, 1, 256)


def _findings(now: np.ndarray, before: np.ndarray) -> tuple[Finding, ...]:
    sides = [pd.DataFrame({"x": values}) for values in (now, before)]
    grids = fit_grids(sides[1])
    return compare(profile(sides[0], grids), profile(sides[1], grids)).findings


@pytest.mark.parametrize(
    ("convert", "words"),
    [
        (lambda x: x * 1.609344, "miles are now kilometres"),
        (lambda x: x / 1.609344, "kilometres are now miles"),
        (lambda x: x * 0.3048, "feet are now metres"),
        (lambda x: x * 2.54, "inches are now centimetres"),
        (lambda x: x / 2.204623, "pounds are now kilograms"),
        (lambda x: x * 60, "hours or minutes are now minutes or seconds"),
        (lambda x: x / 1000, "single units are now thousands (or kilo)"),
        (lambda x: x * 100, "shares or units are now percent or cents"),
        (lambda x: x * 1.8 + 32, "degrees Celsius are now Fahrenheit"),
        (lambda x: (x - 32) / 1.8, "degrees Fahrenheit are now Celsius"),
        (lambda x: x + 273.15, "degrees Celsius are now Kelvin"),
        (lambda x: -x, "the sign is the other one"),
    ],
)
def test_a_conversion_is_named(convert, words):
    rng = np.random.default_rng(0)
    before, now = rng.gamma(5, 4, 8000), convert(rng.gamma(5, 4, 8000))
    found = _findings(now, before)
    assert found[0].kind == "unit"
    assert words in found[0].words


@pytest.mark.parametrize("factor", [0.8, 1.25, 1.4, 1.75, 5.0])
def test_growth_by_another_factor_is_drift_and_no_unit(factor):
    """Prices that rose, traffic that grew: the shape is kept, and nothing is broken."""
    rng = np.random.default_rng(1)
    found = _findings(rng.gamma(5, 4, 8000) * factor, rng.gamma(5, 4, 8000))
    assert {f.kind for f in found} <= {"drift", "range"}


def test_another_shape_is_no_unit_however_its_scale_fits():
    rng = np.random.default_rng(2)
    found = _findings(rng.uniform(0, 64, 8000), rng.gamma(5, 4, 8000))
    assert "unit" not in {f.kind for f in found}


def test_waiting_times_that_grew_are_no_unit():
    """An exponential column looks the same at every scale."""
    rng = np.random.default_rng(3)
    x = np.quantile(rng.exponential(1.61, 5000), TICKS)
    assert unit_break(x, np.quantile(rng.exponential(1, 5000), TICKS), 5000, 5000) is None


@pytest.mark.parametrize("hours", [-7, 5, 8, 11])
@pytest.mark.parametrize("per_hour", [1, 60])
def test_a_moved_clock_is_told_by_its_hours(hours, per_hour):
    rng = np.random.default_rng(4)
    weights = np.array([1, 1, 1, 1, 1, 20, 60, 60, 50, 30, 30, 25, 25, 30, 40, 60, 70, 70, 50, 30,
                        20, 10, 5, 2])  # fmt: skip
    day = rng.choice(24, 6000, p=weights / weights.sum()) * per_hour
    moved = (day + hours * per_hour) % (24 * per_hour)
    now, before = (np.quantile(values, TICKS, method="inverted_cdf") for values in (moved, day))
    assert clock_shift(now.astype(float), before.astype(float)) == hours
    assert not clock_shift(before.astype(float), before.astype(float))


def test_other_hours_are_drift_and_no_clock():
    rng = np.random.default_rng(5)
    early = np.quantile(rng.integers(5, 12, 5000), TICKS).astype(float)
    day = np.quantile(rng.integers(0, 24, 5000), TICKS).astype(float)
    assert clock_shift(early, day) is None


def test_a_count_that_grew_by_three_is_no_clock():
    """Weights of 0 to 23 kg, heavier by 2.5, were told to be in another time zone."""
    rng = np.random.default_rng(6)
    before = rng.gamma(3, 2, 5000).clip(0, 20)
    assert not clock_shift(np.quantile(before + 2.5, TICKS), np.quantile(before, TICKS))
    whole = np.round(before)
    now, then = (np.quantile(values, TICKS, method="inverted_cdf") for values in (whole + 3, whole))
    assert clock_shift(now, then) is None


def _text(now: dict[str, int], before: dict[str, int]) -> list[tuple[str, str]]:
    sides = [
        pd.DataFrame({"x": np.repeat(list(counts), list(counts.values()))})
        for counts in (now, before)
    ]
    grids = fit_grids(sides[1])
    report = compare(profile(sides[0], grids), profile(sides[1], grids))
    return [(finding.kind, finding.words) for finding in report.findings]


def test_codes_that_are_written_otherwise_are_recoded():
    before = {"NEWARK": 900, "JFK": 700, "La Guardia": 400}
    now = {"newark": 880, "JFK": 705, "la_guardia": 415}
    [(kind, words)] = _text(now, before)
    assert kind == "recoded"
    assert "'NEWARK' is now 'newark'" in words
    assert "'La Guardia' is now 'la_guardia'" in words


def test_a_level_that_ends_and_another_that_begins_are_no_recoding():
    found = _text({"a": 1500, "c": 500}, {"a": 1700, "b": 300})
    assert "recoded" not in {kind for kind, _ in found}
    assert "category" in {kind for kind, _ in found}


def test_missing_categories_that_get_a_name_are_filled():
    before = pd.DataFrame({"x": ["a"] * 1500 + ["b"] * 400 + [None] * 100})
    now = pd.DataFrame({"x": ["a"] * 1490 + ["b"] * 405 + ["unknown"] * 105})
    grids = fit_grids(before)
    found = compare(profile(now, grids), profile(before, grids)).findings
    assert [f.kind for f in found] == ["filled"]
    assert "'unknown'" in found[0].words


def test_fewer_missing_values_are_no_filling():
    """A join that works better: 12 % missing become 4 %, and values are as before."""
    rng = np.random.default_rng(6)
    before = np.where(rng.random(8000) < 0.12, np.nan, np.round(rng.normal(50, 3, 8000)))
    now = np.where(rng.random(8000) < 0.04, np.nan, np.round(rng.normal(50, 3, 8000)))
    assert [f.kind for f in _findings(now, before)] == ["missing"]


def test_values_that_many_rows_share_are_no_sentinels():
    """Weather: an observation stands in hundreds of rows, and every month has new ones."""
    rng = np.random.default_rng(7)
    before = np.round(rng.choice(rng.normal(50, 9, 300), 9000), 2)
    now = np.round(rng.choice(rng.normal(50, 9, 300), 9000), 2)
    assert not {f.kind for f in _findings(now, before)} & {"sentinel", "clipped", "unit"}


def test_one_degree_more_than_ever_is_no_sentinel():
    rng = np.random.default_rng(8)
    before = rng.integers(10, 93, 9000).astype(float)
    now = np.where(rng.random(9000) < 0.01, 93.0, rng.integers(10, 93, 9000))
    assert [f.kind for f in _findings(now, before)] == ["range"]


def test_infinite_values_are_out_of_range():
    rng = np.random.default_rng(9)
    now = np.where(rng.random(5000) < 0.01, np.inf, rng.normal(size=5000))
    [found] = _findings(now, rng.normal(size=5000))
    assert found.kind == "range"
    assert "infinite" in found.words
