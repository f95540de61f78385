"""Text columns read as the schema declares: one stray value costs one row, not the partition."""

import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.checks.rows import accepted_rows, check_rows, quarantine
from mlops_assets.checks.rows_columns import SchemaMismatch
from mlops_assets.checks.rows_parse import from_text


class Row(pa.DataFrameModel):
    number: float = pa.Field(ge=0)
    count: int
    maybe: float = pa.Field(nullable=True)
    flag: bool
    at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={"unit": "us", "tz": "UTC"})
    name: str


GOOD = {
    "number": "1.5",
    "count": "3",
    "maybe": None,
    "flag": "true",
    "at": "2024-03-01T10:00:00Z",
    "name": "a",
}
SCHEMA = Row.to_schema()


def text(*rows: dict) -> pd.DataFrame:
    return pd.DataFrame(list(rows)).astype("str")


def test_text_becomes_the_declared_types():
    read = from_text(text(GOOD, GOOD), SCHEMA)
    report = check_rows(read, Row)
    assert report.accepted.all(), report.failures
    typed = accepted_rows(read, report, Row)
    assert typed["number"].tolist() == [1.5, 1.5]
    assert typed["count"].dtype == "int64"
    assert typed["maybe"].isna().all()
    assert typed["flag"].tolist() == [True, True]
    assert typed["at"][0] == pd.Timestamp("2024-03-01 10:00", tz="UTC")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("number", "n/k"),
        ("number", "inf"),
        ("count", "3.5"),
        ("count", "9223372036854775808"),
        ("count", None),
        ("flag", "perhaps"),
        ("at", "yesterday"),
    ],
)
def test_one_stray_value_costs_one_row(column, value):
    """pandas would make text of the whole column, and the partition would fail."""
    raw = text(GOOD, {**GOOD, column: value}, GOOD)
    report = check_rows(from_text(raw, SCHEMA), Row)
    assert report.accepted.tolist() == [True, False, True]
    bad = quarantine(raw, report)
    assert column in bad["reasons"][0]
    if value is not None:
        assert value in bad["record"][0], "the raw text must be kept"


def test_a_column_of_something_else_fails_the_partition():
    raw = text({**GOOD, "number": "x"}, {**GOOD, "number": "y"})
    with pytest.raises(SchemaMismatch, match="number"):
        check_rows(from_text(raw, SCHEMA), Row)


def test_typed_columns_are_left_alone():
    frame = pd.DataFrame({"number": [1.0], "name": ["a"]})
    pd.testing.assert_frame_equal(from_text(frame, SCHEMA), frame)


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=1, max_size=6))
def test_whole_numbers_survive_exactly(values):
    """With one missing value pandas goes through floats, which lose digits above 2^53."""
    schema = pa.DataFrameSchema({"n": pa.Column("Int64", nullable=True)})
    column = pd.Series([None if v is None else str(v) for v in values], dtype="str")
    read = from_text(pd.DataFrame({"n": column}), schema)["n"]
    assert [None if pd.isna(v) else int(v) for v in read] == values
