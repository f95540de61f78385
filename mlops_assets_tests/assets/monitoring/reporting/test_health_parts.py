"""The health page: what is unknown is never healthy, what is missing says what would make it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

import pytest

from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.assets.monitoring.reporting import health_actions, health_data, health_quality
from mlops_assets.assets.monitoring.reporting.health import NAME, NOW, parts, report
from mlops_assets.assets.monitoring.reporting.health_part import Part, absent, overall
from mlops_assets.assets.monitoring.reporting.records import HealthRecord
from mlops_assets.pipelines.flight_delays import pipeline
from mlops_assets.resources.monitoring.decisions import log
from mlops_assets_tests.assets.monitoring import health_world


@pytest.fixture
def store(tmp_path):
    return health_world.store_in(tmp_path)


@pytest.fixture
def resting(tmp_path):
    return health_world.sagemaker_at_rest(tmp_path)


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    """The store with a year of records, and the page that is made of them."""
    home = tmp_path_factory.mktemp("year")
    store = health_world.store_in(home)
    health_world.a_year(pipeline, store)
    record = report(pipeline, store, parts(pipeline, store, health_world.sagemaker_at_rest(home)))
    return store, record, store.open().read(record.report_uri).decode()


def part(name: str, status) -> Part:
    return Part(name, status, f"{name} is {status}", "")


def test_nothing_is_healthy_while_anything_is_unknown():
    healthy = [part("Drift", "healthy"), part("Cost", None)]
    assert overall(healthy)[0] == "healthy"
    status, words = overall([*healthy, absent("Skew", "materialize skew.")])
    assert status == "unknown"
    assert "skew (not there yet)" in words
    assert overall([])[0] == "unknown"


def test_the_worst_part_decides_and_the_others_are_still_named():
    status, words = overall(
        [part("Drift", "warning"), part("Quality", "failing"), part("Skew", "unknown")]
    )
    assert status == "failing"
    assert words.startswith("Failing: quality")
    assert "Warning: drift" in words
    assert "Unknown: skew" in words


def test_an_empty_world_makes_a_page_of_what_would_make_it(store, resting):
    """Every part has to cope with a pipeline of which no station has run yet."""
    found = parts(pipeline, store, resting)
    record = report(pipeline, store, found)
    assert record.status == "unknown"
    lacking = {p.name for p in found if p.figure == "not there yet"}
    assert {"Serving", "Quality", "Drift", "Skew", "Staleness", "Traffic"} <= lacking
    assert all(p.words.startswith("Not there yet: ") for p in found if p.name in lacking)


def test_a_pipeline_whose_answers_nobody_keeps_says_what_to_declare(store):
    silent = dataclasses.replace(
        pipeline, endpoint=dataclasses.replace(pipeline.endpoint, capture_share=0.0)
    )
    for found in (*health_quality.performance(silent, store), health_data.skew(silent, store)):
        assert found.status == "unknown"
        assert "capture_share" in found.words


@pytest.mark.integration
def test_the_newest_partition_decides_how_drift_quality_and_skew_are(store):
    """No-change months stay silent; a month that goes wrong is told with its figures."""
    health_world.a_year(pipeline, store)
    assert health_data.drift(pipeline, store).status == "healthy"
    assert health_quality.performance(pipeline, store)[0].status == "healthy"
    assert health_data.skew(pipeline, store).status == "healthy"
    store.save(pipeline.name, "drift", "2013-12-01", health_world.drift("2013-06-01"))
    bad = health_world.performance("2013-12-01", status="failing", loss=0.6)
    store.save(pipeline.name, "performance", "2013-12-01", bad)
    skewed = health_world.skew("2013-12-01", different=17)
    store.save(pipeline.name, "skew", "2013-12-01", skewed)
    drift = health_data.drift(pipeline, store)
    assert (drift.status, "60%" in drift.figure) == ("warning", True)
    quality = health_quality.performance(pipeline, store)[0]
    assert (quality.status, "0.6000" in quality.figure) == ("failing", True)
    skew = health_data.skew(pipeline, store)
    assert (skew.status, "17 of 26,990" in skew.figure) == ("failing", True)


@pytest.mark.integration
def test_a_partition_whose_labels_are_not_due_does_not_hide_the_one_before(store):
    """Labels come late: if the newest partition decided, no pipeline were ever healthy."""
    health_world.a_year(pipeline, store)
    idle = health_world.performance("2013-12-01", status="unknown")
    idle = idle.model_copy(update={"captured": 0, "expected": None, "metrics": {}})
    store.save(pipeline.name, "performance", "2013-12-01", idle)
    assert health_quality.performance(pipeline, store)[0].status == "healthy"
    patient = dataclasses.replace(
        pipeline.monitors,
        performance=dataclasses.replace(
            pipeline.monitors.performance, labels_within=dt.timedelta(days=365 * 100)
        ),
    )
    waiting = dataclasses.replace(pipeline, monitors=patient)
    gap = idle.model_copy(update={"expected": 28_000})
    store.save(pipeline.name, "performance", "2013-12-01", gap)
    assert health_quality.performance(waiting, store)[0].status == "healthy"


def test_a_gap_in_the_captures_is_unknown_although_the_month_before_was_healthy(store):
    """The control of the one above: rows were there to ask about, and nobody's answer was kept."""
    health_world.a_year(pipeline, store)
    gap = health_world.performance("2013-12-01", status="unknown")
    gap = gap.model_copy(update={"captured": 0, "metrics": {}})
    store.save(pipeline.name, "performance", "2013-12-01", gap)
    found = health_quality.performance(pipeline, store)[0]
    assert found.status == "unknown"
    assert "2013-12-01" in found.figure


