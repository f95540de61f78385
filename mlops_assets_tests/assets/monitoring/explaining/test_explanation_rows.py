"""The way back from an event to its raw row, for any ``clean``; what is said without one."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.assets.monitoring.explaining.explanation_rows import UnknownEvent, raw_rows, where
from mlops_assets.assets.monitoring.explaining.explanation_subject import completed, spread
from mlops_assets.checks.rows import REDACTED
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.core import Lake
from mlops_assets_tests import deliveries, parcels_online

DAY, NEXT = deliveries.DAYS[:2]


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    """Two days of raw parcels, one of them with a broken row, and captures of both."""
    home = tmp_path_factory.mktemp("lake")
    lake = Lake.open(
        {
            "type": "sql",
            "uri": f"sqlite:///{home / 'catalog.db'}",
            "warehouse": f"file://{home / 'warehouse'}",
        }
    )
    source = deliveries.MadeParcels()
    for day in (DAY, NEXT):
        raw = source.read(day)
        raw.loc[7, "weight"] = -1.0
        lake.write("deliveries.raw", day, raw, properties={"dagster.run_id": f"run of {day}"})
        lake.write(
            "deliveries.quarantine", day, pd.DataFrame({"row": [7], "reasons": ["weight: gt"]})
        )
    lake.write("deliveries.captures", DAY, pd.DataFrame({"event_id": ["a", f"{DAY}-05"]}))
    lake.write("deliveries.captures", NEXT, pd.DataFrame({"event_id": ["a", "a", "b"]}))
    return lake


def turned_round(df: pd.DataFrame) -> pd.DataFrame:
    """Another order, another index, a key of its own making: as any ``clean`` may."""
    made = deliveries.clean(df).sort_values("weight").reset_index(drop=True)
    return made.assign(parcel="parcel " + made["parcel"])


def test_the_raw_row_is_found_although_clean_makes_the_key(lake):
    """By a shared row number the wrong row would be shown as the cause of an answer."""
    pipeline = dataclasses.replace(deliveries.declare(), clean=turned_round)
    raw = lake.read("deliveries.raw", [DAY])
    event = event_id(pipeline, pd.DataFrame({"parcel": [f"parcel {DAY}-23"]})).iloc[0]
    found = raw_rows(pipeline, lake, DAY, event)
    assert found.rows["parcel"].tolist() == [f"{DAY}-23"]
    assert found.places == (23,)
    assert raw.iloc[found.places[0]]["parcel"] == f"{DAY}-23"
    assert (found.total, found.quarantined) == (40, 1)


def test_clean_is_asked_of_few_rows(lake):
    """Row by row it would take hours for a month of flights."""
    asked = []

    def counting(df: pd.DataFrame) -> pd.DataFrame:
        asked.append(len(df))
        return deliveries.clean(df)

    pipeline = dataclasses.replace(deliveries.declare(), clean=counting)
    assert raw_rows(pipeline, lake, DAY, f"{DAY}-39").places == (39,)
    assert sum(asked) <= 3.5 * 40


def test_a_row_in_quarantine_is_behind_no_answer(lake):
    found = raw_rows(deliveries.declare(), lake, DAY, f"{DAY}-07")
    assert found.rows.empty
    assert found.why_none == f"no accepted row of raw[{DAY}] becomes this event now"


def test_personal_values_of_the_raw_row_are_redacted(lake):
    pipeline = dataclasses.replace(deliveries.declare(), personal=("depot",))
    found = raw_rows(pipeline, lake, DAY, f"{DAY}-05")
    assert found.rows["depot"].tolist() == [REDACTED]


def test_a_partition_that_is_gone_is_said(lake):
    found = raw_rows(deliveries.declare(), lake, "2024-03-04", "x")
    assert found.why_none == "raw[2024-03-04] is not in the lake"


def test_the_newest_partition_answers_first_and_one_can_be_named(lake):
    pipeline: MLPipeline = deliveries.declare()
    assert where(pipeline, lake, "a", None)[0] == NEXT
    assert len(where(pipeline, lake, "a", None)[1]) == 2
    assert where(pipeline, lake, "a", DAY)[0] == DAY


def test_an_unknown_event_says_where_it_was_looked_for(lake, tmp_path):
    pipeline = deliveries.declare()
    with pytest.raises(UnknownEvent, match=f"'zz'. Searched: {DAY}, {NEXT}"):
        where(pipeline, lake, "zz", None)
    with pytest.raises(UnknownEvent, match="2024-03-04 has no captures"):
        where(pipeline, lake, "a", "2024-03-04")
    empty = Lake.open(
        {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"file://{tmp_path}/w"}
    )
    with pytest.raises(UnknownEvent, match="nothing was captured of deliveries yet"):
        where(pipeline, empty, "a", None)


def test_a_captured_row_that_cannot_be_read_says_why(lake):
    refused = pd.DataFrame({"event_id": ["r"], "reason": ["weight: is not a number"]})
    lake.write("deliveries.captures_refused", DAY, refused)
    with pytest.raises(UnknownEvent, match="cannot be read: weight: is not a number"):
        where(deliveries.declare(), lake, "r", None)


def test_what_the_endpoint_read_itself_is_put_back(lake):
    """Explained without it, an answer would seem to be made of missing values."""
    features = pd.DataFrame({"parcel": ["a", "b"], "recent_late": [0.25, 0.5]})
    lake.write("deliveries.features", DAY, features)
    sent = pd.DataFrame({"event_id": ["b", "a", "c"], "recent_late": [None, 0.75, None]})
    sent = sent.astype({"recent_late": float})
    found = completed(parcels_online.declare(), lake, DAY, sent)
    assert found["recent_late"].tolist()[:2] == [0.5, 0.75]
    assert found["recent_late"].isna().tolist() == [False, False, True]
    assert completed(deliveries.declare(), lake, DAY, sent) is sent


@pytest.mark.parametrize(("rows", "most", "taken"), [(10, 4, [0, 3, 6, 9]), (3, 4, [0, 1, 2])])
def test_rows_are_taken_from_the_whole_partition(rows, most, taken):
    """The first rows of a month are its first days."""
    assert spread(pd.DataFrame({"n": range(rows)}), most)["n"].tolist() == taken


def test_the_lake_tells_which_run_wrote_a_partition(lake):
    assert lake.origin("deliveries.raw", DAY)["dagster.run_id"] == f"run of {DAY}"
    assert lake.origin("deliveries.raw", "2030-01-01") == {}
    assert lake.origin("deliveries.nothing", DAY) == {}
