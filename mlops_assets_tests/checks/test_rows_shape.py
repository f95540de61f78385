"""Frames of another shape fail as a whole; types that do not matter pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from mlops_assets.checks.rows import (
    SchemaMismatch,
    accepted_rows,
    check_columns,
    check_rows,
    failure_summary,
    quarantine,
)
from mlops_assets_tests.checks.rows_schemas import Keyed, Poison, Trips

GOOD = {"origin": ["A"], "flight": [1], "delay": [1.0]}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame(GOOD).drop(columns="flight"), "'flight' is missing .expected int64; found"),
        (pd.DataFrame({**GOOD, "flight": ["x"]}), "'flight' is str, expected int64: read it"),
        (pd.DataFrame({**GOOD, "flight": [1.0]}), "'flight' is float64, expected int64"),
        (pd.DataFrame({**GOOD, "origin": [1]}), "'origin' is int64, expected str"),
        (
            pd.DataFrame({**GOOD, "flight": pd.Series([[1]], dtype=object)}),
            "'flight' is objects such as list, expected int64",
        ),
        (
            pd.DataFrame([["A", 1, 2, 1.0]], columns=["origin", "flight", "flight", "delay"]),
            "twice",
        ),
    ],
)
def test_a_frame_of_another_shape_fails_as_a_whole(frame, message):
    """Fault 29: a schema change upstream is no row's fault and must not quarantine every row."""
    with pytest.raises(SchemaMismatch, match=message):
        check_rows(frame, Keyed)
    with pytest.raises(SchemaMismatch, match=message):
        check_columns(frame, Keyed)


def test_an_additional_column_is_refused_only_under_strict():
    check_columns(pd.DataFrame({**GOOD, "new": [1]}), Keyed)
    frame = pd.DataFrame({"x": [1], "new": [1]})

    class Strict(pa.DataFrameModel):
        x: int

        class Config:
            strict = True

    with pytest.raises(SchemaMismatch, match=r"unexpected columns 'new' .expected 'x'"):
        check_columns(frame, Strict)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(SchemaMismatch, match=r"'origin' is int64.*'delay' is str"):
        check_columns(pd.DataFrame({"origin": [1], "flight": [1], "delay": ["x"]}), Keyed)


def test_units_of_time_and_optional_columns_do_not_matter():
    class Timed(pa.DataFrameModel):
        at: pd.Timestamp
        extra: int | None

    for unit in ("s", "us", "ns"):
        times = pd.Series(pd.to_datetime(["2013-01-01"])).astype(f"datetime64[{unit}]")
        assert check_rows(pd.DataFrame({"at": times}), Timed).accepted.all()
    with pytest.raises(SchemaMismatch, match="UTC"):
        check_columns(pd.DataFrame({"at": times.dt.tz_localize("UTC")}), Timed)


def test_an_empty_frame_without_types_is_accepted_and_typed():
    """Fault 32: a CSV of a header alone has no dtypes, and is an empty partition, not an error."""
    frame = pd.DataFrame(columns=["key", "late", "speed", "seats", "carrier", "note", "time"])
    report = check_rows(frame, Trips)
    assert report.accepted.shape == (0,)
    assert quarantine(frame, report).dtypes.astype(str).tolist() == ["int64", "str", "str"]
    assert accepted_rows(frame, report, Trips)["seats"].dtype == "Int64"


def test_a_column_without_a_value_fits_every_dtype_but_not_every_nullability():
    frame = pd.DataFrame({"amount": [None, None], "count": [1, 2], "name": [np.nan, np.nan]})
    report = check_rows(frame, Poison)
    assert failure_summary(report).to_dict("records") == [
        {"column": "name", "rule": "not_nullable", "rows": 2}
    ]


def test_schemas_that_change_data_or_need_an_index_are_refused():
    class Parsing(pa.DataFrameModel):
        x: int

        @pa.parser("x")
        @classmethod
        def double(cls, values: pd.Series) -> pd.Series:
            return values * 2

    with pytest.raises(TypeError, match="parsers"):
        check_rows(pd.DataFrame({"x": [1]}), Parsing)
