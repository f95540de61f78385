"""The decorator of every monitoring station: a station of the loop, in the group that watches.

Here: the group. Not here: what any station does, nor which a pipeline has (`stations`).
"""

from collections.abc import Callable
from typing import Any

import dagster as dg

from mlops_assets.assets.station import station
from mlops_assets.pipeline import MLPipeline


def group(pipeline: MLPipeline) -> str:
    """The group of the stations that watch: beside the loop's own, so that both stay readable."""
    return f"{pipeline.name}_monitoring"


def monitoring_station(
    pipeline: MLPipeline, name: str, **options: Any
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`assets.station.station`, with the same options, in the group of the stations that watch."""
    return station(pipeline, name, group=group(pipeline), **options)
