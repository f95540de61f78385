"""What a valid row is: of the source (RawFlights) and of the features (FlightFeatures).

Belongs here: columns, types, ranges, and rules across the columns of a row.
Does not belong here: repairing values (clean.py), judging a whole partition (the checks).
Ranges say what is possible, not what is usual: drift is watched elsewhere.
"""

from typing import Annotated, Any, ClassVar

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

Instant = Annotated[pd.DatetimeTZDtype, "us", "UTC"]

DAY = 24 * 60


def _clock(series: pd.Series) -> pd.Series:
    """Minutes since midnight of a clock written as hhmm."""
    return series // 100 * 60 + series % 100


def _hhmm(*, nullable: bool, latest: int) -> Any:
    return pa.Field(ge=0, le=latest, nullable=nullable)


def _measured(low: float, high: float) -> Any:
    return pa.Field(ge=low, le=high, nullable=True)


class RawFlights(pa.DataFrameModel):
    """Flights as `source.Flights` reads them. Weather in °F, mph, inches, hPa and miles."""

    year: int = pa.Field(isin=[2013])
    month: int = pa.Field(ge=1, le=12)
    day: int = pa.Field(ge=1, le=31)
    dep_time: float = _hhmm(nullable=True, latest=2400)
    sched_dep_time: int = _hhmm(nullable=False, latest=2359)
    dep_delay: float = pa.Field(ge=-120, le=2 * DAY, nullable=True)
    arr_time: float = _hhmm(nullable=True, latest=2400)
    sched_arr_time: int = _hhmm(nullable=False, latest=2359)
    arr_delay: float = pa.Field(ge=-300, le=2 * DAY, nullable=True)
    carrier: str = pa.Field(str_matches=r"^[A-Z0-9]{2}$")
    flight: int = pa.Field(ge=1, le=9999)
    # 2,512 cancelled flights have none: a null is no fault, but it must never become a feature.
    tailnum: str = pa.Field(str_matches=r"^[A-Z0-9]{3,7}$", nullable=True)
    origin: str = pa.Field(isin=["EWR", "JFK", "LGA"])
    dest: str = pa.Field(str_matches=r"^[A-Z]{3}$")
    air_time: float = pa.Field(ge=10, le=DAY, nullable=True)
    distance: int = pa.Field(ge=50, le=10_000)
    hour: int = pa.Field(ge=0, le=23)
    minute: int = pa.Field(ge=0, le=59)
    time_hour: Series[Instant]
    wx_temp: float = _measured(-40, 130)
    wx_dewp: float = _measured(-60, 100)
    wx_humid: float = _measured(0, 100)
    wx_wind_dir: float = _measured(0, 360)
    wx_wind_speed: float = _measured(0, 200)
    wx_wind_gust: float = _measured(0, 250)
    wx_precip: float = _measured(0, 20)
    wx_pressure: float = _measured(850, 1100)
    wx_visib: float = _measured(0, 100)
    wx_temp_before: float = _measured(-40, 130)
    wx_dewp_before: float = _measured(-60, 100)
    wx_wind_speed_before: float = _measured(0, 200)
    wx_pressure_before: float = _measured(850, 1100)
    wx_visib_before: float = _measured(0, 100)
    dest_lat: float = _measured(-90, 90)
    dest_lon: float = _measured(-180, 180)
    dest_tz: str = pa.Field(nullable=True)

    class Config:
        """Without the origin, 24 flights of a day share their carrier and number."""

        strict = True
        unique: ClassVar = ["year", "month", "day", "carrier", "flight", "origin"]

    @pa.dataframe_check(name="schedule_is_hour_and_minute")
    @classmethod
    def _schedule(cls, rows: pd.DataFrame) -> pd.Series:
        return rows["sched_dep_time"] == rows["hour"] * 100 + rows["minute"]

    @pa.dataframe_check(name="clocks_have_sixty_minutes")
    @classmethod
    def _clocks(cls, rows: pd.DataFrame) -> pd.Series:
        clocks = rows[["dep_time", "arr_time", "sched_arr_time"]]
        return (clocks.isna() | (clocks % 100 < 60)).all(axis=1)

    @pa.dataframe_check(name="departure_has_time_and_delay")
    @classmethod
    def _departure(cls, rows: pd.DataFrame) -> pd.Series:
        return rows["dep_time"].isna() == rows["dep_delay"].isna()

    @pa.dataframe_check(name="arrival_follows_a_departure")
    @classmethod
    def _arrival(cls, rows: pd.DataFrame) -> pd.Series:
        complete = rows[["dep_delay", "arr_time", "air_time"]].notna().all(axis=1)
        return complete | rows["arr_delay"].isna()

    @pa.dataframe_check(name="departure_clock_agrees_with_delay")
    @classmethod
    def _departure_clock(cls, rows: pd.DataFrame) -> pd.Series:
        off = _clock(rows["sched_dep_time"]) + rows["dep_delay"] - _clock(rows["dep_time"])
        # An hour more or less where the clocks changed between schedule and departure.
        return off.isna() | ((off + 60) % DAY).isin([0, 60, 120])

    @pa.dataframe_check(name="delay_changes_plausibly_in_the_air")
    @classmethod
    def _in_the_air(cls, rows: pd.DataFrame) -> pd.Series:
        lost = rows["arr_delay"] - rows["dep_delay"]
        return lost.isna() | lost.between(-180, 360)


