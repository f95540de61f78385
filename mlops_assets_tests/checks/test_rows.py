"""Quarantine: which rows a schema accepts, and what is kept of the others."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from mlops_assets.checks import rows_record
from mlops_assets.checks.rows import (
    RowReport,
    SchemaMismatch,
    accepted_rows,
    check_columns,
    check_rows,
    failure_summary,
    quarantine,
)


class Trips(pa.DataFrameModel):
    key: int = pa.Field(ge=0, unique=True)
    late: float = pa.Field(nullable=True, in_range={"min_value": -10, "max_value": 10})
    speed: float = pa.Field(gt=0, lt=100, ne=13)
    seats: pd.Int64Dtype = pa.Field(nullable=True, le=9)
    carrier: str = pa.Field(isin=["AA", "UA", "WN"])
    note: str = pa.Field(nullable=True, str_length={"max_value": 4}, str_matches=r"[a-z]")
    time: pd.Timestamp = pa.Field(nullable=True, ge=pd.Timestamp("2013-01-01"))

    @pa.check("speed", name="whole_tenths")
    @classmethod
    def whole_tenths(cls, values: pd.Series) -> pd.Series:
        return (values * 10).round(6) % 1 == 0

    @pa.check("note", element_wise=True, name="no_z")
    @classmethod
    def no_z(cls, value: str) -> bool:
        return "z" not in value

    @pa.dataframe_check(name="late_below_speed")
    @classmethod
    def late_below_speed(cls, frame: pd.DataFrame) -> pd.Series:
        return ~(frame["late"] >= frame["speed"])

    class Config:
        strict = True


def some(values: list[object]) -> st.SearchStrategy[object]:
    return st.sampled_from(values)


@st.composite
def trips(draw: st.DrawFn) -> pd.DataFrame:
    """Frames of few values, so that every rule and many shared keys come up, under any index."""
    row = st.tuples(
        some([-1, 0, 1, 2, 3]),
        some([None, -10.0, 3.0, 10.5]),
        some([None, 0.0, 5.0, 5.05, 13.0, 50.0]),
        some([None, 1, 9, 10]),
        some([None, "AA", "UA", "XX"]),
        some([None, "", "ab", "abcde", "Ab", "az", "b"]),
        some([None, "2012-12-31", "2013-01-01"]),
    )
    table = draw(st.lists(row, max_size=12))
    index = draw(st.lists(some([0, 1, 7]), min_size=len(table), max_size=len(table)))
    frame = pd.DataFrame(
        table, columns=["key", "late", "speed", "seats", "carrier", "note", "time"], dtype=object
    )
    frame["time"] = pd.to_datetime(frame["time"])
    kinds = {"late": "float64", "speed": "float64", "seats": "Int64", "key": "int64"}
    return frame.astype({**kinds, "carrier": "str", "note": "str"}).set_index(pd.Index(index))


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


@given(trips())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_row_is_either_accepted_or_in_quarantine_with_a_reason(frame):
    report = check_rows(frame, Trips)
    kept = quarantine(frame, report)
    assert sorted([*np.flatnonzero(report.accepted), *kept["row"]]) == list(range(len(frame)))
    assert kept["reasons"].str.len().gt(0).all()
    assert set(kept["row"]) == set(report.failures["row"])
    assert len(accepted_rows(frame, report, Trips)) == report.accepted.sum()


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


class Keyed(pa.DataFrameModel):
    origin: str
    flight: int
    delay: float = pa.Field(nullable=True, lt=1000)

    class Config:
        unique: ClassVar = ["origin", "flight"]


def keyed(*rows: tuple[str, int, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["origin", "flight", "delay"])
    return frame.astype({"origin": "str", "delay": "float64"})


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


class Poison(pa.DataFrameModel):
    amount: float = pa.Field(nullable=True)
    count: int = pa.Field(nullable=True)
    name: str = pa.Field(str_length={"min_value": 1})


POISON = [
    (1.0, 1, "fine", ""),
    (np.nan, 2, "fine too", ""),
    (np.inf, 3, "a", "amount: finite"),
    (-np.inf, 3, "a", "amount: finite"),
    (1e308, 4, "still a number", ""),
    (1.0, 2**63, "a", "count: dtype(int64)"),
    (1.0, -(2**63), "the least that fits", ""),
    (1.0, "7", "a", "count: dtype(int64)"),
    (1.0, True, "a", "count: dtype(int64)"),
    (1.0, None, "a", "count: dtype(int64)"),
    (2**63 + 1, 1, "a", "amount: dtype(float64)"),
    (1.0, 1, "nul\x00", "name: plain_text"),
    (1.0, 1, "abc\u202eexe", "name: plain_text"),
    (1.0, 1, "c1\x85", "name: plain_text"),
    (1.0, 1, "tab\tline\nçà et là 東京", ""),
    (1.0, 1, "\ud800", "name: dtype(str)"),
    (1.0, 1, 5, "name: dtype(str)"),
    (1.0, 1, None, "name: not_nullable"),
    (1.0, 1, "", "name: str_length(1, None)"),
]


def poison() -> pd.DataFrame:
    names = ["amount", "count", "name"]
    return pd.DataFrame([row[:3] for row in POISON], columns=names, dtype=object)


def test_poison_goes_to_quarantine_with_its_reason():
    """Fault 30: one poisoned row must cost one row, neither the partition nor the reason."""
    frame = poison()
    report = check_rows(frame, Poison)
    kept = quarantine(frame, report).set_index("row")["reasons"]
    assert [kept.get(at, "") for at in range(len(POISON))] == [row[3] for row in POISON]


def test_accepted_rows_of_mixed_columns_have_the_dtypes_of_the_schema():
    frame = poison()
    good = accepted_rows(frame, check_rows(frame, Poison), Poison)
    assert good.dtypes.astype(str).to_dict() == {
        "amount": "float64",
        "count": "int64",
        "name": "str",
    }
    assert good["count"].tolist() == [1, 2, 4, -(2**63), 1]


def test_quarantine_loses_nothing_of_poisoned_values():
    frame = poison()
    kept = quarantine(frame, check_rows(frame, Poison))
    for row, record in zip(kept["row"], kept["record"], strict=True):
        said = rows_record.decode(record)
        assert repr(tuple(said.values())) == repr(POISON[row][:3])
        record.encode("ascii" if row in (11, 12, 13, 15) else "utf-8")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]))
    | st.binary(max_size=5)
    | st.decimals()
    | st.dates()
    | st.datetimes().map(pd.Timestamp),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.just("$float"), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_record_survives_the_way_through_json(record):
    text = rows_record.encode({name: rows_record.jsonable(v) for name, v in record.items()})
    text.encode("utf-8")
    assert "\n" not in text
    assert repr(rows_record.decode(text)) == repr(record)


def test_records_hold_numpy_values_and_typed_columns():
    assert rows_record.decode('{"x": {"$date": "2013-01-02"}}') == {"x": date(2013, 1, 2)}
    assert rows_record.jsonable(np.float32(0.5)) == 0.5
    assert rows_record.jsonable(Decimal("1.10")) == {"$decimal": "1.10"}
    assert rows_record.jsonable(np.int64(2)) == 2
    assert rows_record.column_values(pd.Series(["a", None], dtype="str")) == ["a", None]
    times = pd.Series(pd.to_datetime(["2013-01-01 05:00", None]).tz_localize("UTC"))
    assert rows_record.column_values(times) == ["2013-01-01T05:00:00+00:00", None]


def test_a_redacted_column_appears_nowhere():
    """Security demand 10: personal data stays out of the quarantine table and of metadata."""
    secret = "canary-4711"
    frame = keyed((secret, 1, 5000.0), ("B", 2, 1.0))
    report = check_rows(frame, Keyed)
    kept = quarantine(frame, report, redact=["origin"])
    assert rows_record.decode(kept["record"][0])["origin"] == "«redacted»"
    assert secret not in kept.to_csv() + failure_summary(report).to_csv()
    assert secret in quarantine(frame, report)["record"][0], "the control: unredacted it is there"


def test_a_misspelt_redaction_is_an_error():
    frame = keyed(("A", 1, 5000.0))
    with pytest.raises(ValueError, match=r"redact names \['orgin'\]"):
        quarantine(frame, check_rows(frame, Keyed), redact=["orgin"])


def test_the_summary_counts_rows_by_rule():
    frame = keyed(("A", 1, 5000.0), ("B", 1, 6000.0), ("C", 1, np.inf))
    assert failure_summary(check_rows(frame, Keyed)).to_dict("records") == [
        {"column": "delay", "rule": "less_than(1000)", "rows": 3},
        {"column": "delay", "rule": "finite", "rows": 1},
    ]


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


def test_a_bug_in_a_check_is_not_bad_data():
    """A check that raises must fail the run: swallowed, it would pass or condemn every row."""

    class Buggy(pa.DataFrameModel):
        x: int

        @pa.check("x")
        @classmethod
        def broken(cls, values: pd.Series) -> pd.Series:
            raise ZeroDivisionError("the check itself")

    with pytest.raises(ZeroDivisionError, match="the check itself"):
        check_rows(pd.DataFrame({"x": [1]}), Buggy)


@pytest.mark.parametrize("answer", [True, np.True_])
def test_one_answer_for_all_rows_passes_when_true(answer):
    assert check_rows(pd.DataFrame({"x": [1, 2]}), _scalar(answer)).accepted.all()


@pytest.mark.parametrize("answer", [False, np.False_])
def test_one_answer_for_all_rows_fails_the_partition_when_false(answer):
    with pytest.raises(SchemaMismatch, match="volume failed for the partition as a whole"):
        check_rows(pd.DataFrame({"x": [1, 2]}), _scalar(answer))


def _scalar(answer: object) -> type[pa.DataFrameModel]:
    class Volume(pa.DataFrameModel):
        x: int

        @pa.dataframe_check(name="volume")
        @classmethod
        def volume(cls, frame: pd.DataFrame) -> object:
            return answer

    return Volume


def test_a_check_of_cells_names_the_column_of_each():
    class Cells(pa.DataFrameModel):
        x: int
        y: int

        @pa.dataframe_check(name="positive")
        @classmethod
        def positive(cls, frame: pd.DataFrame) -> pd.DataFrame:
            return frame > 0

    report = check_rows(pd.DataFrame({"x": [1, -1], "y": [-1, 1]}, index=[5, 5]), Cells)
    assert report.failures[["row", "column"]].to_numpy().tolist() == [[0, "y"], [1, "x"]]


def test_an_answer_under_another_index_is_an_error():
    """An unaligned answer would blame the wrong rows."""

    class Shifted(pa.DataFrameModel):
        x: int

        @pa.check("x")
        @classmethod
        def filtered(cls, values: pd.Series) -> pd.Series:
            return values[values > 0] > 1

    with pytest.raises(TypeError, match="return one boolean for each row"):
        check_rows(pd.DataFrame({"x": [1, -1]}), Shifted)


def test_a_custom_check_named_like_a_built_in_is_run_as_written():
    class Namesake(pa.DataFrameModel):
        x: int

        @pa.check("x", name="isin")
        @classmethod
        def isin(cls, values: pd.Series) -> pd.Series:
            return values > 1

    assert check_rows(pd.DataFrame({"x": [1, 2]}), Namesake).accepted.tolist() == [False, True]


def test_schemas_that_change_data_or_need_an_index_are_refused():
    class Parsing(pa.DataFrameModel):
        x: int

        @pa.parser("x")
        @classmethod
        def double(cls, values: pd.Series) -> pd.Series:
            return values * 2

    with pytest.raises(TypeError, match="parsers"):
        check_rows(pd.DataFrame({"x": [1]}), Parsing)


def test_a_report_that_lost_a_reason_or_a_row_is_noticed():
    """The invariant is asserted where the rows are written, not only in tests."""
    frame = keyed(("A", 1, 1.0), ("B", 1, 1.0))
    report = check_rows(frame, Keyed)
    with pytest.raises(AssertionError, match="1 without a reason"):
        quarantine(frame, RowReport(np.array([True, False]), report.failures))
    with pytest.raises(ValueError, match="give the frame that was checked"):
        quarantine(frame.head(1), report)
