"""Which rows break which rule: the positions of bad rows, for columns that have their dtype.

Belongs here: nulls, infinities and pandera's checks. Does not belong here: dtypes
(`rows_columns`), uniqueness (`rows_unique`), reports and quarantine (`rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.api.function_dispatch import Dispatcher

from mlops_assets.checks.rows_columns import (
    Positions,
    SchemaMismatch,
    TypedColumn,
    dtype_name,
)
from mlops_assets.checks.rows_text import control_characters

Broken = tuple[str, Positions]  # the rule, and the rows that break it
Statistics = Mapping[str, Any]


def _in_range(v: Any, s: Statistics) -> Any:
    above = v >= s["min_value"] if s["include_min"] else v > s["min_value"]
    return above & (v <= s["max_value"] if s["include_max"] else v < s["max_value"])


def _str_length(v: pd.Series, s: Statistics) -> Any:
    length = v.str.len()
    if s.get("exact_value") is not None:
        return length == s["exact_value"]
    low, high = s.get("min_value"), s.get("max_value")
    above = length >= low if low is not None else True
    return above & (length <= high) if high is not None else above


_COMPARISONS: dict[str, Callable[[Any, Statistics], Any]] = {
    "equal_to": lambda v, s: v == s["value"],
    "not_equal_to": lambda v, s: v != s["value"],
    "greater_than": lambda v, s: v > s["min_value"],
    "greater_than_or_equal_to": lambda v, s: v >= s["min_value"],
    "less_than": lambda v, s: v < s["max_value"],
    "less_than_or_equal_to": lambda v, s: v <= s["max_value"],
    "in_range": _in_range,
}
_MEMBERSHIP: dict[str, Callable[[pd.Series, Statistics], Any]] = {
    "isin": lambda v, s: v.isin(list(s["allowed_values"])),
    "notin": lambda v, s: ~v.isin(list(s["forbidden_values"])),
    "str_matches": lambda v, s: v.str.match(s["pattern"], na=False),
    "str_contains": lambda v, s: v.str.contains(s["pattern"], na=False),
    "str_startswith": lambda v, s: v.str.startswith(s["string"], na=False),
    "str_endswith": lambda v, s: v.str.endswith(s["string"], na=False),
    "str_length": _str_length,
}


def column_failures(column: TypedColumn) -> Iterator[Broken]:
    """The broken rules of one column: dtype, not_nullable, finite, plain_text, then its checks."""
    metadata = column.schema.metadata or {}
    yield f"dtype({dtype_name(column.schema)})", column.misfits
    if not column.schema.nullable:
        yield "not_nullable", column.missing
    values = column.values
    if len(values) == 0:
        return
    is_float = isinstance(values.dtype, np.dtype) and values.dtype.kind == "f"
    if is_float and not metadata.get("allow_inf"):
        yield "finite", _at(values, np.isinf(values.to_numpy()))
    is_text = pd.api.types.is_string_dtype(values.dtype) and values.dtype != object
    if is_text and not metadata.get("allow_control") and not _has_closed_set(column.schema):
        yield "plain_text", _at(values, control_characters(values))
    for check in column.schema.checks:
        if not check.raise_warning:
            yield rule_name(check), _check_failures(check, column)


def _has_closed_set(schema: pa.Column) -> bool:
    return any(_builtin(check) == "isin" for check in schema.checks)


def rule_name(check: pa.Check) -> str:
    """What a check is called in reasons: pandera's error text, else the function's name."""
    name = " ".join(str(check.error or check.name).split())
    return name if len(name) <= 120 else name[:119] + "…"


def _builtin(check: pa.Check) -> str | None:
    # Not check.registry_name: a custom check that happens to be named "isin" would pass for one.
    return check._check_fn.__name__ if isinstance(check._check_fn, Dispatcher) else None


def _check_failures(check: pa.Check, column: TypedColumn) -> Positions:
    values, name, limits = column.values, _builtin(check), check.statistics or {}
    fast = check.ignore_na and check.groupby is None and not check.element_wise
    if fast and name in _COMPARISONS and values.dtype != object:
        numbers = isinstance(values.dtype, np.dtype) and values.dtype.kind in "iufb"
        good = _COMPARISONS[name](values.to_numpy() if numbers else values, limits)
    elif fast and name in _MEMBERSHIP:
        good = _MEMBERSHIP[name](values, limits)
    else:
        return _by_pandera(check, values, column.name)
    bad = ~_as_mask(good)
    if len(column.missing):
        bad &= values.notna().to_numpy()
    return _at(values, bad)


def _as_mask(good: Any) -> np.ndarray:
    if isinstance(good, np.ndarray):
        return good
    return good.to_numpy(dtype=bool, na_value=False)


def _at(values: pd.Series, bad: np.ndarray) -> Positions:
    return values.index.to_numpy()[bad] if bad.any() else np.empty(0, dtype=np.int64)


def _by_pandera(check: pa.Check, values: pd.Series, column: str) -> Positions:
    """Run a custom check as pandera does (nulls dropped first); what it raises propagates."""
    if check.ignore_na:
        values = values.dropna()
    if not len(values):
        return np.empty(0, dtype=np.int64)
    if check.groupby is not None:
        raise TypeError(
            f"{column}: the check {rule_name(check)} uses groupby, which answers for groups, not "
            "rows: write it as a dataframe_check that answers one boolean for each row"
        )
    return _answered(check(values).check_output, values.index, f"{column}: {rule_name(check)}")


def frame_failures(check: pa.Check, frame: pd.DataFrame) -> Iterator[tuple[str, Positions]]:
    """(column, bad rows) of a dataframe-level check; the column is "(row)" unless the check
    answers for each cell. `frame` is indexed by row position."""
    if not len(frame) or check.raise_warning:
        return
    answer = check(frame).check_output
    where = f"dataframe check {rule_name(check)}"
    if isinstance(answer, pd.DataFrame):
        for name in answer.columns:
            yield str(name), _answered(answer[name], frame.index, where)
    else:
        yield "(row)", _answered(answer, frame.index, where)


def _answered(answer: Any, index: pd.Index, where: str) -> Positions:
    if isinstance(answer, (bool, np.bool_)):
        if answer:
            return np.empty(0, dtype=np.int64)
        raise SchemaMismatch(
            f"{where} failed for the partition as a whole; it gives one answer for all rows, so "
            "none can be quarantined: repair the source, or answer row by row"
        )
    if not answer.index.equals(index):
        raise TypeError(
            f"{where} answered {len(answer)} values under another index than its input's "
            f"{len(index)} rows: return one boolean for each row"
        )
    return index.to_numpy()[~answer.to_numpy(dtype=bool, na_value=False)]
