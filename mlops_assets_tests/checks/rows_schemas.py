"""Schemas and frames that the tests of rows share: every rule, shared keys, poisoned values."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa
from hypothesis import strategies as st


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


class Keyed(pa.DataFrameModel):
    origin: str
    flight: int
    delay: float = pa.Field(nullable=True, lt=1000)

    class Config:
        unique: ClassVar = ["origin", "flight"]


def keyed(*rows: tuple[str, int, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["origin", "flight", "delay"])
    return frame.astype({"origin": "str", "delay": "float64"})


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
