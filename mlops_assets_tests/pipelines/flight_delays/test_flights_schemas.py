"""What a valid flight is: the year's good rows pass, the bad ones are told by rule."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_assets.checks.rows import check_rows, failure_summary
from mlops_assets.pipelines.flight_delays.schemas import FlightFeatures, RawFlights
from mlops_assets.pipelines.flight_delays.source import Flights


def test_a_month_of_real_flights_passes(raw: pd.DataFrame) -> None:
    """Rules that are too strict drain good rows into quarantine, where nobody looks."""
    assert check_rows(raw, RawFlights).accepted.all()
    RawFlights.validate(raw.head(2_000), lazy=True)  # pandera itself agrees


@pytest.mark.parametrize(
    ("partition", "expected"),
    [
        ("2013-02-01", {"wx_wind_speed": 32, "wx_wind_speed_before": 16}),  # 1,048 mph
        ("2013-07-01", {"distance": 1}),  # EWR to LGA, 17 miles
        ("2013-03-01", {}),  # the clocks change
        ("2013-11-01", {}),
        ("2013-12-01", {}),  # a day without weather
    ],
)
def test_the_years_bad_rows_are_found(partition: str, expected: dict[str, int]) -> None:
    report = check_rows(Flights().read(partition), RawFlights)
    found = failure_summary(report)
    assert dict(zip(found["column"], found["rows"], strict=True)) == expected


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"dep_time": 2401.0}, "less_than_or_equal_to(2400)"),
        ({"arr_time": 1275.0}, "clocks_have_sixty_minutes"),
        ({"sched_dep_time": 541}, "schedule_is_hour_and_minute"),
        ({"dep_delay": np.nan}, "departure_has_time_and_delay"),
        ({"air_time": np.nan}, "arrival_follows_a_departure"),
        ({"air_time": -20.0}, "greater_than_or_equal_to(10)"),
        ({"dep_delay": 333.0}, "departure_clock_agrees_with_delay"),
        ({"arr_delay": 600.0}, "delay_changes_plausibly_in_the_air"),
        ({"wx_wind_speed": 1048.36}, "less_than_or_equal_to(200)"),
        ({"origin": "ORD"}, "isin(['EWR', 'JFK', 'LGA'])"),
        ({"carrier": "american"}, "str_matches('^[A-Z0-9]{2}$')"),
        ({"dest": None}, "not_nullable"),
        ({"distance": 17}, "greater_than_or_equal_to(50)"),
    ],
)
def test_a_bad_row_goes_and_its_neighbours_stay(
    raw: pd.DataFrame, changes: dict[str, Any], rule: str
) -> None:
    rows = raw.head(20).copy()
    for column, value in changes.items():
        rows.loc[7, column] = value
    report = check_rows(rows, RawFlights)
    assert np.flatnonzero(~report.accepted).tolist() == [7]
    assert rule in set(report.failures["rule"])


def test_a_repeated_flight_is_no_second_flight(raw: pd.DataFrame) -> None:
    """A file delivered twice would count every departure twice in the windows."""
    twice = pd.concat([raw.head(20), raw.head(3)], ignore_index=True)
    assert np.flatnonzero(~check_rows(twice, RawFlights).accepted).tolist() == [20, 21, 22]


def test_cancelled_flights_are_no_bad_rows(raw: pd.DataFrame) -> None:
    """Cancelled flights are what overdue counts live on, and what the label lacks."""
    cancelled = raw["dep_time"].isna()
    assert cancelled.sum() > 500
    assert check_rows(raw[cancelled].reset_index(drop=True), RawFlights).accepted.all()


def test_features_keep_their_schema(made: pd.DataFrame) -> None:
    assert check_rows(made, FlightFeatures).accepted.all()
    assert list(made.columns) == list(FlightFeatures.to_schema().columns)
    FlightFeatures.validate(made.head(1_000), lazy=True)


def test_a_feature_that_is_not_declared_is_refused(made: pd.DataFrame) -> None:
    """An undeclared column would reach the model unnoticed: nothing may come along."""
    with pytest.raises(Exception, match="dep_delay"):
        FlightFeatures.validate(made.head(10).assign(dep_delay=1.0), lazy=False)


def test_no_leaking_column_is_a_feature() -> None:
    leaks = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "departed_at", "tailnum"}
    assert not leaks & set(FlightFeatures.to_schema().columns)
