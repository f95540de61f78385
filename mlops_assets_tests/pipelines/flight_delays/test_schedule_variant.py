"""The variant `schedule`: declared beside the pipeline, and blind to all but the timetable."""

from mlops_assets.pipelines import declared
from mlops_assets.pipelines.flight_delays import pipeline as two_hours
from mlops_assets.pipelines.flight_delays.features import candidates
from mlops_assets.pipelines.flight_delays.schedule import pipeline as schedule
from mlops_assets.pipelines.flight_delays.schedule import schedule_features
from mlops_assets.replay import rows


def test_it_is_no_pipeline_of_its_own_until_somebody_names_it() -> None:
    assert [p.name for p in declared() if p.name.startswith("flight_delays")] == ["flight_delays"]
    assert schedule.name == "flight_delays_schedule"


def test_nothing_live_reaches_it() -> None:
    """One column of delays or weather, and the frozen model would no longer age."""
    live = ("dep_delay", "overdue", "arr_delay", "lost", "leg", "same_flight", "wx")
    assert [c for c in schedule.feature_columns if c.startswith(live)] == []


def test_its_columns_are_candidates_of_the_pipeline() -> None:
    clean = rows.clean_rows(two_hours, "2013-02-01").head(500)
    made = schedule_features(clean, clean.iloc[:0])
    wide = candidates(clean, clean.iloc[:0])
    assert made.equals(wide[made.columns])
    assert list(made.columns) == list(schedule.feature_schema.to_schema().columns)
