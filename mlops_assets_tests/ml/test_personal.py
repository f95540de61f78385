"""Columns that look personal are found by name and by value; ordinary ones are left alone."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_assets.ml.personal import looks_personal


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("contact", ["ada@example.com", "bob@example.org"]),
        ("reach", ["+49 30 901820", "+1 (212) 555-0199"]),
        ("account", ["DE89 3704 0044 0532 0130 00"]),
        ("source", ["192.168.0.1", "10.0.0.255"]),
        ("number", ["078-05-1120"]),
        ("customer_last_name", ["x"]),
        ("dob", [19700101]),
        ("email", [""]),
    ],
)
def test_found(name, values):
    assert set(looks_personal(pd.DataFrame({name: values}))) == {name}


def test_ordinary_columns_are_left_alone():
    """Flights as they are: a check that cries at carriers would be turned off."""
    frame = pd.DataFrame(
        {
            "carrier": ["9E", "UA"],
            "dest": ["ATL", "ORD"],
            "time_hour": pd.to_datetime(["2013-01-01", "2013-01-02"], utc=True),
            "distance": [762, 719],
            "version": ["1.2.3", "10.0.1"],
            "phonetic": ["a", "b"],
            "empty": [None, None],
        }
    )
    assert looks_personal(frame) == {}


def test_a_stray_address_in_free_text_does_not_make_a_column_personal():
    frame = pd.DataFrame({"note": ["late"] * 99 + ["ada@example.com"]})
    assert looks_personal(frame) == {}
