"""What is kept of the rows that a schema refuses, and how they are counted."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.checks import rows_record
from mlops_assets.checks.rows import (
    RowReport,
    accepted_rows,
    check_rows,
    failure_summary,
    quarantine,
)
from mlops_assets_tests.checks.rows_schemas import POISON, Keyed, Poison, keyed, poison


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


recorded = st.recursive(
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


@pytest.mark.integration
@given(st.dictionaries(st.text(max_size=5), recorded, max_size=4))
@settings(max_examples=200, deadline=None)
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


def test_a_report_that_lost_a_reason_or_a_row_is_noticed():
    """The invariant is asserted where the rows are written, not only in tests."""
    frame = keyed(("A", 1, 1.0), ("B", 1, 1.0))
    report = check_rows(frame, Keyed)
    with pytest.raises(AssertionError, match="1 without a reason"):
        quarantine(frame, RowReport(np.array([True, False]), report.failures))
    with pytest.raises(ValueError, match="give the frame that was checked"):
        quarantine(frame.head(1), report)
