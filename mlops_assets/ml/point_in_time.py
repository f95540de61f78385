"""Would the features have been the same at the moment of prediction? Recompute and compare.

Belongs here: the data as known at a moment, features recomputed from it, and what differs from
the stored ones. Does not belong here: which rows are sampled, and the asset check around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

Features = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]


def as_known(
    frame: pd.DataFrame, moment: pd.Timestamp, known_at: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """`frame` with every value nulled that became known after `moment`.

    `known_at` maps a timestamp column to the columns that become known at that time; the
    timestamp is itself such a column, and NaT means never known. To hold nulls, whole numbers
    become float64 and booleans "boolean", but only in columns that lose a value. The input is
    not changed. ValueError for a column that the frame lacks.

    >>> frame = pd.DataFrame({"landed": pd.to_datetime(["2013-01-01 10:00"]), "delay": [7.0]})
    >>> as_known(frame, pd.Timestamp("2013-01-01 09:00"), {"landed": ["delay"]})["delay"].tolist()
    [nan]
    """
    result = frame.copy(deep=False)
    for known_column, columns in known_at.items():
        absent = [name for name in (known_column, *columns) if name not in frame.columns]
        if absent:
            raise ValueError(
                f"known_at names {absent}, which the frame lacks; it has {list(frame.columns)}"
            )
        unknown = ~(frame[known_column] <= moment).to_numpy(dtype=bool, na_value=False)
        if unknown.any():
            for name in (*columns, known_column):
                result[name] = _nulled(result[name], unknown)
    return result


def recompute(
    features_fn: Features,
    df: pd.DataFrame,
    history: pd.DataFrame,
    rows: Sequence[int],
    *,
    event_time: str,
    horizon: pd.Timedelta,
    lookback: pd.Timedelta,
    known_at: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """The features of the rows at positions `rows` of `df`, from what was known in time.

    For each moment of prediction (event time - horizon) `features_fn(df, history)` sees only
    rows with event times in [event time - lookback, event time], with `as_known` applied, the
    row itself included: a row later than the one predicted is as unknown as its values. Rows of
    the same moment share one call. Returns one row for each position, in the order given, with
    the positions as index. Columns made from later knowledge, such as the label, come back null:
    leave them out of the comparison.

    ValueError when `features_fn` does not answer one row for each row of `df`, in its order.
    """
    positions = np.unique(np.asarray(rows, dtype=np.int64))
    times = df[event_time].iloc[positions]
    if times.isna().any():
        raise ValueError(f"{event_time} is null in a sampled row: sample rows that have a time")
    answers = []
    numbered = df.set_axis(range(len(df)))
    for time in times.drop_duplicates():
        current, past = (
            as_known(_between(frame, event_time, time - lookback, time), time - horizon, known_at)
            for frame in (numbered, history)
        )
        wanted = positions[(times == time).to_numpy()]
        answers.append(_answers(features_fn, current, past, wanted, event_time))
    if not answers:
        return features_fn(df.iloc[:0], history.iloc[:0])
    return pd.concat(answers).loc[list(rows)]


def differences(
    stored: pd.DataFrame, recomputed: pd.DataFrame, *, relative_tolerance: float = 0.0
) -> pd.DataFrame:
    """Where the recomputed features differ from the stored ones: row, column, stored, recomputed.

    `recomputed` comes from `recompute`, `stored` holds the same rows in the same order, with the
    columns to compare (leave out the label). Equal is exact, a null equals a null, 3 equals 3.0;
    `relative_tolerance` is for features with sums of floats, whose last bits depend on where the
    sum began. "row" is the position in `df`. An empty answer is the good one. ValueError for
    another number of rows or a stored column that is not recomputed.

    >>> stored = pd.DataFrame({"x": [1.0, 2.0, None]})
    >>> recomputed = pd.DataFrame({"x": [2.5, None]}, index=[1, 2])
    >>> differences(stored.iloc[[1, 2]], recomputed).values.tolist()
    [[1, 'x', 2.0, 2.5]]
    """
    if len(stored) != len(recomputed):
        raise ValueError(
            f"{len(stored)} stored and {len(recomputed)} recomputed rows: give the same rows, "
            "e.g. stored.iloc[rows]"
        )
    absent = [name for name in stored.columns if name not in recomputed.columns]
    if absent:
        raise ValueError(f"the recomputed features lack {absent}, which are stored")
    found = [
        (int(recomputed.index[at]), name, stored[name].iloc[at], recomputed[name].iloc[at])
        for name in stored.columns
        for at in np.flatnonzero(_differs(stored[name], recomputed[name], relative_tolerance))
    ]
    return pd.DataFrame(found, columns=["row", "column", "stored", "recomputed"])


def _nulled(values: pd.Series, unknown: np.ndarray) -> pd.Series:
    if pd.api.types.is_bool_dtype(values.dtype):
        values = values.astype("boolean")
    return values.mask(unknown)


def _between(
    frame: pd.DataFrame, column: str, first: pd.Timestamp, last: pd.Timestamp
) -> pd.DataFrame:
    return frame[(frame[column] >= first) & (frame[column] <= last)]


def _answers(
    features_fn: Features,
    current: pd.DataFrame,
    past: pd.DataFrame,
    wanted: np.ndarray,
    event_time: str,
) -> pd.DataFrame:
    """The rows `wanted` (labels of `current`) of features_fn's answer, labelled so."""
    answer = features_fn(current.reset_index(drop=True), past.reset_index(drop=True))
    if len(answer) != len(current):
        raise ValueError(
            f"features(df, history) answered {len(answer)} rows for {len(current)} rows of df: "
            "it has to answer one for each, in df's order"
        )
    found = answer.iloc[current.index.get_indexer(wanted)].set_axis(wanted)
    if event_time in found and not (found[event_time] == current.loc[wanted, event_time]).all():
        raise ValueError(
            f"features(df, history) answered rows in another order than df's ({event_time} "
            "differs): keep df's order"
        )
    return found


def _differs(stored: pd.Series, recomputed: pd.Series, relative_tolerance: float) -> np.ndarray:
    null, now_null = stored.isna().to_numpy(), recomputed.isna().to_numpy()
    both = ~null & ~now_null
    result = null != now_null
    before, after = stored[both], recomputed[both]
    if pd.api.types.is_numeric_dtype(before.dtype) and pd.api.types.is_numeric_dtype(after.dtype):
        a, b = before.to_numpy(), after.to_numpy()
        unequal = a != b
        if relative_tolerance:
            unequal &= ~np.isclose(a.astype(float), b.astype(float), relative_tolerance, 0.0)
    else:
        unequal = before.astype(object).to_numpy() != after.astype(object).to_numpy()
    result[np.flatnonzero(both)[np.asarray(unequal, dtype=bool)]] = True
    return result
