"""Raw flights to typed facts: one key, UTC instants, and the label.

Belongs here: a pure function over one partition of rows that passed schemas.RawFlights.
Does not belong here: rejecting rows (schemas.py), anything that looks at another row (features.py).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

LATE_MINUTES: Final = 15  # US Department of Transportation: late is 15 minutes or more
# Which columns become known when. A null instant means that they never do. Everything else stands
# in the schedule, or in a weather report that is out two hours before departure.
KNOWN_AT: Final[dict[str, tuple[str, ...]]] = {
    "departed_at": ("departed_at", "dep_time", "dep_delay"),
    "arrived_at": ("arrived_at", "arr_time", "arr_delay", "air_time", "late"),
}
# Destinations that the package's list of airports lacks: latitude, longitude, time zone.
MISSING_AIRPORTS: Final = pd.DataFrame.from_dict(
    {
        "BQN": (18.4949, -67.1294, "America/Puerto_Rico"),
        "PSE": (18.0083, -66.5630, "America/Puerto_Rico"),
        "SJU": (18.4394, -66.0018, "America/Puerto_Rico"),
        "STT": (18.3373, -64.9734, "America/St_Thomas"),
    },
    orient="index",
    columns=["dest_lat", "dest_lon", "dest_tz"],
)
COLUMNS: Final = (
    "flight_id",
    "scheduled_at",
    "scheduled_arrival_at",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "dest_lat",
    "dest_lon",
    "distance",
    "hour",
    "minute",
    "weekday",
    "departed_at",
    "dep_time",
    "dep_delay",
    "arrived_at",
    "arr_time",
    "arr_delay",
    "air_time",
    "late",
)


class UnknownAirport(ValueError):
    """A destination has no time zone, so its arrival times mean nothing."""


def clean(df: pd.DataFrame) -> pd.DataFrame:
    """Type and name the rows of one partition; same number of rows, in order of schedule.

    Adds `flight_id` (local date, carrier, flight, origin; unique), the UTC instants `scheduled_at`
    (the event time), `scheduled_arrival_at`, `departed_at` and `arrived_at` (null when that never
    happened: cancelled, diverted) and `late` (1.0 or 0.0; null without an arrival). The file's own
    order follows actual departures and would give them away, so the schedule orders the rows.
    Raises UnknownAirport when a destination's time zone is known neither to the source nor here.
    """
    rows = _fill_airports(df)
    scheduled = rows["time_hour"] + _minutes(rows["minute"])
    arrival = _scheduled_arrival(scheduled, rows["sched_arr_time"], rows["dest_tz"])
    date = rows["year"] * 10_000 + rows["month"] * 100 + rows["day"]
    # A diverted flight's arr_time is a clock elsewhere and stays null with the rest of its arrival.
    arrived = rows["arr_delay"].notna()
    facts = rows.assign(
        flight_id=date.astype("str")
        + "-"
        + rows["carrier"]
        + "-"
        + rows["flight"].astype("str")
        + "-"
        + rows["origin"],
        scheduled_at=scheduled,
        scheduled_arrival_at=arrival,
        departed_at=scheduled + _minutes(rows["dep_delay"]),
        arrived_at=arrival + _minutes(rows["arr_delay"]),
        arr_time=rows["arr_time"].where(arrived),
        late=(rows["arr_delay"] >= LATE_MINUTES).astype("float64").where(arrived),
        weekday=pd.to_datetime(rows[["year", "month", "day"]]).dt.day_of_week.astype("int64"),
    )
    weather = [name for name in rows.columns if name.startswith("wx_")]
    facts = facts[[*COLUMNS, *weather]]
    return facts.sort_values(["scheduled_at", "flight_id"], kind="stable", ignore_index=True)


def _fill_airports(df: pd.DataFrame) -> pd.DataFrame:
    filled = {
        name: df[name].fillna(df["dest"].map(MISSING_AIRPORTS[name]))
        for name in MISSING_AIRPORTS.columns
    }
    unknown = sorted(df["dest"][filled["dest_tz"].isna()].unique())
    if unknown:
        raise UnknownAirport(
            f"no time zone for destination {', '.join(unknown)}: add it to MISSING_AIRPORTS"
        )
    return df.assign(**filled)


def _minutes(values: pd.Series) -> pd.Series:
    return pd.to_timedelta(values, unit="m").astype("timedelta64[us]")


def _scheduled_arrival(scheduled: pd.Series, hhmm: pd.Series, zone: pd.Series) -> pd.Series:
    """The first instant after `scheduled` when clocks at the destination show `hhmm`.

    No flight from New York takes a day, so the first is the right one.
    """
    minutes = _minutes(hhmm // 100 * 60 + hhmm % 100)
    arrival = pd.Series(pd.NaT, index=scheduled.index, dtype="datetime64[us, UTC]")
    for name in np.unique(zone.to_numpy(dtype=object)):
        here = zone == name
        left = scheduled[here].dt.tz_convert(name).dt.tz_localize(None)
        clock = left.dt.normalize() + minutes[here]
        clock = clock.where(clock > left, clock + pd.Timedelta(days=1))
        instant = clock.dt.tz_localize(name, nonexistent="shift_forward", ambiguous=False)
        arrival = arrival.where(~here, instant.dt.tz_convert("UTC").dt.as_unit("us"))
    return arrival
