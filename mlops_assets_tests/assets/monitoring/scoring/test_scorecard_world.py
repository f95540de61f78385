"""Score and health of a pipeline that really ran: points come with evidence, and go with it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.assets.monitoring.reporting import health_serving
from mlops_assets.assets.monitoring.reporting.health import report_uri
from mlops_assets.assets.monitoring.reporting.records import HealthRecord
from mlops_assets.assets.monitoring.scoring import from_registry
from mlops_assets.assets.monitoring.scoring.collect import collect
from mlops_assets.assets.monitoring.scoring.evidence import Evidence
from mlops_assets.assets.monitoring.scoring.records import ScorecardRecord
from mlops_assets.assets.monitoring.scoring.rules import RULES, scorecard
from mlops_assets.pipeline import MODEL_STATIONS
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets_tests.diabetes import declare, write_csv
from mlops_assets_tests.worlds import TestWorld, checks

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[4]
LOOP = ("raw", "clean", "quarantine", "features", *MODEL_STATIONS)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The tiny pipeline, from its file to the endpoint and the audit, in a home of its own."""
    home = tmp_path_factory.mktemp("score")
    write_csv(home / "csv")
    dagster_home = home / "home" / "dagster"
    dagster_home.mkdir(parents=True)
    with dg.DagsterInstance.local_temp(str(dagster_home)) as instance:
        made = TestWorld(home / "home", declare(home / "csv"), instance=instance)
        try:
            assert made.run(*LOOP, partition="all").success
            assert made.run("audit", partition="all").success
            yield made
        finally:
            made.stop()


def evidence(world: TestWorld) -> Evidence:
    return collect(
        world.pipeline,
        instance=world.instance,
        store=world.resources["store"],
        sagemaker=world.resources["sagemaker"],
    )


def points(found: Evidence) -> float:
    return sum(line.points for line in scorecard(found).lines)


def test_a_loop_that_ran_earns_points_and_says_for_what(world):
    card = scorecard(evidence(world))
    given = {line.id for line in card.lines if line.points}
    assert {"data-1", "data-3", "data-4", "data-5", "model-5", "infrastructure-4"} <= given
    assert {"monitoring-4", "monitoring-5", "model-6"} <= given
    assert all(line.evidence and line.link for line in card.lines if line.points)
    missing = {line.id for line in card.lines if line.state == "missing"}
    assert {"model-3", "infrastructure-1", "infrastructure-7", "monitoring-3"} <= missing


def test_taking_away_any_real_piece_of_evidence_that_earned_a_point_takes_the_point(world):
    found = evidence(world)
    earned = {
        name
        for rule in RULES
        if rule(found).points
        for name in rule.needs
        if rule(found).state != "by hand"
    }
    assert len(earned) >= 9
    for name in earned:
        assert points(found.without(name)) < points(found), name


def test_features_made_anew_by_other_code_make_the_old_checks_stale(world):
    before = scorecard(evidence(world))
    assert before.lines[0].state == "automatic"
    world.instance.report_runless_asset_event(
        dg.AssetMaterialization(dg.AssetKey([world.pipeline.name, "features"]), partition="all")
    )
    try:
        assert scorecard(evidence(world)).lines[0].state == "stale"
    finally:
        assert world.run("features", partition="all").success
    assert scorecard(evidence(world)).lines[0].state == "automatic"


def test_a_check_that_fails_takes_its_point_and_a_person_cannot_give_it_back(world):
    strict = dataclasses.replace(world.pipeline, personal=("sex",))
    failing = TestWorld(world.home, strict, instance=world.instance)
    result = failing.run("audit", partition="all")
    assert not checks(result)["privacy"].passed, "sex is in the training rows"
    try:
        line = next(ln for ln in scorecard(evidence(world)).lines if ln.id == "data-5")
        assert (line.state, line.points) == ("failing", 0)
        assert "sex is in the training rows" in line.words
    finally:
        world.run("audit", partition="all")


def test_the_assets_leave_records_and_never_call_the_unknown_healthy(world):
    result = world.run("health", "scorecard")
    assert result.success
    store = world.resources["store"]
    health = store.load(HealthRecord, world.pipeline.name, "health", "now")
    assert health.status in ("unknown", "failing", "warning")
    assert not checks(result)["healthy"].passed
    assert health.report_uri == report_uri(world.pipeline, store)
    assert b"Health of diabetes" in store.open().read(health.report_uri)
    card = store.load(ScorecardRecord, world.pipeline.name, "scorecard", "now")
    now = scorecard(evidence(world))
    assert [line.state for line in card.lines] == [line.state for line in now.lines]


def test_the_lead_time_is_measured_from_the_commit_to_the_first_model_of_it(world):
    """A model of a working tree with changes has none: nobody can say when those were made."""
    package = registry.latest(world.client, world.pipeline.slug)
    assert package is not None
    git = shutil.which("git") or "git"
    told = subprocess.run(
        [git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if told.returncode:
        pytest.skip("not in a checkout of git")
    clean = dataclasses.replace(package, lineage={**package.lineage, "commit": told.stdout.strip()})
    (piece,) = from_registry.lead_time(world.pipeline, world.client, clean)
    assert "to the first model of it that served" in piece.words
    changed = dataclasses.replace(package, lineage={**package.lineage, "commit": "a-dirty"})
    assert list(from_registry.lead_time(world.pipeline, world.client, changed)) == []


def test_requests_that_the_endpoint_answered_are_on_the_page(world):
    """A rollout asks its endpoint: with the counts of the wrong hours or names there were none."""
    found = health_serving.traffic(world.pipeline, world.resources["sagemaker"])
    asked = int(found.figure.split(" requests")[0].replace(",", ""))
    assert asked > 0
    assert found.content


@pytest.fixture(scope="module")
def mlops(world):
    """Commands in that home, as somebody types them."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "DAGSTER_"))},
        "MLOPS_HOME": str(world.home),
        "MLOPS_PIPELINES": "mlops_assets_tests.cli.tiny",
        "TINY_CSV": str(world.home.parent / "csv"),
        "DAGSTER_HOME": world.instance.root_directory,
        "COLUMNS": "100",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from mlops_assets.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=environment,
        )

    return run


def test_scorecard_as_json_is_the_record(mlops, world):
    done = mlops("scorecard", "diabetes", "--json")
    assert done.returncode == 0, done.stderr
    card = ScorecardRecord.model_validate(json.loads(done.stdout))
    now = scorecard(evidence(world))
    assert card.sections == now.sections
    assert [line.state for line in card.lines] == [line.state for line in now.lines]


def test_a_word_by_hand_gives_half_a_point_and_needs_words(mlops):
    silent = mlops("scorecard", "diabetes", "--by-hand", "data-6")
    assert silent.returncode == 1
    assert "--by-hand data-6 needs --words" in silent.stderr
    wrong = mlops("scorecard", "diabetes", "--by-hand", "data-9", "--words", "x")
    assert "there is no line 'data-9'" in wrong.stderr
    done = mlops("scorecard", "diabetes", "--by-hand", "model-3", "--words", "grid, see wiki")
    assert done.returncode == 0, done.stderr
    assert "ML Test Score of diabetes" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("◐"))
    assert " 0.5 " in line
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_health_says_where_its_report_lies(mlops):
    done = mlops("health", "diabetes")
    assert done.returncode == 0, done.stderr
    report = Path(done.stdout.split("The report: file://")[1].strip())
    assert report.read_text().startswith("<!doctype html>")
    assert "diabetes is unknown" in done.stdout
