"""What the demo leaves for `mlops health`: profiles, and the last day compared with the others."""

import dagster as dg
import pytest

from mlops_assets.assets.monitoring.drifting.records import DriftRecord
from mlops_assets.cli.demo import _watch
from mlops_assets.cli.world import World
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld
from mlops_assets_tests.deliveries import DAYS

pytestmark = pytest.mark.integration


@pytest.fixture
def worlds(tmp_path) -> tuple[LoopWorld, World]:
    """Three days with features, and the same as a command sees them."""
    found = LoopWorld(Settings.load(home=tmp_path))
    found.features(*DAYS[:3])
    world = World(found.settings)
    vars(world).update(definitions=found.defs, instance=found.instance)
    return found, world


def test_the_last_day_is_compared_with_what_was_learnt_and_once(worlds, capsys):
    """After the demo `mlops health` had nothing to show but that nothing was there yet."""
    found, world = worlds
    _watch(world, found.pipeline, DAYS[:1])
    assert capsys.readouterr().out == "", "of one day there is nothing to compare"
    _watch(world, found.pipeline, DAYS[:2])
    assert f"{DAYS[0]} to {DAYS[1]}  profile" in capsys.readouterr().out
    _watch(world, found.pipeline, DAYS[:3])
    assert f"{DAYS[2]} to {DAYS[2]}  profile" not in capsys.readouterr().out
    profiled = found.instance.fetch_materializations(dg.AssetKey([GROUP, "profile"]), limit=9)
    assert [record.partition_key for record in profiled.records] == [DAYS[2], DAYS[1], DAYS[0]]
    assert found.lake.partitions(f"{GROUP}.profile") == list(DAYS[:3])
    assert found.store.partitions(GROUP, "drift") == list(DAYS[1:3])
    record = found.store.load(DriftRecord, GROUP, "drift", DAYS[2])
    assert record.baseline == f"earlier partitions, {DAYS[0]} to {DAYS[1]} (2 partitions)"
    # The next demo has nothing left to do.
    before = found.instance.get_runs_count()
    _watch(world, found.pipeline, DAYS[:3])
    assert capsys.readouterr().out.strip() == f"{DAYS[2]}  drift: up to date"
    assert found.instance.get_runs_count() == before
