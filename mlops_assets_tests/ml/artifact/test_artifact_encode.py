"""The encoder against a one-value-at-a-time reference, and every form in which columns come."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.ml.artifact.encode import FEW, Encoder
from mlops_assets.ml.artifact.errors import EncodingError
from mlops_assets.ml.artifact.spec import CategoryColumn, FeatureSpec, NumberColumn
from mlops_assets_tests.ml.artifact.test_artifact_spec import columns, spec


def reference(column: NumberColumn | CategoryColumn, value: Any) -> list[float]:
    """One value by the words of the specification."""
    if isinstance(column, NumberColumn):
        number = math.nan if value is None else float(value)
        if math.isnan(number) and column.missing == "error":
            raise ValueError
        if math.isnan(number) and column.missing != "nan":
            number = float(column.missing)
        with np.errstate(over="ignore"):
            result = np.float32((np.float64(number) - column.mean) / column.scale)
        if np.isinf(number) or np.isinf(result):
            raise ValueError
        return [float(result)]
    what = "missing" if not value else "known" if value in column.vocabulary else "unknown"
    policy = {"missing": column.missing, "unknown": column.unknown}.get(what)
    if policy == "error":
        raise ValueError
    words = [*column.vocabulary, *(f"?{name}" for name in column.own)]
    word = value if what == "known" else f"?{what}" if policy == "own" else None
    if policy == "own":
        position = len(column.vocabulary) + column.own.index(what)
    else:
        position = words.index(word) if word is not None else -1
    if column.encoding == "ordinal":
        return [float(position) if position >= 0 else math.nan]
    if policy == "nan":
        return [math.nan] * len(words)
    return [float(index == position) for index in range(len(words))]


@st.composite
def cases(draw: st.DrawFn) -> tuple[FeatureSpec, dict[str, list[Any]]]:
    """A spec and rows for it, good and bad."""
    entries = draw(st.lists(columns, min_size=1, max_size=4))
    made = FeatureSpec.from_json(spec(*entries))
    size = draw(st.integers(0, 6))
    values: dict[str, list[Any]] = {}
    for column in made.columns:
        one: st.SearchStrategy[Any]
        if isinstance(column, NumberColumn):
            one = st.none() | st.floats() | st.integers(-(10**6), 10**6) | st.booleans()
        else:
            one = st.none() | st.sampled_from(column.vocabulary) | st.text(max_size=3)
        values[column.name] = draw(st.lists(one, min_size=size, max_size=size))
    return made, values


@pytest.mark.filterwarnings("ignore:overflow encountered")
@given(cases(), st.sampled_from([1, FEW + 1]))
def test_the_encoder_does_what_the_spec_says(
    case: tuple[FeatureSpec, dict[str, list[Any]]], times: int
) -> None:
    """Guards against a shortcut that treats some mixture of values differently, in the encoder for
    a few rows and in the one for many."""
    made, values = case
    values = {name: column * times for name, column in values.items()}
    rows = list(zip(*values.values(), strict=True))
    try:
        pairs = [list(zip(made.columns, row, strict=True)) for row in rows]
        expected = [[x for column, v in row for x in reference(column, v)] for row in pairs]
    except ValueError:
        with pytest.raises(EncodingError):
            Encoder(made).encode(values)
        return
    got = Encoder(made).encode(values)
    assert got.dtype == np.float32
    assert got.shape == (len(rows), made.width)
    np.testing.assert_array_equal(got, np.array(expected).reshape(len(rows), made.width))


def repeated(values: Any, times: int) -> Any:
    """The column, repeated without a change of its type."""
    if isinstance(values, pd.Series):
        return pd.concat([values] * times, ignore_index=True)
    return values * times if isinstance(values, list) else np.tile(values, times)


NUMBER = FeatureSpec.from_json(spec({"type": "number"}))
CATEGORY = FeatureSpec.from_json(
    spec({"type": "category", "vocabulary": ["3", "a"], "missing": "own", "unknown": "zero"})
)


@pytest.mark.parametrize("times", [1, FEW])
@pytest.mark.parametrize(
    "values",
    [
        [1, 0, None],
        [True, False, None],
        np.array([1.0, 0.0, np.nan]),
        np.array([1, 0, None], dtype=object),
        pd.Series([1, 0, None], dtype="Int64"),
        pd.Series([True, False, None], dtype="boolean"),
        pd.Series([1.0, 0.0, None], dtype="float32"),
        pd.Series([1, 0, None], dtype="int8[pyarrow]"),
    ],
    ids=lambda values: f"{type(values).__name__}-{getattr(values, 'dtype', '')}",
)
def test_numbers_come_in_any_container(values: Any, times: int) -> None:
    """Guards against pandas' nullable types being refused, or read as something else."""
    expected = np.array([1, 0, np.nan] * times, dtype=np.float32)
    got = Encoder(NUMBER).encode({"c0": repeated(values, times)})
    np.testing.assert_array_equal(got[:, 0], expected)


