"""The real flights of winter 2013, read and cleaned once a session."""

import pandas as pd
import pytest

from mlops_assets.checks.rows import accepted_rows, check_rows
from mlops_assets.pipelines.flight_delays.clean import clean
from mlops_assets.pipelines.flight_delays.features import LOOKBACK, features
from mlops_assets.pipelines.flight_delays.schemas import RawFlights
from mlops_assets.pipelines.flight_delays.source import Flights

JANUARY, FEBRUARY = "2013-01-01", "2013-02-01"


@pytest.fixture(scope="session")
def raw() -> pd.DataFrame:
    """January as the source gives it: no row of it is bad."""
    return Flights().read(JANUARY)


@pytest.fixture(scope="session")
def january(raw: pd.DataFrame) -> pd.DataFrame:
    return clean(raw)


@pytest.fixture(scope="session")
def february() -> pd.DataFrame:
    rows = Flights().read(FEBRUARY)
    return clean(accepted_rows(rows, check_rows(rows, RawFlights), RawFlights))


@pytest.fixture(scope="session")
def history(january: pd.DataFrame) -> pd.DataFrame:
    """What features of February look back on."""
    start = pd.Timestamp(FEBRUARY, tz="America/New_York")
    return january[january["scheduled_at"] >= start - LOOKBACK].reset_index(drop=True)


@pytest.fixture(scope="session")
def made(february: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    return features(february, history)
