"""Cleaning flights: instants that agree with the clocks, and a label that leaks nothing."""

import numpy as np
import pandas as pd
import pytest

from mlops_assets.pipelines.flight_delays.clean import KNOWN_AT, UnknownAirport, clean

LEAKS = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "late"}


def row(raw: pd.DataFrame, **changes: object) -> pd.DataFrame:
    """One flight, JFK to MIA on January 1, 05:40 to 08:50, with changes."""
    flight = raw[(raw["carrier"] == "AA") & (raw["flight"] == 1141) & (raw["day"] == 1)]
    return flight.head(1).assign(**changes)


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_departures_agree_with_the_clock_in_new_york(january: pd.DataFrame) -> None:
    """dep_time wraps past midnight: an instant made from it alone loses a day."""
    left = january[january["departed_at"].notna()]
    local = left["departed_at"].dt.tz_convert("America/New_York")
    assert (local.dt.hour * 100 + local.dt.minute == left["dep_time"] % 2400).all()
    assert (local.dt.day != left["scheduled_at"].dt.tz_convert("America/New_York").dt.day).any()


def test_a_departure_at_2400_is_at_midnight(raw: pd.DataFrame) -> None:
    """No clock library parses 2400, and 0000 would be a day early."""
    facts = clean(row(raw, dep_time=2400.0, dep_delay=1100.0)).iloc[0]
    assert facts["departed_at"] == utc("2013-01-02T05:00")


def test_arrivals_agree_with_the_clock_at_the_destination(
    raw: pd.DataFrame, january: pd.DataFrame
) -> None:
    """arr_time is local to the destination: read as New York's, Los Angeles is three hours off."""
    assert january["dest"].isin(["LAX", "HNL", "SJU", "PHX", "DEN"]).sum() > 1_000
    zones = raw.drop_duplicates("dest").set_index("dest")["dest_tz"].dropna()
    checked = 0
    for zone, group in january.groupby(january["dest"].map(zones)):
        landed = group[group["arrived_at"].notna()]
        local = landed["arrived_at"].dt.tz_convert(zone)
        assert (local.dt.hour * 100 + local.dt.minute == landed["arr_time"] % 2400).all()
        checked += len(landed)
    assert checked > 25_000


def test_time_runs_forward(january: pd.DataFrame) -> None:
    """A wrong day wrap shows as a flight that lands before it left, or a day after."""
    landed = january[january["arrived_at"].notna()]
    elapsed = (landed["arrived_at"] - landed["departed_at"]) / pd.Timedelta(minutes=1)
    taxi = elapsed - landed["air_time"]
    assert taxi.min() > 0
    assert taxi.max() < 300


@pytest.mark.parametrize(
    ("dest", "zone", "arrival"),
    [
        ("MIA", "America/New_York", "2013-01-01T13:50"),
        ("LAX", "America/Los_Angeles", "2013-01-01T16:50"),
        ("SJU", None, "2013-01-01T12:50"),
        ("STT", None, "2013-01-01T12:50"),
    ],
)
def test_scheduled_arrival_is_in_the_destinations_zone(
    raw: pd.DataFrame, dest: str, zone: str | None, arrival: str
) -> None:
    """Four destinations lack an airport: without their zone, 2 % of the labels have no time."""
    facts = clean(row(raw, dest=dest, dest_tz=zone)).iloc[0]
    assert facts["scheduled_arrival_at"] == utc(arrival)


def test_an_arrival_after_midnight_is_on_the_next_day(raw: pd.DataFrame) -> None:
    late = row(raw, hour=23, minute=30, sched_dep_time=2330, sched_arr_time=235)
    facts = clean(late.assign(time_hour=utc("2013-01-02T04:00"))).iloc[0]
    assert facts["scheduled_at"] == utc("2013-01-02T04:30")
    assert facts["scheduled_arrival_at"] == utc("2013-01-02T07:35")
    assert facts["flight_id"].startswith("20130101-")


@pytest.mark.parametrize(("delay", "late"), [(14.0, 0.0), (15.0, 1.0), (-30.0, 0.0)])
def test_late_is_fifteen_minutes_or_more(raw: pd.DataFrame, delay: float, late: float) -> None:
    """The US DOT counts the fifteenth minute: `> 15` labels 5,000 flights wrongly."""
    assert clean(row(raw, arr_delay=delay))["late"].tolist() == [late]


def test_a_cancelled_flight_has_neither_instants_nor_label(raw: pd.DataFrame) -> None:
    """NaN >= 15 is False: an unguarded comparison labels every cancellation as punctual."""
    never = dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"), np.nan)
    facts = clean(row(raw, **never)).iloc[0]
    assert facts[["departed_at", "arrived_at", "late"]].isna().all()


def test_a_diverted_flight_left_but_has_no_arrival(raw: pd.DataFrame) -> None:
    """Its arr_time is the clock of another airport, known at no instant that we know."""
    facts = clean(row(raw, arr_delay=np.nan, air_time=np.nan)).iloc[0]
    assert facts["departed_at"] == utc("2013-01-01T10:42")
    assert facts[["arrived_at", "arr_time", "late"]].isna().all()


def test_what_leaks_is_declared(january: pd.DataFrame) -> None:
    """A leakage column without an instant of its own counts as known two hours before."""
    declared = {column for columns in KNOWN_AT.values() for column in columns}
    assert declared >= LEAKS | set(KNOWN_AT)
    assert declared <= set(january.columns)


def test_a_value_is_there_exactly_when_its_instant_is(january: pd.DataFrame) -> None:
    """A value without an instant is never known; the check would null what features used."""
    for known_at, columns in KNOWN_AT.items():
        for column in columns:
            assert (january[column].isna() == january[known_at].isna()).all(), column


def test_the_order_does_not_tell_who_left_first(raw: pd.DataFrame) -> None:
    """The file is sorted by actual departure within a day: its order is a leak."""
    shuffled = clean(raw.sample(frac=1, random_state=1).reset_index(drop=True))
    pd.testing.assert_frame_equal(clean(raw), shuffled)
    assert shuffled["scheduled_at"].is_monotonic_increasing


def test_the_key_is_unique_and_needs_the_origin(january: pd.DataFrame) -> None:
    assert january["flight_id"].is_unique


def test_types_are_the_lakes(january: pd.DataFrame) -> None:
    """Other units or zones change their type on the way through Parquet and break comparisons."""
    for column in ("scheduled_at", "scheduled_arrival_at", "departed_at", "arrived_at"):
        assert str(january[column].dtype) == "datetime64[us, UTC]"
    assert january["late"].dtype == "float64"
    assert january.index.equals(pd.RangeIndex(len(january)))


def test_an_unknown_destination_is_named(raw: pd.DataFrame) -> None:
    with pytest.raises(UnknownAirport, match="XYZ: add it to MISSING_AIRPORTS"):
        clean(row(raw, dest="XYZ", dest_tz=None))


def test_no_rows_are_no_rows(raw: pd.DataFrame) -> None:
    """A partition whose rows are all in quarantine still has clean's columns and types."""
    empty = clean(raw.iloc[:0])
    pd.testing.assert_series_equal(empty.dtypes, clean(raw.head(50)).dtypes)