@pytest.mark.parametrize("times", [1, FEW])
@pytest.mark.parametrize(
    "values",
    [
        ["3", "a", None],
        [3, "a", ""],
        [3.0, "a", math.nan],
        np.array(["3", "a", ""]),
        pd.Series(["3", "a", None]),
        pd.Series(["3", "a", None], dtype=object),
        pd.Series(["3", "a", None], dtype="category"),
        pd.Series(["3", "a", None], dtype="string[pyarrow]"),
    ],
    ids=lambda values: f"{type(values).__name__}-{getattr(values, 'dtype', '')}",
)
def test_categories_come_in_any_container(values: Any, times: int) -> None:
    """Guards against one word having several spellings: 3, 3.0 and "3"; None, NaN and ""."""
    got = Encoder(CATEGORY).encode({"c0": repeated(values, times)})
    np.testing.assert_array_equal(got, np.tile(np.eye(3), (times, 1)))


@pytest.mark.parametrize(
    ("made", "values", "said"),
    [
        (NUMBER, [1, "2"], r"row 2, column 'c0': is not a number: '2'"),
        (NUMBER, [1, math.inf], "row 2, column 'c0': is infinite"),
        (NUMBER, np.array([1, -np.inf]), "row 2, column 'c0': is infinite"),
        (NUMBER, [1, 1e39], "row 2, column 'c0': is out of the range"),
        (NUMBER, [1, 10**400], "row 2, column 'c0': is out of the range"),
        (NUMBER, [1, [2]], "row 2, column 'c0': is not a number"),
        (NUMBER, [1, 2j], "row 2, column 'c0': is not a number"),
        (NUMBER, np.array([1j]), "is of type complex128"),
        (NUMBER, pd.Series(["2013-01-01"], dtype="datetime64[ns]"), "is of type datetime64"),
        (NUMBER, np.ones((2, 2)), "one-dimensional"),
        (NUMBER, "12", "must be a list"),
        (CATEGORY, ["a", True], "row 2, column 'c0': is not a category: True"),
        (CATEGORY, ["a", 1.5], "row 2, column 'c0': is not a category: 1.5"),
        (CATEGORY, ["a", ["a"]], "row 2, column 'c0': is not a category"),
    ],
)
@pytest.mark.parametrize("times", [1, 2 * FEW])
def test_a_wrong_value_is_named(made: FeatureSpec, values: Any, said: str, times: int) -> None:
    """Guards against a number made up for a value that is none."""
    values = values if isinstance(values, str) or times == 1 else repeated(values, times)
    with pytest.raises(EncodingError, match=said):
        Encoder(made).encode({"c0": values})


def test_columns_must_be_there_and_of_one_length() -> None:
    """Guards against NumPy broadcasting a short column over all rows."""
    two = FeatureSpec.from_json(spec({"type": "number"}, {"type": "number"}))
    with pytest.raises(EncodingError, match="column 'c1': is missing"):
        Encoder(two).encode({"c0": [1]})
    with pytest.raises(EncodingError, match="column 'c1': has 1 rows, others have 2"):
        Encoder(two).encode({"c0": [1, 2], "c1": [1]})


def test_an_error_holds_no_vocabulary() -> None:
    """Guards against telling callers which categories exist, or echoing a long value back."""
    strict = {"type": "category", "vocabulary": ["secret"], "unknown": "error"}
    with pytest.raises(EncodingError) as caught:
        Encoder(FeatureSpec.from_json(spec(strict))).encode({"c0": ["x" * 1000]})
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 150


def test_the_cast_to_float32_comes_last() -> None:
    """Guards against rounding before scaling; an early cast (the control) is wrong here."""
    mean, scale, value = 1_000_000.0, 300.0, 1_000_000.013
    made = FeatureSpec.from_json(spec({"type": "number", "mean": mean, "scale": scale}))
    exact = np.float32((value - mean) / scale)
    assert Encoder(made).encode({"c0": [value]})[0, 0] == exact
    assert (np.float32(value) - np.float32(mean)) / np.float32(scale) != exact