def test_a_year_of_records_makes_a_page_with_its_pictures(year):
    store, record, page = year
    for heading in ("Quality", "Calibration", "Drift", "Staleness", "Decisions", "Cost"):
        assert f">{heading}<" in page
    assert page.count("data:image/png;base64,") >= 5
    assert store.load(HealthRecord, pipeline.name, NAME, NOW) == record


def test_the_page_needs_nothing_else_and_runs_nothing(year):
    """It is sent by mail and opened years later: no script, no other file, no other host."""
    _, _, page = year
    assert "<script" not in page
    assert "default-src &#x27;none&#x27;" in page
    assert not re.findall(r'(?:src|href)="(?!data:image/png|#)[^"]*"', page)
    assert "http://" not in page
    assert "https://" not in page


def test_words_of_others_cannot_become_markup(store, resting):
    """A decision's reason holds what an upstream service said; a report must show it as text."""
    evil = health_world.decision(1, words='<script>alert(1)</script><img src="x">|')
    assert log(store, pipeline.name, Decision).append(evil, after=0)
    record = report(pipeline, store, parts(pipeline, store, resting))
    page = store.open().read(record.report_uri).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_decisions_come_newest_first_with_their_reason(store):
    health_world.a_year(pipeline, store)
    found = health_actions.decisions(pipeline, store)
    (table,) = found.content
    assert table.rows[0][0] == "2013-07-05 06:00"
    assert "drift on 60 % of the importance" in table.rows[0][-1]


def test_the_report_leads_to_the_assets_where_the_ui_has_an_address(store, resting, monkeypatch):
    """Links of what is not there, or to an address that nobody declared, would lead nowhere."""
    health_world.a_year(pipeline, store)
    found = parts(pipeline, store, resting)

    def links() -> set[str]:
        record = report(pipeline, store, found)
        return set(re.findall(r'href="(http[^"]+)"', store.open().read(record.report_uri).decode()))

    monkeypatch.delenv("MLOPS_UI_URL", raising=False)
    assert links() == set()
    monkeypatch.setenv("MLOPS_UI_URL", "https://dagster.example.com/team/")
    assets = "https://dagster.example.com/team/assets/flight_delays"
    assert {f"{assets}/drift", f"{assets}/performance", f"{assets}/skew"} <= links()
    assert f"{assets}/bias" not in links(), "of bias nothing is known yet"
    known = {f"{assets}/{key.path[-1]}" for key in stations(pipeline)}
    assert {link for link in links() if link.startswith(assets)} <= known


def stations(declared):
    """Every asset of a pipeline."""
    from mlops_assets.definitions import build_defs

    graph = build_defs(pipelines=[declared]).resolve_asset_graph()
    return [key for key in graph.get_all_asset_keys() if key.path[0] == declared.name]
