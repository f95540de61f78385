"""Bias drift: silent where nothing changed, loud where a group is treated worse, calm otherwise."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.bias import clarify, plots
from mlops_assets.ml.bias.counts import Counts, tabulate
from mlops_assets.ml.bias.facets import membership, written
from mlops_assets.ml.bias.flip import flip_test
from mlops_assets.ml.bias.measured import Measured, post_training, pre_training, worse


def answered(rows: int, rng: np.random.Generator, *, against: float = 0.0) -> Counts:
    """Answers that are right as often for both groups, `against` taken from the group's score."""
    group = rng.random(rows) < 0.4
    score = rng.normal(-1.0, 1.0, rows)
    label = rng.random(rows) < 1 / (1 + np.exp(-score))
    predicted = score + rng.normal(0, 0.5, rows) - against * group > -0.5
    stratum = rng.integers(0, 3, rows)
    return tabulate(group, label=label, predicted=predicted, group=stratum)


@pytest.mark.integration
@pytest.mark.parametrize(("held_out", "served"), [(25_000, 5_000), (2_000, 600), (500, 500)])
def test_unchanged_answers_raise_no_alarm(held_out, served):
    """The negative control: 300 reports of twelve metrics each, on data that did not change."""
    rng = np.random.default_rng(7)
    alarms = sum(
        bool(
            worse(
                post_training(answered(held_out, rng), seed=seed),
                post_training(answered(served, rng), seed=seed + 1),
            )
        )
        for seed in range(100)
    )
    assert alarms == 0


def test_a_group_that_is_treated_worse_is_found():
    rng = np.random.default_rng(1)
    for seed in range(20):
        before = post_training(answered(20_000, rng), seed=seed)
        found = worse(before, post_training(answered(5_000, rng, against=0.6), seed=seed))
        assert {"DPPL", "RD"} <= {one.name for one in found}


def test_a_group_that_is_treated_better_than_before_is_no_drift():
    """Clarify's rule: nearer to fair than the baseline is none."""
    rng = np.random.default_rng(2)
    before = post_training(answered(20_000, rng, against=0.6))
    assert "DPPL" not in {one.name for one in worse(before, post_training(answered(20_000, rng)))}


def test_a_change_that_is_sure_but_small_is_no_drift():
    """With a million rows anything is significant; nobody should be paged for half a point."""
    small = [Measured("DPPL", "", 0.045, 0.044, 0.046, 0.0005)]
    assert worse([Measured("DPPL", "", 0.01, 0.009, 0.011, 0.0005)], small) == ()


def test_a_change_that_may_be_chance_is_no_drift():
    """With the bootstrap's spread taken away, the same change is an alarm."""
    before = Measured("DPPL", "", 0.0, -0.01, 0.01, 0.01)
    assert worse([before], [Measured("DPPL", "", 0.2, 0.0, 0.4, 0.1)]) == ()
    assert worse([before], [Measured("DPPL", "", 0.2, 0.2, 0.2, 0.001)])


def test_what_partitions_differ_by_anyway_is_no_drift():
    """On the flights a month's bias moves with the season; without the band each one warned."""
    before = [Measured("DPPL", "", 0.0, -0.01, 0.01, 0.005)]
    now = [Measured("DPPL", "", 0.12, 0.11, 0.13, 0.005)]
    restless = {"DPPL": [0.0, 0.1, 0.05, 0.14, 0.02, 0.11, 0.03, 0.08]}
    calm = {"DPPL": [0.01, 0.0, 0.02, 0.01, 0.0, 0.01, 0.02, 0.01]}
    assert worse(before, now, usual=restless) == ()
    assert worse(before, now, usual=calm)
    assert worse(before, now, usual={"DPPL": restless["DPPL"][:7]}), "seven are too few to tell"


def test_fair_is_one_for_a_ratio():
    before = [Measured("DI", "", 1.0, 0.9, 1.1, 0.01)]
    assert worse(before, [Measured("DI", "", 0.5, 0.4, 0.6, 0.01)])[0].name == "DI"
    assert worse([Measured("DI", "", 0.5, 0.4, 0.6, 0.01)], before) == ()


