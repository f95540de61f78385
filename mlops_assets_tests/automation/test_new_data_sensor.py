"""The new-data sensor: what it asks for, and that nothing is asked for twice."""

import dagster as dg

from mlops_assets.definitions import build_defs, build_resources
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.deliveries import DAYS, MadeParcels


class Growing(MadeParcels):
    """A source whose second day is delivered again, and which holds a day nobody declared."""

    revision = 1

    def partitions(self) -> list[str]:
        return [*DAYS[:2], "2031-01-01"]

    def version(self, partition: str) -> str:
        return f"{self.revision if partition == DAYS[1] else 1}-{partition}"


def requests(source: MadeParcels, home) -> dict[str | None, dg.RunRequest]:
    settings = Settings.load(home=home)
    defs = build_defs(settings, pipelines=[deliveries.declare(source=source)])
    sensor = defs.resolve_sensor_def("deliveries_new_data")
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"store": build_resources(settings)["store"]}
        with dg.build_sensor_context(instance, definitions=defs, resources=resources) as context:
            ticked = sensor.evaluate_tick(context)
    return {request.run_key: request for request in ticked.run_requests or []}


def test_it_asks_for_each_declared_partition_by_its_version(tmp_path):
    asked = requests(Growing(), tmp_path)
    assert {request.partition_key for request in asked.values()} == set(DAYS[:2])
    assert all(request.tags["reason"] == "new data" for request in asked.values())


def test_a_run_key_changes_with_the_version_and_only_then(tmp_path):
    """Dagster refuses the second run of a key: a lost cursor can ingest nothing twice."""
    source = Growing()
    before = requests(source, tmp_path)
    assert set(requests(source, tmp_path)) == set(before)
    source.revision = 2
    changed = set(requests(source, tmp_path)) - set(before)
    assert changed == {f"deliveries:{DAYS[1]}:2-{DAYS[1]}"}


def test_it_reaches_the_data_stations_only(tmp_path):
    """New data must not train and deploy by itself: that is for a sensor with a reason to."""
    defs = build_defs(Settings.load(home=tmp_path), pipelines=[deliveries.declare()])
    job = defs.resolve_sensor_def("deliveries_new_data").job
    keys = job.selection.resolve(defs.resolve_asset_graph())
    assert {key.path[-1] for key in keys} - {"profile", "drift"} == {
        "raw", "clean", "quarantine", "features",
    }  # fmt: skip
