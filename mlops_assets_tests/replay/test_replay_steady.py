"""The negative control of the whole loop: without a change nothing is trained again."""

from pathlib import Path

import pytest

from mlops_assets_tests.replay.parcels import DAYS
from mlops_assets_tests.replay.played import play

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.nightly]


def test_without_a_change_nothing_retrains(tmp_path: Path) -> None:
    """A loop that trains on noise costs money and replaces a good model by chance."""
    steady = play(tmp_path / "home", "parcels_steady", DAYS[2], "--variant", "steady")
    assert steady.status == 0, steady.said
    assert [each for each in steady.decisions if each.action == "retrain"] == []
    assert [day.after.version for day in steady.days] == [1]
    assert [day.failed for day in steady.days] == [()]
    assert steady.performance(DAYS[2]).status != "failing"
    assert not [run for run in steady.runs() if "mlops/trigger" in run.tags]
