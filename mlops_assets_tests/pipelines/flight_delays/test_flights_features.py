"""Features of flights: what was known two hours before, no more, however it is asked."""

import importlib

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.point_in_time import Features, differences, recompute
from mlops_assets.pipelines.flight_delays.clean import KNOWN_AT
from mlops_assets.pipelines.flight_delays.features import HORIZON, LOOKBACK, candidates, features

SAMPLE = 12
NEVER = pd.Series(pd.NaT, index=[0], dtype="datetime64[us, UTC]")
NOON = pd.Timestamp("2013-03-01T17:00", tz="UTC")


def leaks(function: Features, df: pd.DataFrame, history: pd.DataFrame) -> set[str]:
    """Columns that differ when recomputed from what was known in time."""
    made = function(df, history)
    rows = np.random.default_rng(5).choice(len(df), SAMPLE, replace=False)
    again = recompute(
        function, df, history, rows,
        event_time="scheduled_at", horizon=HORIZON, lookback=LOOKBACK, known_at=KNOWN_AT,
    )  # fmt: skip
    compared = [column for column in made if column != "late"]
    return set(differences(made.iloc[rows][compared], again[compared])["column"])


@pytest.mark.integration
def test_features_are_the_same_from_what_was_known_in_time(
    february: pd.DataFrame, history: pd.DataFrame
) -> None:
    """The project's promise: to the last bit, all columns, real rows."""
    assert leaks(candidates, february, history) == set()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("changed", "column"),
    [
        # Windows that count departures by schedule include those that have not left yet.
        ({"departed_at": "scheduled_at"}, "dep_delay_origin_1h"),
        # Arrivals by their schedule are "landed" before they are.
        ({"arrived_at": "scheduled_arrival_at"}, "arr_delay_all_3h"),
    ],
)
def test_a_leaky_variant_is_caught(
    february: pd.DataFrame, history: pd.DataFrame, changed: dict[str, str], column: str
) -> None:
    """The negative control: the check has to see the mistakes that people make."""

    def leaky(df: pd.DataFrame, past: pd.DataFrame) -> pd.DataFrame:
        frames = (f.assign(**{c: f[by] for c, by in changed.items()}) for f in (df, past))
        return candidates(*frames)

    assert column in leaks(leaky, february, history)


