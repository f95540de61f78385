"""A short replay as a person starts it: real daemon, real sensors, real endpoint, planted change.

What makes parcels late is another thing from the fourth day on; nothing but the quality of the
captured answers can tell. The control is the same without the change (`test_replay_steady`).
"""

from pathlib import Path

import psutil
import pytest

from mlops_assets.definitions import build_resources
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.settings import Settings
from mlops_assets_tests.replay.parcels import DAYS, ROWS
from mlops_assets_tests.replay.played import Played, play

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("turned") / "home", "parcels", DAYS[3])


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


def test_what_was_sent_is_compared_with_the_rows_that_came_after_it(turned: Played) -> None:
    """Skew was unknown for every month of every replay: nobody looked again."""
    for day in DAYS[2:4]:
        skew = turned.skew(day)
        assert (skew.status, skew.captured, skew.compared) == ("healthy", ROWS, ROWS)
        assert turned.performance(day).expected == ROWS


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


def _names(process: psutil.Process, home: Path) -> bool:
    return any(str(home) in part for part in process.info["cmdline"] or ())
