"""What is profiled, and who reads it, as the graph shows it: nothing hangs loose."""

import dataclasses

import dagster as dg
import pytest

from mlops_assets.assets.monitoring.drifting import drift
from mlops_assets.assets.monitoring.profiling import profile, served_profile
from mlops_assets.definitions import build_defs
from mlops_assets.pipeline import Endpoint
from mlops_assets_tests import parcels_classes

PIPELINE = parcels_classes.declare()


def read_by(asset: dg.AssetsDefinition) -> set[str]:
    return {key.path[-1] for key in asset.dependency_keys}


@pytest.mark.parametrize(
    ("station", "table"), [(profile, "features"), (served_profile, "captures")]
)
def test_a_profile_comes_from_the_table_that_it_counts(station, table):
    assert read_by(station.build(PIPELINE)) == {table}


def test_drift_reads_what_was_answered_where_answers_are_kept():
    """Without the edge the UI shows no way from a captured answer to the drift of predictions."""
    assert "served_profile" in read_by(drift.build(PIPELINE))
    silent = dataclasses.replace(PIPELINE, endpoint=Endpoint(capture_share=0.0))
    assert "served_profile" not in read_by(drift.build(silent)), "there is no such station"


def test_every_station_that_watches_is_read_or_shows_to_people():
    """And the edges make no circle: the graph has an order."""
    graph = build_defs(pipelines=[PIPELINE]).resolve_asset_graph()
    assert len(graph.toposorted_asset_keys) == len(graph.get_all_asset_keys())
    ends = {key.path[-1] for key in graph.get_all_asset_keys() if not graph.get(key).child_keys}
    assert "served_profile" not in ends
    assert "scorecard" in ends
