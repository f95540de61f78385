"""Comparing two windows: silent on unchanged rows, and each fault found under its own name."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from benchmarks.drift.data import FAULTS, frame
from mlops_assets.ml.drift import compare as compare_module
from mlops_assets.ml.drift.band import band
from mlops_assets.ml.drift.compare import compare
from mlops_assets.ml.drift.policy import Drift, Thresholds
from mlops_assets.ml.profiles.profile import Profile, fit_grids, merge, profile

KINDS = {
    "mean + .1 σ": "drift",
    "mean + .25 σ": "drift",
    "mean + .25 σ, two humps": "drift",
    "mean + .25 σ, rounded": "drift",
    "mean + .25 σ, 20 % there": "drift",
    "unit × 1.6": "unit",
    "mix + 10 points": "drift",
    "missing + 5 %": "missing",
    "half of it missing": "missing",
    "all of it missing": "all_null",
    "new category 1 %": "category",
    "sentinel 1 %": "sentinel",
    "sentinel 1 %, inside": "sentinel",
    "nulls are 0": "filled",
    "clipped at p95": "clipped",
    "time zone + 5 h": "unit",
    "constant": "constant",
    "recoded level": "recoded",
}
ROWS = 10_000


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return frame(np.random.default_rng(12), ROWS)


@pytest.fixture(scope="module")
def baseline() -> pd.DataFrame:
    return frame(np.random.default_rng(11), ROWS)


@pytest.fixture(scope="module")
def grids(baseline):
    return fit_grids(baseline)


@pytest.fixture(scope="module")
def there(baseline, grids) -> Profile:
    return profile(baseline, grids)


def test_every_fault_has_a_kind():
    assert KINDS.keys() == FAULTS.keys()


def test_unchanged_rows_are_silent(rows, grids, there):
    report = compare(profile(rows, grids), there)
    assert report.status == "unchanged"
    assert report.findings == ()
    assert report.effects.keys() == set(rows.columns)
    assert max(report.effects.values()) < 0.04


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_in_its_column_alone_and_named(fault, rows, grids, there):
    column, make = FAULTS[fault]
    report = compare(profile(make(rows, np.random.default_rng(3)), grids), there)
    assert report.flagged == (column,)
    assert [finding.kind for finding in report.findings] == [KINDS[fault]]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unit × 1.6", "miles are now kilometres"),
        ("nulls are 0", "of the rows) are now 0"),
        ("sentinel 1 %", "-999"),
        ("time zone + 5 h", "+5 hours"),
        ("recoded level", "'level 002' is now 'LVL2'"),
        ("clipped at p95", "clipped"),
        ("new category 1 %", "'level 999'"),
        ("half of it missing", "was 0.0%"),
    ],
)
def test_words_say_what_it_looks_like(fault, words, rows, grids, there):
    _, make = FAULTS[fault]
    report = compare(profile(make(rows, np.random.default_rng(3)), grids), there)
    assert words in report.findings[0].words


def test_few_rows_are_insufficient_data_and_never_drift(rows, grids, there):
    """An hour with 30 rows alarmed on everything."""
    broken = FAULTS["constant"][1](rows.head(150), np.random.default_rng(0))
    report = compare(profile(broken, grids), there)
    assert report.status == "unknown"
    assert [finding.kind for finding in report.findings] == ["insufficient"]


def test_what_cannot_be_compared_is_reported_and_the_rest_still_told(rows, baseline):
    """One all-null column must not take the whole report with it."""
    before = baseline.assign(never=np.nan, gone=1.0, kind=1.0)
    now = rows.assign(never=1.0, kind="text", added=2.0, normal=np.nan)
    grids = fit_grids(before)
    found = {f.column: f for f in compare(profile(now, grids), profile(before, grids)).findings}
    assert found["gone"].words == "the column is gone"
    assert "is new" in found["added"].words
    assert "numbers are now text" in found["kind"].words
    assert found["never"].kind == "incomparable"
    assert found["normal"].kind == "all_null"
    assert found.keys() == {"gone", "added", "kind", "never", "normal"}


def test_a_column_of_mixed_type_is_a_schema_finding(rows, grids, there):
    text = rows.assign(normal="text")
    mixed = merge([profile(rows, grids), profile(text, grids)])
    report = compare(mixed, there)
    assert [(f.column, f.kind) for f in report.findings] == [("normal", "schema")]


def test_a_column_that_was_and_is_empty_is_no_change(rows, baseline):
    grids = fit_grids(baseline.assign(never=np.nan))
    both = [profile(side.assign(never=np.nan), grids) for side in (rows, baseline)]
    assert compare(*both).findings == ()


@pytest.mark.parametrize("share", [0.999, 0.9999])
def test_a_nearly_constant_column_may_be_constant_by_chance(share):
    rng = np.random.default_rng(4)
    before = pd.DataFrame({"x": (rng.random(20_000) > share).astype(float)})
    now = pd.DataFrame({"x": np.zeros(300)})
    grids = fit_grids(before)
    assert compare(profile(now, grids), profile(before, grids)).findings == ()


def test_thresholds_hold_for_a_column_and_ignored_ones_are_silent(rows, grids, there):
    window = profile(FAULTS["mean + .25 σ"][1](rows, np.random.default_rng(0)), grids)
    wide = Drift(columns={"normal": Thresholds(ks=0.3, shift=0.3)})
    assert compare(window, there, wide).findings == ()
    assert compare(window, there, Drift(ignored=("normal",))).findings == ()
    assert compare(window, there, columns={"uniform"}).effects.keys() == {"uniform"}


def test_the_floor_is_what_keeps_large_unchanged_windows_silent():
    """With the floors removed, significance alone flags what no one would act on."""
    rng = np.random.default_rng(5)
    before = pd.DataFrame({"x": rng.normal(size=400_000)})
    now = pd.DataFrame({"x": rng.normal(0.015, 1, 400_000)})
    grids = fit_grids(before)
    sides = profile(now, grids), profile(before, grids)
    assert compare(*sides).findings == ()
    none = Thresholds(ks=1e-9, shift=1e-9)
    assert compare(*sides, Drift(thresholds=none)).findings


def test_significance_is_what_keeps_small_windows_silent(monkeypatch):
    """Negative control: with alpha = 1, 1,000 unchanged rows are flagged by their effects alone."""
    quiet = [_draws(seed, 400) for seed in range(8)]
    assert not any(compare(*sides).findings for sides in quiet)
    loose = compare_module.Drift(alpha=1 - 1e-9)
    monkeypatch.setattr(compare_module, "measure", _without_alpha(compare_module.measure))
    assert sum(bool(compare(*sides, loose).findings) for sides in quiet) > 4


def _without_alpha(measure):
    def always(*arguments):
        found, atoms = measure(*arguments)
        return {
            column: {n: dataclasses.replace(m, alpha=1.0) for n, m in measures.items()}
            for column, measures in found.items()
        }, atoms

    return always


def _draws(seed: int, size: int) -> tuple[Profile, Profile]:
    rng = np.random.default_rng(seed)
    sides = [frame(rng, size) for _ in range(2)]
    grids = fit_grids(sides[1])
    return profile(sides[0], grids), profile(sides[1], grids)


def _weeks(shifts, size=3000) -> list[Profile]:
    """Partitions whose level wanders, as weather and demand do."""
    made, grids = [], None
    for seed, shift in enumerate(shifts):
        rng = np.random.default_rng([7, seed])
        rows = pd.DataFrame({"wanders": rng.normal(shift, 1, size), "stays": rng.normal(size=size)})
        grids = grids or fit_grids(rows)
        made.append(profile(rows, grids))
    return made


def test_the_band_learns_what_the_baseline_varies_by_itself():
    shifts = [0.3, -0.3, 0.2, -0.2, 0.35, -0.3, 0.1, -0.1, 0.3, -0.2]
    *parts, quiet = _weeks([*shifts, 0.3])
    usual = band(parts)
    assert usual["wanders"]["ks"] > 0.2 > usual["stays"]["ks"]
    whole = merge(parts)
    assert compare(quiet, whole).flagged == ("wanders",), "the floor alone alarms"
    assert compare(quiet, whole, band=usual).findings == ()
    far = _weeks([*shifts, 1.5])[-1]
    assert compare(far, whole, band=usual).flagged == ("wanders",), "a large move is still seen"


def test_a_band_needs_eight_partitions_of_enough_rows():
    parts = _weeks([0.0] * 7)
    assert band(parts) == {}
    small = _weeks([0.0] * 9, size=100)
    assert band([*parts, *small]) == {}
    assert band(_weeks([0.0] * 8)).keys() == {"wanders", "stays"}


def test_the_band_never_lowers_a_floor():
    parts = _weeks([0.0] * 9)
    measures = compare(parts[0], merge(parts[1:]), band=band(parts[1:])).measures
    ks = next(m for m in measures if m.name == "ks")
    assert ks.threshold == Thresholds().ks


def test_other_grids_are_no_obstacle(rows, baseline, there):
    """Grids were renewed between the two windows."""
    window = profile(rows, fit_grids(rows))
    assert compare(window, there).findings == ()
    moved = FAULTS["mean + .25 σ"][1](rows, np.random.default_rng(0))
    assert compare(profile(moved, fit_grids(moved)), there).flagged == ("normal",)