@pytest.mark.integration
def test_intervals_hold_the_truth_as_often_as_they_say():
    """A bootstrap that was too sure would raise alarms by itself."""
    rng = np.random.default_rng(3)
    truth = {m.name: m.value for m in post_training(answered(2_000_000, rng))}
    names = ("DPPL", "RD", "AD", "SD", "DI")
    hits = dict.fromkeys(names, 0)
    for seed in range(120):
        for one in post_training(answered(1_500, rng), seed=seed):
            if one.name in hits:
                hits[one.name] += one.low <= truth[one.name] <= one.high
    assert all(0.88 <= count / 120 <= 1.0 for count in hits.values()), hits


def test_the_flip_test_sees_like_rows_answered_differently():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"income": rng.normal(size=800), "city": rng.choice(["x", "y"], 800)})
    group = rng.random(800) < 0.5
    fair = frame["income"].to_numpy() > 0
    assert abs(flip_test(frame, group, fair).value) < 0.05
    assert flip_test(frame, group, fair & ~group).value > 0.4
    assert flip_test(frame.head(0), group[:0], fair[:0]).value is None


def test_the_flip_test_takes_missing_values_and_booleans():
    frame = pd.DataFrame({"x": [1.0, None] * 20, "b": [True, False] * 20, "c": [None, "u"] * 20})
    found = flip_test(frame, [True, False] * 20, [True] * 40)
    assert found.value == 0.0


def test_the_flip_test_takes_a_column_of_a_thousand_names():
    """An indicator for each name of each row would take gigabytes."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"name": [f"n{n}" for n in range(20_000)], "x": rng.random(20_000)})
    found = flip_test(frame, rng.random(20_000) < 0.5, rng.random(20_000) < 0.5)
    assert found.value is not None
    assert abs(found.value) < 0.2


def test_a_missing_facet_belongs_to_neither_group():
    found = membership(pd.Series(["9E", "AA", None]), disadvantaged=("9E",))
    assert found.known.tolist() == [True, True, False]
    assert found.disadvantaged.tolist() == [True, False, False]
    numbers = membership(pd.Series([61, 60, None], dtype="Int64"), above=60)
    assert numbers.known.tolist() == [True, True, False]
    assert numbers.disadvantaged.tolist() == [True, False, False]
    assert written(above=60) == "(60.0, inf)"
    assert written(("9E", "EV")) == "9E, EV"


def test_the_report_has_clarifys_form_and_is_json():
    """NaN in it would be refused by every reader but Python's."""
    counts = tabulate([0, 0, 1], label=[1, 0, 1], predicted=[0, 0, 0])
    facet = clarify.FacetAnalysis("carrier", "9E", pre_training(counts), post_training(counts))
    made = json.loads(json.dumps(clarify.analysis("late", "1", [facet]), allow_nan=False))
    section = made["post_training_bias_metrics"]
    assert section["label"] == "late"
    assert section["label_value_or_threshold"] == "1"
    (entry,) = section["facets"]["carrier"]
    assert entry["value_or_threshold"] == "9E"
    by_name = {metric["name"]: metric for metric in entry["metrics"]}
    assert by_name["DI"]["value"] is None
    assert by_name["DI"]["error"] == "no positive predictions"
    assert by_name["DPPL"] == {
        "name": "DPPL",
        "description": "Difference in Positive Proportions in Predicted Labels (DPPL)",
        "value": 0.0,
    }


def test_violations_have_the_form_of_a_bias_monitor():
    before = [Measured("DPPL", "", 0.02, 0.01, 0.03, 0.005)]
    found = worse(before, [Measured("DPPL", "", -0.2, -0.21, -0.19, 0.005)])
    made = clarify.violations([("carrier", "9E", one) for one in found])
    assert made == {
        "version": "1.0",
        "violations": [
            {
                "facet": "carrier",
                "facet_value": "9E",
                "metric_name": "DPPL",
                "constraint_check_type": "bias_drift_check",
                "description": (
                    "Metric value -0.2 doesn't meet the baseline constraint requirement 0.02"
                ),
            }
        ],
    }


@pytest.mark.integration
@pytest.mark.filterwarnings("error")
def test_the_plot_draws_what_there_is():
    rng = np.random.default_rng(5)
    sides = {"held out": post_training(answered(900, rng)), "served": ()}
    assert plots.differences("Bias", sides).startswith(b"\x89PNG")
    assert plots.differences("Bias", {}).startswith(b"\x89PNG")
