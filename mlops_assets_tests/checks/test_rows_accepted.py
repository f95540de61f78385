"""Which rows a schema accepts: pandera's rules, and one row of each key."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from mlops_assets.checks.rows import accepted_rows, check_rows, quarantine
from mlops_assets_tests.checks.rows_schemas import Keyed, Trips, keyed, trips


def pandera_rejects(frame: pd.DataFrame) -> set[int]:
    """Positions that pandera rejects, uniqueness aside, asked one frame at a time."""
    try:
        Trips.to_schema().validate(frame.reset_index(drop=True), lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        return set(cases.loc[cases["check"] != "field_uniqueness", "index"].dropna().astype(int))
    return set()


@pytest.mark.integration
@given(trips())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_row_breaks_a_rule_exactly_when_pandera_says_so(frame):
    """pandera is the reference for what a schema means; only uniqueness is judged otherwise."""
    report = check_rows(frame, Trips)
    clash = report.failures["rule"].str.startswith("unique")
    assert set(report.failures.loc[~clash, "row"]) == pandera_rejects(frame)
    Trips.validate(frame.reset_index(drop=True)[report.accepted])


@pytest.mark.integration
@given(trips())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_row_is_either_accepted_or_in_quarantine_with_a_reason(frame):
    report = check_rows(frame, Trips)
    kept = quarantine(frame, report)
    assert sorted([*np.flatnonzero(report.accepted), *kept["row"]]) == list(range(len(frame)))
    assert kept["reasons"].str.len().gt(0).all()
    assert set(kept["row"]) == set(report.failures["row"])
    assert len(accepted_rows(frame, report, Trips)) == report.accepted.sum()


@pytest.mark.integration
@given(trips(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_accepted_does_not_depend_on_the_order_of_the_rows(frame, random):
    """A file delivered in another order must not change the training data (fault 28)."""
    order = list(range(len(frame)))
    random.shuffle(order)
    shuffled = frame.iloc[order]

    def accepted(rows: pd.DataFrame) -> Counter:
        kept = accepted_rows(rows, check_rows(rows, Trips), Trips)
        return Counter(kept.astype(object).where(kept.notna(), None).itertuples(index=False))

    assert accepted(frame) == accepted(shuffled)


def test_equal_twins_leave_one_and_differing_twins_leave_none():
    frame = keyed(("A", 1, 5), ("A", 1, 5), ("B", 1, 5), ("C", 1, 5), ("C", 1, 6), ("C", 1, 5))
    report = check_rows(frame, Keyed)
    assert report.accepted.tolist() == [True, False, True, False, False, False]
    assert quarantine(frame, report)["reasons"].tolist() == [
        "origin, flight: unique, repeats row 0",
        "origin, flight: unique, conflicts with row 4",
        "origin, flight: unique, conflicts with row 3",
        "origin, flight: unique, conflicts with row 3",
    ]


def test_a_broken_twin_does_not_evict_a_good_row():
    report = check_rows(keyed(("A", 1, 5), ("A", 1, 5000)), Keyed)
    assert report.accepted.tolist() == [True, False]


def test_twins_with_nulls_are_equal_and_signed_zeros_are_not():
    nulls = check_rows(keyed(("A", 1, np.nan), ("A", 1, np.nan)), Keyed)
    assert nulls.accepted.tolist() == [True, False]
    zeros = check_rows(keyed(("A", 1, 0.0), ("A", 1, -0.0)), Keyed)
    assert zeros.accepted.tolist() == [False, False]


def test_missing_keys_clash_as_they_do_in_pandera():
    class Tagged(pa.DataFrameModel):
        tag: str = pa.Field(nullable=True, unique=True)
        x: float = pa.Field(nullable=True, unique=True)

    frame = pd.DataFrame({"tag": ["a", None, None, "b"], "x": [np.nan, 1.0, 2.0, np.nan]})
    report = check_rows(frame.astype({"tag": "str"}), Tagged)
    assert report.failures.groupby("column")["row"].agg(list).to_dict() == {
        "tag": [1, 2],
        "x": [0, 3],
    }


def test_a_duplicate_index_costs_no_valid_row_as_it_does_in_pandera():
    """pandera's drop_invalid_rows drops by label: one bad row takes all of its label along."""

    class Positive(pa.DataFrameModel):
        x: int = pa.Field(gt=0)

        class Config:
            drop_invalid_rows = True

    frame = pd.DataFrame({"x": [1, -1, 2]}, index=[0, 0, 1])
    assert check_rows(frame, Positive).accepted.tolist() == [True, False, True]
    assert Positive.validate(frame, lazy=True)["x"].tolist() == [2], "the control: 1 is lost"


def test_declared_exceptions_let_infinities_and_controls_pass():
    class Lenient(pa.DataFrameModel):
        x: float = pa.Field(metadata={"allow_inf": True})
        text: str = pa.Field(metadata={"allow_control": True})

    frame = pd.DataFrame({"x": [np.inf], "text": ["\x00"]})
    assert check_rows(frame, Lenient).accepted.all()


def test_a_slice_of_text_is_judged_by_its_own_bytes():
    """Arrow shares buffers: what stands before or after a slice is not the slice's fault."""

    class Text(pa.DataFrameModel):
        name: str

    whole = pd.DataFrame({"name": pd.Series(["\x00", "fine", "\x01", "ok"], dtype="str")})
    assert check_rows(whole, Text).accepted.tolist() == [False, True, False, True]
    assert check_rows(whole.iloc[1:2], Text).accepted.tolist() == [True]
    assert check_rows(whole.iloc[2:], Text).accepted.tolist() == [False, True]
