"""Frames and digests: whatever fits comes back the same, and only the same has the same digest."""

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from mlops_assets.resources.lake.digest import content_digest
from mlops_assets.resources.lake.frames import common_dtypes, fit, to_arrow, to_pandas

_NONE = pa.schema([])
_SERIES = {
    "text": lambda rows: pd.Series(rows, dtype="str"),
    "Int64": lambda rows: pd.Series(rows, dtype="Int64"),
    "float": lambda rows: pd.Series(rows, dtype="float64"),
    "flag": lambda rows: pd.Series(rows, dtype="boolean"),
}


def _values(kind: str) -> st.SearchStrategy[object]:
    values: dict[str, st.SearchStrategy[object]] = {
        "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        "Int64": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(allow_nan=False),
        "flag": st.booleans(),
    }
    return st.none() | values[kind]


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    length = draw(st.integers(0, 12))
    kinds = draw(st.lists(st.sampled_from(sorted(_SERIES)), min_size=1, max_size=4))
    return pd.DataFrame(
        {
            f"c{position}": _SERIES[kind](
                draw(st.lists(_values(kind), min_size=length, max_size=length))
            )
            for position, kind in enumerate(kinds)
        }
    )


def digest(frame: pd.DataFrame) -> str:
    return content_digest(fit(to_arrow(frame)[0], _NONE))


@given(frames())
def test_what_goes_in_comes_out(frame: pd.DataFrame) -> None:
    data, dtypes = to_arrow(frame)
    assert_frame_equal(to_pandas(fit(data, _NONE), dtypes), frame)


@given(frames(), st.integers(1, 5))
def test_the_digest_does_not_see_chunks_slices_or_bytes_under_nulls(
    frame: pd.DataFrame, size: int
) -> None:
    """The same rows read back, sliced or put together from parts must not look like new data."""
    table = fit(to_arrow(frame)[0], _NONE)
    parts = [table.slice(start, size) for start in range(0, max(len(table), 1), size)]
    assert content_digest(pa.concat_tables(parts)) == content_digest(table)
    padded = pa.concat_tables([table.slice(0, 1), table, table.slice(0, 1)])
    inner = padded.combine_chunks().slice(len(table.slice(0, 1)), len(table))
    assert content_digest(inner) == content_digest(table)


def test_the_digest_does_not_see_what_lies_under_a_missing_value() -> None:
    masks = np.array([False, True])
    frames = [
        pd.DataFrame({"n": pd.arrays.IntegerArray(np.array([1, hidden]), masks)})
        for hidden in (0, 99)
    ]
    assert digest(frames[0]) == digest(frames[1])


def test_the_digest_sees_everything_else() -> None:
    """Moved borders, swapped columns, missing against empty: what naive digests confuse."""
    different = [
        pd.DataFrame({"a": ["ab", "c"]}),
        pd.DataFrame({"a": ["a", "bc"]}),
        pd.DataFrame({"a": ["c", "ab"]}),
        pd.DataFrame({"b": ["ab", "c"]}),
        pd.DataFrame({"a": ["ab"], "b": ["c"]}),
        pd.DataFrame({"b": ["c"], "a": ["ab"]}),
        pd.DataFrame({"a": ["ab", "c", None]}),
        pd.DataFrame({"a": ["ab", "c", ""]}),
        pd.DataFrame({"a": [1, 2]}),
        pd.DataFrame({"a": [1.0, 2.0]}),
        pd.DataFrame({"a": [True, False]}),
        pd.DataFrame({"a": pd.array([1, None], "Int64")}),
        pd.DataFrame({"a": pd.array([1, 0], "Int64")}),
        pd.DataFrame({"a": pd.to_datetime([1, 2], unit="us")}),
        pd.DataFrame({"a": pd.to_datetime([1, 2], unit="us", utc=True)}),
        pd.DataFrame({"a": [[1.0], [2.0, 3.0]]}),
        pd.DataFrame({"a": [[1.0, 2.0], [3.0]]}),
        pd.DataFrame({"a": []}),
        pd.DataFrame(),
    ]
    assert len({digest(frame) for frame in different}) == len(different)


def test_partly_recorded_dtypes_meet_in_one_that_holds_all() -> None:
    assert common_dtypes([{"a": "Int8"}, {"a": "Int8"}]) == {"a": "Int8"}
    assert common_dtypes([{"a": "Int8"}, {}]) == {"a": "Int64"}
    assert common_dtypes([{"a": "Float32"}, {}]) == {"a": "Float64"}
    assert common_dtypes([{"a": "boolean"}, {}]) == {"a": "boolean"}
    assert common_dtypes([{"a": "int8"}, {}]) == {}
    assert common_dtypes([]) == {}
