"""What is known of a flight two hours before its scheduled departure: one row a flight.

Belongs here: which candidates for features there are and how each is made, as pure functions of
clean rows. Which of them help is measured: benchmarks/flight_delays_quality.py --eliminate.
Does not belong here: how sums over what was known are kept exact (windows.py), the ranges that
features must keep (schemas.py), and anything fitted to data: that is training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_assets.pipelines.flight_delays.schemas import FlightFeatures
from mlops_assets.pipelines.flight_delays.windows import (
    GROUP,
    Floats,
    Ints,
    Sums,
    codes,
    minutes,
    ratio,
)

HORIZON: Final = pd.Timedelta(hours=2)
# The longest way back is the same flight a week ago. The windows of a day need three: a flight that
# left within the last day may have been scheduled almost another day before (the worst delay is
# 21.7 hours).
LOOKBACK: Final = pd.Timedelta(days=8)

_HOUR: Final = 60
_DAY: Final = 24 * _HOUR
_OVERDUE_UNTIL: Final = 6 * _HOUR  # a cancellation is never announced: stop counting it by then
_PREVIOUS_LEG: Final = 2 * _DAY
_SAME_FLIGHT: Final = 7 * _DAY
# Hours of the windows before the prediction, by what the departures or arrivals have in common.
DEPARTURES: Final[dict[str, tuple[int, ...]]] = {
    "all": (1, 3),
    "origin": (1, 3, 6, 24),
    "carrier": (1, 3, 6, 24),
    "origin_carrier": (3, 6, 24),
    "dest": (3, 6, 24),
}
ARRIVALS: Final[dict[str, tuple[int, ...]]] = {
    "all": (3, 24),
    "carrier": (3, 24),
    "dest": (3, 6, 24),
}
OVERDUE: Final = ("all", "origin", "carrier", "origin_carrier", "dest")
SCHEDULED: Final = ("origin", "carrier", "dest")
WEATHER: Final = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
TRENDS: Final = ("temp", "dewp", "wind_speed", "pressure", "visib")

Columns = dict[str, Ints | Floats | npt.NDArray[np.object_]]


def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """The candidates that help, one row for each row of `df`, in its order: FlightFeatures."""
    return candidates(df, history)[list(FlightFeatures.to_schema().columns)]


def candidates(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """All that could be asked of each row of `df`, in its order, as of `scheduled_at` − HORIZON.

    `df` and `history` are clean rows; `history` holds the LOOKBACK before `df` (its lack shortens
    windows and is no error). Durations are minutes, windows are hours, means are NaN where nothing
    was seen. Columns: `flight_id`, `scheduled_at`, the candidates, `late`.

    `dep_delay_G_Nh`: mean departure delay of the flights of the same G that left in the N hours
    before; `overdue_G`, `overdue_wait_G`, `overdue_share_G`: flights due and not gone, their mean
    wait, their number per flight due in three hours; `arr_delay_G_Nh` and `lost_G_Nh`: the same
    of flights that landed, and what they lost in the air; `leg_*`: the aircraft's last flight
    from New York; `same_flight_*`: the same flight number's last; `wx_*`: weather at the origin.
    """
    facts = _Facts.of(df, history)
    columns: Columns = {
        **_schedule(df, facts),
        **_departures(facts),
        **_overdue(facts),
        **_arrivals(facts),
        **_previous_leg(facts),
        **_same_flight(facts),
        **_weather(df),
    }
    made = pd.DataFrame(columns, index=df.index)
    made.insert(0, "flight_id", df["flight_id"])
    made.insert(1, "scheduled_at", df["scheduled_at"])
    return made.assign(late=df["late"])


@dataclass(frozen=True)
class _Facts:
    """History and rows as whole minutes and group numbers; `now` and `rows` are of the rows asked.

    Shapes: `now` and `rows` (asked,), all others (history + asked,).
    """

    now: Ints
    rows: Ints
    scheduled: Ints
    scheduled_arrival: Ints
    departed: Ints
    arrived: Ints
    departure_delay: Ints
    arrival_delay: Ints
    groups: dict[str, Ints]
    tail: Ints
    has_tail: npt.NDArray[np.bool_]
    flight: Ints
    number: Ints

    @classmethod
    def of(cls, df: pd.DataFrame, history: pd.DataFrame) -> _Facts:
        both = pd.concat([history, df], ignore_index=True) if len(history) else df
        scheduled = minutes(both["scheduled_at"])
        rows = np.arange(len(history), len(both))
        return cls(
            now=scheduled[rows] - int(HORIZON // pd.Timedelta(minutes=1)),
            rows=rows,
            scheduled=scheduled,
            scheduled_arrival=minutes(both["scheduled_arrival_at"]),
            departed=minutes(both["departed_at"]),
            arrived=minutes(both["arrived_at"]),
            departure_delay=_whole(both["dep_delay"]),
            arrival_delay=_whole(both["arr_delay"]),
            groups={
                "all": np.zeros(len(both), dtype=np.int64),
                "origin": codes(both["origin"]),
                "carrier": codes(both["carrier"]),
                "origin_carrier": codes(both["origin"], both["carrier"]),
                "dest": codes(both["dest"]),
            },
            tail=codes(both["tailnum"]),
            has_tail=both["tailnum"].notna().to_numpy(),
            flight=codes(both["carrier"], both["flight"], both["origin"], both["dest"]),
            number=both["flight"].to_numpy(dtype=np.int64),
        )


def _schedule(df: pd.DataFrame, facts: _Facts) -> Columns:
    duration = (facts.scheduled_arrival - facts.scheduled)[facts.rows]
    columns: Columns = {
        "carrier": df["carrier"].to_numpy(dtype=object),
        "origin": df["origin"].to_numpy(dtype=object),
        "hour": df["hour"].to_numpy(dtype=np.int64),
        "minute_of_day": (df["hour"] * _HOUR + df["minute"]).to_numpy(dtype=np.int64),
        "weekday": df["weekday"].to_numpy(dtype=np.int64),
        "distance": df["distance"].to_numpy(dtype=np.int64),
        "scheduled_minutes": duration,
        "scheduled_speed": df["distance"].to_numpy(dtype=np.float64) / duration,
        "dest_lat": df["dest_lat"].to_numpy(dtype=np.float64),
        "dest_lon": df["dest_lon"].to_numpy(dtype=np.float64),
    }
    at = facts.scheduled[facts.rows]
    for name in SCHEDULED:
        group = facts.groups[name]
        departures = Sums.of(group, facts.scheduled).between(group[facts.rows], at - _HOUR, at)
        columns[f"scheduled_{name}_1h"] = departures[:, 0]
    return columns


def _departures(facts: _Facts) -> Columns:
    """Mean departure delay of the flights that left in the last hours."""
    columns: Columns = {}
    delay = np.clip(facts.departure_delay, -15, 240)
    for name, windows in DEPARTURES.items():
        group = facts.groups[name]
        left = Sums.of(group, facts.departed, delay)
        for hours in windows:
            found = left.between(group[facts.rows], facts.now - hours * _HOUR, facts.now)
            columns[f"dep_delay_{name}_{hours}h"] = ratio(found[:, 1], found[:, 0])
    return columns


def _overdue(facts: _Facts) -> Columns:
    """Flights that should have left and have not: how many, for how long, of how many."""
    columns: Columns = {}
    # A flight is overdue from its schedule until it leaves, and never for longer than six hours.
    end = np.clip(facts.departed, facts.scheduled, facts.scheduled + _OVERDUE_UNTIL)
    always = np.zeros_like(facts.now)
    for name in OVERDUE:
        group = facts.groups[name]
        asked = group[facts.rows]
        due = Sums.of(group, facts.scheduled, facts.scheduled)
        over = Sums.of(group, end, facts.scheduled)
        waiting = due.between(asked, always, facts.now) - over.between(asked, always, facts.now)
        recent = due.between(asked, facts.now - 3 * _HOUR, facts.now)
        columns[f"overdue_{name}"] = waiting[:, 0]
        columns[f"overdue_wait_{name}"] = ratio(
            facts.now * waiting[:, 0] - waiting[:, 1], waiting[:, 0]
        )
        columns[f"overdue_share_{name}"] = ratio(waiting[:, 0], recent[:, 0])
    return columns


def _arrivals(facts: _Facts) -> Columns:
    """Mean arrival delay of the flights that landed, and what they lost or made up on the way."""
    columns: Columns = {}
    delay = np.clip(facts.arrival_delay, -40, 240)
    lost = delay - np.clip(facts.departure_delay, -15, 240)
    for name, windows in ARRIVALS.items():
        group = facts.groups[name]
        landed = Sums.of(group, facts.arrived, delay, lost)
        for hours in windows:
            found = landed.between(group[facts.rows], facts.now - hours * _HOUR, facts.now)
            columns[f"arr_delay_{name}_{hours}h"] = ratio(found[:, 1], found[:, 0])
            columns[f"lost_{name}_{hours}h"] = ratio(found[:, 2], found[:, 0])
    return columns


def _previous_leg(facts: _Facts) -> Columns:
    """The aircraft's last flight from New York, and when it can be back from it.

    A null tail number gives a cancellation away; it counts as an aircraft that was not seen.
    """
    leg = _before(facts.tail, facts.scheduled, facts.number)[facts.rows]
    at = facts.scheduled[facts.rows]
    seen = (leg >= 0) & facts.has_tail[facts.rows] & (at - facts.scheduled[leg] <= _PREVIOUS_LEG)
    left = seen & (facts.departed[leg] <= facts.now)
    landed = seen & (facts.arrived[leg] <= facts.now)
    duration = facts.scheduled_arrival[leg] - facts.scheduled[leg]
    expected = np.maximum(
        facts.scheduled_arrival[leg] + np.where(left, facts.departure_delay[leg], 0),
        np.where(left, facts.now, facts.now + duration),
    )
    back = np.where(landed, facts.arrived[leg], expected) + duration
    return {
        "leg_gap": np.where(seen, at - facts.scheduled[leg], np.nan),
        "leg_dep_delay": np.where(left, facts.departure_delay[leg], np.nan),
        "leg_arr_delay": np.where(landed, facts.arrival_delay[leg], np.nan),
        "leg_wait": np.where(seen & ~left, facts.now - facts.scheduled[leg], np.nan),
        "leg_slack": np.where(seen, at - back, np.nan),
    }


def _same_flight(facts: _Facts) -> Columns:
    """The same flight number to the same airport, the last time that it was scheduled."""
    last = _before(facts.flight, facts.scheduled, facts.number)[facts.rows]
    gap = facts.scheduled[facts.rows] - facts.scheduled[last]
    seen = (last >= 0) & (gap <= _SAME_FLIGHT)
    landed = seen & (facts.arrived[last] <= facts.now)
    return {
        "same_flight_gap": np.where(seen, gap, np.nan),
        "same_flight_arr_delay": np.where(landed, facts.arrival_delay[last], np.nan),
    }


def _weather(df: pd.DataFrame) -> Columns:
    columns: Columns = {f"wx_{name}": df[f"wx_{name}"].to_numpy(np.float64) for name in WEATHER}
    for name in TRENDS:
        trend = df[f"wx_{name}"] - df[f"wx_{name}_before"]
        columns[f"wx_{name}_trend"] = trend.to_numpy(np.float64)
    return columns


def _before(group: Ints, scheduled: Ints, number: Ints) -> Ints:
    """Position of the row scheduled last before each, within its group; -1 where there is none.

    Rows of the same minute do not precede each other; of two such before a third, the one with the
    higher flight number counts, so that the order of rows does not matter.
    """
    order = np.lexsort((number, scheduled, group))
    keys = (group * GROUP + scheduled)[order]
    place = np.searchsorted(keys, group * GROUP + scheduled, side="left") - 1
    before = order[place]
    found: Ints = np.where((place >= 0) & (group[before] == group), before, -1)
    return found


def _whole(delay: pd.Series) -> Ints:
    """Minutes as integers; zero where unknown, which no known event ever is."""
    whole: Ints = delay.fillna(0).to_numpy().astype(np.int64)
    return whole