def _delay(low: float = -120, high: float = 2 * DAY) -> Any:
    return pa.Field(ge=low, le=high, nullable=True)


def _count() -> Any:
    return pa.Field(ge=0, le=10_000)


def _share() -> Any:
    return pa.Field(ge=0, le=1_000, nullable=True)


class FlightFeatures(pa.DataFrameModel):
    """One row a flight, as of two hours before scheduled departure; durations in minutes.

    Of the candidates (`features.candidates`, which tells what each is) those that help: shuffled in
    the months held out, each makes the model's answers worse by more than chance.
    """

    flight_id: str = pa.Field(unique=True)
    scheduled_at: Series[Instant]
    carrier: str = pa.Field(str_matches=r"^[A-Z0-9]{2}$")
    origin: str = pa.Field(isin=["EWR", "JFK", "LGA"])
    distance: int = pa.Field(ge=50, le=10_000)
    scheduled_minutes: int = pa.Field(gt=0, le=DAY)
    scheduled_speed: float = pa.Field(gt=0, le=20)  # miles a minute
    dest_lon: float = pa.Field(ge=-180, le=180)
    scheduled_origin_1h: int = _count()
    scheduled_dest_1h: int = _count()
    dep_delay_origin_1h: float = _delay()
    dep_delay_carrier_1h: float = _delay()
    dep_delay_origin_carrier_3h: float = _delay()
    dep_delay_dest_3h: float = _delay()
    overdue_all: int = _count()
    overdue_origin: int = _count()
    overdue_share_origin_carrier: float = _share()
    overdue_dest: int = _count()
    lost_dest_3h: float = _delay(-360, 360)
    lost_dest_6h: float = _delay(-360, 360)
    lost_dest_24h: float = _delay(-360, 360)
    leg_gap: float = _delay(0, 2 * DAY)
    leg_dep_delay: float = _delay()
    leg_arr_delay: float = _delay(-300, 2 * DAY)
    leg_wait: float = _delay(-120, 2 * DAY)
    leg_slack: float = _delay(-4 * DAY, 2 * DAY)
    same_flight_arr_delay: float = _delay(-300, 2 * DAY)
    wx_dewp: float = _measured(-60, 100)
    wx_wind_dir: float = _measured(0, 360)
    wx_wind_speed: float = _measured(0, 200)
    wx_pressure: float = _measured(850, 1100)
    wx_visib: float = _measured(0, 100)
    wx_pressure_trend: float = _measured(-250, 250)
    late: float = pa.Field(isin=[0.0, 1.0], nullable=True)

    class Config:
        """Exactly these columns, in this order: the model's input is made of them."""

        strict = True
        ordered = True
