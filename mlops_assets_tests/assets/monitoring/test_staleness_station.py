"""Station ``staleness``: every recorded model on every later day, each pair measured once."""

import pytest

from mlops_assets.assets.monitoring import staleness, staleness_pairs
from mlops_assets.assets.monitoring.records import StalenessRecord
from mlops_assets.ml.performance.staleness import expected_gain
from mlops_assets_tests.assets.monitoring.served_parcels import DAYS, declare
from mlops_assets_tests.worlds import TestWorld, checks

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Models as of the second to the fourth day; features of six days."""
    world = TestWorld(tmp_path_factory.mktemp("staleness"), declare())
    assert world.run("raw", "clean", "quarantine", "features", span=(DAYS[0], DAYS[5])).success
    yield world
    world.stop()


def look(world: TestWorld):
    result = world.run("staleness")
    assert result.success
    record = world.resources["store"].load(StalenessRecord, "deliveries", "staleness", "now")
    return record, checks(result)["staleness_known"]


def test_from_no_model_to_a_known_curve_and_no_pair_twice(world, monkeypatch):
    record, check = look(world)
    assert record.status == "unknown"
    assert not check.passed
    assert staleness.known_pairs(world.pipeline, world.resources["store"]) == []

    assert world.run("splits", "model", span=(DAYS[1], DAYS[3])).success
    record, check = look(world)
    assert record.models == 3
    assert sorted({pair.age for pair in record.pairs}) == [1, 2, 3, 4]
    assert len(record.pairs) == 4 + 3 + 2
    assert record.status == "unknown", "two days were answered by models of two ages"

    measured = []
    score = staleness_pairs._score
    monkeypatch.setattr(staleness_pairs, "_score", lambda *a: measured.append(a) or score(*a))
    assert world.run("splits", "model", partition=DAYS[4]).success
    record, check = look(world)
    assert len(measured) == 1, "only the new model's one pair is measured"
    assert check.passed
    assert record.status == "healthy"
    assert record.loss_per_partition is not None

    assert world.run("features", partition=DAYS[5]).success
    again, _ = look(world)
    assert len(measured) in (1, 5), "a partition is measured anew only when its rows changed"
    assert again.loss_per_partition == record.loss_per_partition

    pairs = staleness.known_pairs(world.pipeline, world.resources["store"])
    gain = expected_gain(pairs, age=3, metric="log_loss")
    assert gain is not None
    assert abs(gain.gain.value) < 0.3
