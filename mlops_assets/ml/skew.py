"""Captured feature rows against the rows of ``features``, value by value.

Here: which values differ. Not here: where the rows come from, what people see of it
(`assets.monitoring.captured.skew`).

Two numbers are the same if they are equal, or equal once rounded to float32: that is what the model
sees, so nothing finer can change an answer. A feature that a caller left out was read by the
endpoint itself, or is not taken by the model: there is nothing to compare, which is counted apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_EXAMPLES = 5


@dataclass(frozen=True)
class Differences:
    """``compared``: captured rows that were found offline; ``different_rows``: of these, with any
    difference; ``columns``: {feature: rows that differ}; ``left_out``: {feature: rows that did not
    send it}; ``examples``: event_id, column, captured, offline."""

    compared: int
    different_rows: int
    columns: Mapping[str, int]
    left_out: Mapping[str, int]
    examples: pd.DataFrame


def compare(
    captured: pd.DataFrame,
    offline: pd.DataFrame,
    columns: Sequence[str],
    *,
    hide: Sequence[str] = (),
) -> Differences:
    """Compare captured rows with the offline rows of the same events.

    Args:
        captured: event_id, left_out and the columns, one row a captured answer.
        offline: event_id and the columns, one row an event.
        hide: personal columns, of which examples show no value.
    """
    found = captured.loc[captured["event_id"].isin(set(offline["event_id"]))]
    same_events = offline.drop_duplicates("event_id", keep="last").set_index("event_id")
    truth = same_events.loc[found["event_id"]]
    lists = found["left_out"].fillna("").str.split(",")
    any_different = np.zeros(len(found), dtype=bool)
    counts, left_out, examples = {}, {}, []
    for column in columns:
        sent = ~np.array([column in names for names in lists], dtype=bool)
        left_out[column] = int((~sent).sum())
        different = sent & ~same(found[column], truth[column])
        counts[column] = int(different.sum())
        any_different |= different
        for place in np.flatnonzero(different)[:_EXAMPLES]:
            values = {"captured": found[column].iloc[place], "offline": truth[column].iloc[place]}
            if column in hide:
                values = dict.fromkeys(values, "(personal)")
            event = found["event_id"].iloc[place]
            examples.append({"event_id": event, "column": column, **values})
    return Differences(
        compared=len(found),
        different_rows=int(any_different.sum()),
        columns={column: rows for column, rows in counts.items() if rows},
        left_out={column: rows for column, rows in left_out.items() if rows},
        examples=pd.DataFrame(examples, columns=["event_id", "column", "captured", "offline"]),
    )


def same(one: pd.Series, other: pd.Series) -> np.ndarray:
    """Row by row, whether two columns hold the same; missing is the same as missing, and as the
    empty text, which is how the endpoint takes it.

    >>> same(pd.Series([0.1, 1.0, None]), pd.Series([np.float32(0.1), 1.5, None])).tolist()
    [True, False, True]
    """
    first, second = _missing(one), _missing(other)
    if _numeric(one) and _numeric(other):
        a, b = _numbers(one), _numbers(other)
        with np.errstate(over="ignore"):
            equal = (a == b) | (a.astype(np.float32) == b.astype(np.float32))
    elif pd.api.types.is_datetime64_any_dtype(one) and pd.api.types.is_datetime64_any_dtype(other):
        equal = _moments(one) == _moments(other)
    else:
        equal = _words(one) == _words(other)
    return np.asarray((first & second) | (equal & ~first & ~second), dtype=bool)


def _missing(values: pd.Series) -> np.ndarray:
    missing = values.isna().to_numpy(bool)
    if pd.api.types.is_string_dtype(values) or values.dtype == object:
        missing = missing | (values.to_numpy(object) == "")
    return np.asarray(missing, dtype=bool)


def _numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)


def _numbers(values: pd.Series) -> np.ndarray:
    return values.astype("Float64").to_numpy(np.float64, na_value=np.nan)


def _moments(values: pd.Series) -> np.ndarray:
    return pd.to_datetime(values, utc=True).dt.as_unit("us").astype("int64").to_numpy()


def _words(values: pd.Series) -> np.ndarray:
    """As the endpoint takes categories: a whole number is its digits."""
    plain = values.astype(object)
    whole = [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in plain]
    return np.array(whole, dtype=object)
