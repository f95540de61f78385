"""A feature that knows the future is caught; an honest one is left in peace."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.point_in_time import Features, as_known, differences, recompute

HOUR = pd.Timedelta(hours=1)
HORIZON, LOOKBACK = 2 * HOUR, 24 * HOUR
KNOWN_AT = {"left_at": ["wait"], "landed_at": ["delay", "diverted"]}


def flights(first: str, rows: int, seed: int) -> pd.DataFrame:
    """Flights every 20 minutes, two at a time, some of which never land."""
    rng = np.random.default_rng(seed)
    due = pd.Timestamp(first, tz="UTC") + pd.to_timedelta(20 * (np.arange(rows) // 2), "min")
    wait = rng.exponential(30, rows).round()
    left = pd.Series(due + pd.to_timedelta(wait, "min"))
    landed = left + 2 * HOUR
    gone = rng.random(rows) < 0.1
    return pd.DataFrame(
        {
            "due": due,
            "origin": rng.choice(["EWR", "JFK"], rows),
            "left_at": left,
            "wait": wait.astype(int),
            "landed_at": landed.mask(gone),
            "delay": pd.Series(wait).mask(gone),
            "diverted": gone,
        }
    )


def over_the_last(
    hours: float, column: str, known: str, cut: Callable[[pd.Timestamp], pd.Timestamp]
) -> Features:
    """Mean of `column` over what is known of the `hours` before `cut(due)`."""

    def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
        seen = pd.concat([history, df])
        # In NumPy: these are asked some thousand times.
        moments = seen[known].dt.tz_convert(None).to_numpy()
        numbers = seen[column].to_numpy(float, na_value=np.nan)
        means = []
        for due in df["due"]:
            end = cut(due).tz_convert(None)
            window = (moments > (end - hours * HOUR).to_numpy()) & (moments <= end.to_numpy())
            found = numbers[window & ~np.isnan(numbers)]
            means.append(found.mean() if len(found) else np.nan)
        return pd.DataFrame({"due": df["due"], "mean": means, "hour": df["due"].dt.hour})

    return features


def check(features: Features, **changes: object) -> pd.DataFrame:
    df, history = flights("2013-01-02", 150, 1), flights("2013-01-01", 144, 0)
    rows = [149, 3, 2, 70, 71, 100]
    arguments = {
        "event_time": "due",
        "horizon": HORIZON,
        "lookback": LOOKBACK,
        "known_at": KNOWN_AT,
    } | changes
    again = recompute(features, df, history, rows, **arguments)
    assert again.index.tolist() == rows
    return differences(features(df, history).iloc[rows], again)


def test_an_honest_feature_is_the_same_when_recomputed():
    for known, column in (("left_at", "wait"), ("landed_at", "delay")):
        assert check(over_the_last(6, column, known, lambda due: due - HORIZON)).empty


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("up to the event", over_the_last(6, "wait", "left_at", lambda due: due)),
        ("after the event", over_the_last(6, "delay", "landed_at", lambda due: due + 6 * HOUR)),
        ("known later than used", over_the_last(6, "delay", "due", lambda due: due - HORIZON)),
        ("the event itself", lambda df, history: df[["due"]].assign(mean=df["delay"])),
        ("of all rows", lambda df, history: df[["due"]].assign(mean=df["wait"].mean())),
        ("the next row", lambda df, history: df[["due"]].assign(mean=df["origin"].shift(-2))),
        ("never known", lambda df, history: df[["due"]].assign(mean=df["diverted"].cumsum())),
    ],
)
def test_a_leaky_feature_is_caught(name, features):
    """An event_time <= t window with the flight itself gave AUC .859: too good, and wrong."""
    found = check(features)
    assert set(found["column"]) == {"mean"}


def test_a_feature_that_looks_back_further_than_declared_is_caught():
    """It would have another value for the first rows of a partition than for the last."""
    features = over_the_last(12, "wait", "left_at", lambda due: due - HORIZON)
    assert check(features).empty
    assert not check(features, lookback=6 * HOUR).empty


def test_without_known_at_the_leak_would_pass():
    """The control: it is the declaration of what becomes known when that catches the leak."""
    leak = over_the_last(6, "wait", "left_at", lambda due: due)
    assert not check(leak).empty
    assert check(leak, known_at={}).empty


def test_rows_of_one_moment_share_a_call():
    calls = []

    def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
        calls.append(len(df))
        return df[["due", "origin"]]

    assert check(features).empty
    assert len(calls) == 4 + 1, "six rows at four moments, and the stored features"


def test_inputs_are_left_as_they_were():
    df = flights("2013-01-02", 20, 1)
    before = df.copy()
    recompute(
        over_the_last(6, "wait", "left_at", lambda due: due),
        df,
        df.iloc[:0],
        [5],
        event_time="due",
        horizon=HORIZON,
        lookback=LOOKBACK,
        known_at=KNOWN_AT,
    )
    pd.testing.assert_frame_equal(df, before)


def test_what_is_not_yet_known_is_null_and_what_is_stays():
    moment = pd.Timestamp("2013-01-02 01:00", tz="UTC")
    df = flights("2013-01-02", 40, 1)
    seen = as_known(df, moment, KNOWN_AT)
    later, never = df["left_at"] > moment, df["landed_at"].isna() | (df["landed_at"] > moment)
    assert seen["wait"].isna().equals(later)
    assert seen["left_at"].isna().equals(later)
    assert seen["diverted"].isna().equals(never)
    assert (seen.loc[~later, "wait"] == df.loc[~later, "wait"]).all()
    assert seen["origin"].equals(df["origin"])
    assert len(seen[seen["diverted"]]) == 0, "a nulled boolean still filters"


def test_a_misspelt_column_is_an_error():
    """Silently ignored, the values that it was to hide would be seen."""
    with pytest.raises(ValueError, match=r"known_at names \['dealy'\]"):
        as_known(flights("2013-01-02", 2, 1), pd.Timestamp(0, tz="UTC"), {"left_at": ["dealy"]})


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda df, history: df.head(1), "answered 1 rows for"),
        (lambda df, history: df[["due"]].iloc[::-1], "another order"),
    ],
)
def test_features_that_lose_or_shuffle_rows_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        check(features)


def test_differences_are_exact_but_for_nulls_and_number_types():
    stored = pd.DataFrame(
        {"x": [1.0, np.nan, 3.0, 0.3], "n": [1, 2, 3, 4], "s": ["a", None, "c", "d"]}
    )
    again = pd.DataFrame(
        {"x": [1.0, None, np.nan, 0.1 + 0.2], "n": [1.0, 2, 3, 5], "s": ["a", np.nan, "x", "d"]},
        index=[10, 11, 12, 13],
    )
    found = differences(stored, again)
    assert found[["row", "column"]].to_numpy().tolist() == [
        [12, "x"],
        [13, "x"],
        [13, "n"],
        [12, "s"],
    ]
    assert found["recomputed"].tolist()[2:] == [5.0, "x"]
    tolerant = differences(stored, again, relative_tolerance=1e-9)
    assert tolerant[["row", "column"]].to_numpy().tolist() == [[12, "x"], [13, "n"], [12, "s"]]
    assert differences(stored.head(0), again.head(0)).empty


def test_differences_of_other_rows_or_columns_are_refused():
    stored = pd.DataFrame({"x": [1.0, 2.0]})
    with pytest.raises(ValueError, match="2 stored and 1 recomputed rows"):
        differences(stored, stored.head(1))
    with pytest.raises(ValueError, match=r"lack \['x'\]"):
        differences(stored, stored.rename(columns={"x": "y"}))
