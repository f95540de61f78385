"""A short replay as a person starts it: real daemon, real sensors, real endpoint, planted change.

What makes parcels late is another thing from the fourth day on; nothing but the quality of the
captured answers can tell. The control is the same without the change.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pytest

from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.definitions import build_resources
from mlops_assets.replay import records
from mlops_assets.resources.monitoring import decisions
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.settings import Settings
from mlops_assets_tests.replay.parcels import DAYS, ROWS

ROOT = Path(__file__).parents[2]
MODULE = "mlops_assets_tests.replay.parcels"
TIMEOUT_S = 1200

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@dataclass(frozen=True)
class Played:
    """What a replay printed and left behind."""

    home: Path
    name: str
    said: str
    status: int

    @property
    def store(self) -> Store:
        return build_resources(Settings(home=self.home))["store"]

    @property
    def days(self) -> list[records.MonthRecord]:
        return [found for day in DAYS if (found := records.load(self.home, day))]

    @property
    def decisions(self) -> list[Decision]:
        return decisions.history(self.store, self.name, Decision)

    def performance(self, day: str) -> PerformanceRecord:
        return self.store.load(PerformanceRecord, self.name, "performance", day)

    def runs(self) -> list[dg.DagsterRun]:
        with dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            return list(instance.get_runs())


def play(home: Path, name: str, last: str, *options: str) -> Played:
    """`mlops replay parcels` from the third day on, all rows asked."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DAGSTER_", "MLOPS_"))}
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("mlops")),
            *("replay", "parcels", "--from", DAYS[2], "--to", last, "--rows", "0"),
            *("--home", str(home), *options),
        ],
        cwd=ROOT,
        env={**kept, "MLOPS_PIPELINES": MODULE, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.terminate()  # it stops what it started, which a kill would leave behind
        said, _ = process.communicate(timeout=60)
    return Played(home, name, said, process.returncode)


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("turned") / "home", "parcels", DAYS[3])


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Played:
    home = tmp_path_factory.mktemp("steady") / "home"
    return play(home, "parcels_steady", DAYS[2], "--variant", "steady")


def test_it_ends_well_and_leaves_no_process_behind(turned: Played) -> None:
    assert turned.status == 0, turned.said
    assert [day.failed for day in turned.days] == [(), ()]
    left = [p.info for p in psutil.process_iter(["cmdline"]) if _names(p, turned.home)]
    assert left == []


def test_the_answers_and_their_late_labels_are_judged(turned: Played) -> None:
    before, after = turned.performance(DAYS[2]), turned.performance(DAYS[3])
    assert (before.captured, after.captured) == (ROWS, ROWS)
    assert min(before.labelled, after.labelled) > 0.95 * ROWS
    assert before.status != "failing"
    assert after.status == "failing"
    assert after.metrics["auc"].value < 0.65 < before.metrics["auc"].value


def test_a_sensor_retrains_for_the_reason_that_it_saw(turned: Played) -> None:
    trained = [each for each in turned.decisions if each.action == "retrain"]
    assert [(each.trigger, each.partition) for each in trained] == [("performance", DAYS[3])]
    started = [run for run in turned.runs() if run.tags.get("mlops/trigger") == "performance"]
    assert len(started) == 1
    assert started[0].tags["reason"].startswith("performance: ")
    assert started[0].tags["dagster/sensor_name"] == "parcels_performance"


def test_the_challenger_is_promoted_and_its_package_says_why(turned: Played) -> None:
    last = turned.days[-1]
    assert last.loop.as_of == DAYS[1]
    assert last.after.as_of == DAYS[3]
    client = build_resources(Settings(home=turned.home))["sagemaker"].client()
    try:
        package = registry.describe(client, last.after.arn)
    finally:
        from mlops_assets.sagemaker_local import lifecycle

        lifecycle.stop(Settings(home=turned.home).sagemaker_home)
    assert package.reason.startswith("performance: ")


def test_it_tells_each_day_and_draws_all_of_them(turned: Played) -> None:
    for word in (DAYS[2], "retrain (performance)", "promoted", "mean", "no pause between"):
        assert word in turned.said
    assert (turned.home / "replay" / "replay.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_played_is_told_again_and_not_played_again(turned: Played) -> None:
    runs = len(turned.runs())
    again = play(turned.home, "parcels", DAYS[3])
    assert again.status == 0, again.said
    assert "retrain (performance)" in again.said
    assert len(turned.runs()) == runs


def test_without_a_change_nothing_retrains(steady: Played) -> None:
    """The negative control of the whole loop."""
    assert steady.status == 0, steady.said
    assert [each for each in steady.decisions if each.action == "retrain"] == []
    assert [day.after.version for day in steady.days] == [1]
    assert [day.failed for day in steady.days] == [()]
    assert steady.performance(DAYS[2]).status != "failing"
    assert not [run for run in steady.runs() if "mlops/trigger" in run.tags]


def _names(process: psutil.Process, home: Path) -> bool:
    return any(str(home) in part for part in process.info["cmdline"] or ())