@pytest.mark.integration
def test_a_flight_in_its_own_window_is_caught(
    february: pd.DataFrame, history: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`event_time <= t` with the flight itself gives an AUC of .859."""
    # By name: the package's own attribute `features` is the function.
    module = importlib.import_module("mlops_assets.pipelines.flight_delays.features")
    monkeypatch.setattr(module, "HORIZON", pd.Timedelta(hours=-1))
    assert "dep_delay_all_1h" in leaks(candidates, february, history)


def test_later_rows_change_nothing(february: pd.DataFrame, history: pd.DataFrame) -> None:
    """Not only later values but later rows are unknown when a prediction is asked for."""
    half = february.iloc[: len(february) // 2]
    half = half[half["scheduled_at"] < half["scheduled_at"].iloc[-1]]
    whole = candidates(february, history).iloc[: len(half)]
    pd.testing.assert_frame_equal(candidates(half, history), whole, check_exact=True)


def test_history_beyond_the_lookback_changes_nothing(
    made: pd.DataFrame, february: pd.DataFrame, january: pd.DataFrame
) -> None:
    """A look-back that is declared too short makes training differ from serving."""
    pd.testing.assert_frame_equal(features(february, january), made, check_exact=True)


def test_too_little_history_does_change_something(
    made: pd.DataFrame, february: pd.DataFrame, history: pd.DataFrame
) -> None:
    """The negative control of the test above: what is cut off was in use."""
    day = history[history["scheduled_at"] >= history["scheduled_at"].max() - pd.Timedelta(days=1)]
    assert not features(february, day).equals(made)


def test_the_order_of_rows_does_not_matter(
    made: pd.DataFrame, february: pd.DataFrame, history: pd.DataFrame
) -> None:
    """One row out for each row in, in the order given, whatever order the lake returned."""
    mixed = february.sample(frac=1, random_state=3)
    again = features(mixed, history.sample(frac=1, random_state=4))
    assert again["flight_id"].tolist() == mixed["flight_id"].tolist()
    assert again.index.equals(mixed.index)
    pd.testing.assert_frame_equal(again.sort_index(), made, check_exact=True)


def test_the_inputs_are_left_alone(february: pd.DataFrame, history: pd.DataFrame) -> None:
    before = february.copy(), history.copy()
    features(february, history)
    pd.testing.assert_frame_equal(february, before[0])
    pd.testing.assert_frame_equal(history, before[1])


def test_without_history_there_are_features_all_the_same(january: pd.DataFrame) -> None:
    """The first partition of all has none."""
    first = candidates(january, january.iloc[:0])
    assert len(first) == len(january)
    assert first["dep_delay_all_1h"].isna().iloc[0]


def test_no_rows_have_no_features(january: pd.DataFrame, history: pd.DataFrame) -> None:
    """A partition whose rows are all in quarantine is empty, not an error."""
    assert features(january.iloc[:0], history).empty


def test_a_missing_tail_number_says_no_more_than_an_unseen_one(
    february: pd.DataFrame, history: pd.DataFrame
) -> None:
    """Null tail numbers are cancelled flights, all 2,512 of them: the null itself is the label."""
    unknown = february["tailnum"].isna()
    assert unknown.sum() > 100
    named = february.assign(
        tailnum=february["tailnum"].where(~unknown, "X" + february["flight_id"])
    )
    pd.testing.assert_frame_equal(candidates(named, history), candidates(february, history))


def flight(like: pd.DataFrame, number: int, minute: int, **changes: object) -> pd.DataFrame:
    """A UA flight from EWR to ORD scheduled `minute` after NOON, two and a half hours long."""
    at = NOON + pd.Timedelta(minutes=minute)
    facts = {
        "flight_id": f"f{number}", "scheduled_at": at, "flight": number, "carrier": "UA",
        "scheduled_arrival_at": at + pd.Timedelta(minutes=150), "origin": "EWR", "dest": "ORD",
        "tailnum": f"N{number}", "departed_at": NEVER, "arrived_at": NEVER, "dep_delay": np.nan,
        "arr_delay": np.nan, "late": np.nan, **changes,
    }  # fmt: skip
    delays = {"departed_at": ("dep_delay", at), "arrived_at": ("arr_delay", at)}
    for instant, (delay, start) in delays.items():
        if delay in changes:
            flown = pd.Timedelta(minutes=150) if instant == "arrived_at" else pd.Timedelta(0)
            facts[instant] = start + flown + pd.Timedelta(minutes=facts[delay])
    return like.head(1).reset_index(drop=True).assign(**facts).astype(like.dtypes)


def asked(like: pd.DataFrame, *others: pd.DataFrame, **changes: object) -> pd.Series:
    """Features of a flight scheduled at NOON + 120, so asked for at NOON."""
    rows = pd.concat([*others, flight(like, 99, 120, **changes)], ignore_index=True)
    return candidates(rows, rows.iloc[:0]).iloc[-1]


def test_departures_count_from_when_they_left(january: pd.DataFrame) -> None:
    made = asked(
        january,
        flight(january, 1, -90, dep_delay=10),  # left 80 minutes ago
        flight(january, 2, -50, dep_delay=30),  # left 20 minutes ago
        flight(january, 3, -40, dep_delay=40),  # leaves this very minute
        flight(january, 4, -40, dep_delay=41),  # leaves in a minute: unknown
        flight(january, 5, -30, dep_delay=20, carrier="AA"),
    )
    assert made["dep_delay_carrier_1h"] == 35
    assert made["dep_delay_carrier_3h"] == pytest.approx(80 / 3)
    assert made["dep_delay_origin_1h"] == 30


def test_overdue_flights_wait_until_they_leave_or_are_given_up(january: pd.DataFrame) -> None:
    made = asked(
        january,
        flight(january, 1, -361),  # cancelled, and no longer waited for
        flight(january, 2, -100),  # cancelled, as will turn out
        flight(january, 3, -40, dep_delay=41),  # still at the gate
        flight(january, 4, -40, dep_delay=40),  # gone this minute
        flight(january, 5, -10, dep_delay=-10),  # gone early
        flight(january, 6, 10, dep_delay=-20),  # gone before it was due
        flight(january, 7, 30),  # not due
    )
    assert made["overdue_carrier"] == 2
    assert made["overdue_wait_carrier"] == 70
    assert made["overdue_share_carrier"] == 2 / 4


def test_arrivals_count_from_when_they_landed(january: pd.DataFrame) -> None:
    made = asked(
        january,
        flight(january, 1, -180, dep_delay=5, arr_delay=25),  # landed 5 minutes ago
        flight(january, 2, -160, dep_delay=5, arr_delay=60),  # lands in 50 minutes
        flight(january, 3, -240, dep_delay=0, arr_delay=-15, dest="MIA"),
    )
    assert made["arr_delay_dest_3h"] == 25
    assert made["lost_dest_3h"] == 20
    assert made["arr_delay_all_3h"] == 5


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dep_delay": 40, "arr_delay": 35}, {"leg_arr_delay": 35, "leg_slack": 420 - 150 - 185}),
        ({"dep_delay": 40, "arr_delay": 200}, {"leg_dep_delay": 40, "leg_slack": 420 - 150 - 300}),
        ({}, {"leg_wait": 300, "leg_slack": 420 - 300 - 300}),
    ],
)
def test_the_aircrafts_last_leg_tells_when_it_can_be_back(
    january: pd.DataFrame, changes: dict[str, object], expected: dict[str, float]
) -> None:
    """Scheduled 300 minutes ago for 150 minutes out and as many back: landed, in the air, waiting.

    In the air long after its schedule, it lands now at the earliest.
    """
    made = asked(january, flight(january, 1, -300, tailnum="N99", **changes))
    assert made["leg_gap"] == 420
    told = {"leg_dep_delay", "leg_arr_delay", "leg_wait"}
    for column, value in expected.items():
        assert made[column] == value, column
    if not changes:
        assert made[list(told - {"leg_wait"})].isna().all()


def test_yesterdays_flight_counts_once_it_has_landed(january: pd.DataFrame) -> None:
    yesterday = 120 - 24 * 60
    made = asked(january, flight(january, 99, yesterday, dep_delay=30, arr_delay=20))
    assert (made["same_flight_gap"], made["same_flight_arr_delay"]) == (24 * 60, 20)
    unseen = asked(january, flight(january, 98, yesterday, dep_delay=30, arr_delay=20))
    assert unseen[["same_flight_gap", "same_flight_arr_delay"]].isna().all()
