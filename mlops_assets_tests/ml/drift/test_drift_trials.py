"""Error rates of the default policy, on fewer draws than benchmarks/drift.py makes."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.drift.data import FAULTS
from benchmarks.drift.trials import false_alarms, power
from mlops_assets.ml.drift.compare import compare
from mlops_assets.ml.drift.effects import category_change
from mlops_assets.ml.profiles.profile import fit_grids, profile


@pytest.mark.parametrize(("rows", "baseline_rows", "reports"), [(1000, 1000, 15), (2000, 2000, 6)])
def test_unchanged_rows_never_alarm(rows, baseline_rows, reports):
    alarms, what = false_alarms(rows, baseline_rows, reports, seed=21)
    assert alarms == 0, what


@pytest.mark.integration
def test_unchanged_rows_never_alarm_in_a_long_run():
    for rows, baseline_rows, reports in ((1000, 1000, 100), (10_000, 10_000, 8), (1000, 75_000, 5)):
        alarms, what = false_alarms(rows, baseline_rows, reports, seed=22)
        assert alarms == 0, (rows, baseline_rows, what)


@pytest.mark.integration
def test_faults_are_found_at_10_000_rows():
    found = power(10_000, 15, seed=23)
    assert found.keys() == FAULTS.keys()
    missed = {name: share for name, (share, _) in found.items() if share < 0.8}
    assert not missed


def test_a_new_category_beside_many_rare_ones():
    """A column of hundreds of rare levels has new ones in every window; that is no news."""
    rng = np.random.default_rng(1)
    levels = np.array([f"tail {i}" for i in range(600)])
    shares = 1 / (30 + np.arange(600))
    shares /= shares.sum()
    sides = [pd.DataFrame({"tail": rng.choice(levels, 4000, p=shares)}) for _ in range(2)]
    grids = fit_grids(sides[1])
    before = profile(sides[1], grids)
    assert compare(profile(sides[0], grids), before).findings == ()
    strange = sides[0].assign(tail=sides[0]["tail"].mask(rng.random(4000) < 0.02, "N0"))
    found = compare(profile(strange, grids), before).findings
    assert [(f.column, f.kind) for f in found] == [("tail", "category")]


def test_total_variation_without_its_expectation_would_alarm():
    """Negative control of the correction: by chance, 105 levels differ by .1 at 1,000 rows."""
    rng = np.random.default_rng(2)
    shares = 1 / np.arange(1, 106)
    shares /= shares.sum()
    one, other = (rng.multinomial(1000, shares) for _ in range(2))
    assert 0.5 * np.abs(one - other).sum() / 1000 > 0.04
    assert category_change(one, other)[0] < 0.04
