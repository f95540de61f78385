"""Which monitoring stations a pipeline has.

Here: the list, from the declaration. Not here: what any of them does.
"""

import dagster as dg

from mlops_assets.assets.monitoring import health, scorecard
from mlops_assets.pipeline import MLPipeline


def build(pipeline: MLPipeline) -> list[dg.AssetsDefinition]:
    """The monitoring stations; what watches answers only where the endpoint captures them."""
    stations: list[dg.AssetsDefinition] = []
    # What shows them all comes after them all.
    watched = [key for station in stations for key in station.keys]
    return [*stations, health.build(pipeline, watched), scorecard.build(pipeline, watched)]


def group(pipeline: MLPipeline) -> str:
    """The group of the stations that watch: beside the loop's own, so that both stay readable."""
    return f"{pipeline.name}_monitoring"
