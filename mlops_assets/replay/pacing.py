"""What a replay changes of a pipeline, so that months pass in minutes; all of it is said.

Here: source, pace of retraining, how often sensors look. Not here: any behaviour of the loop.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt

import dagster as dg

from mlops_assets.pipeline import MLPipeline
from mlops_assets.replay.clock import Clock
from mlops_assets.replay.source import SourceSoFar

TRAININGS = 1_000
_SHOWN_S = 15
CHANGED = (
    "Replayed: data appears by the replay's clock, which stands past the end of each partition "
    "until its labels are in (half a partition at most); no pause between trainings and no daily "
    "budget of them, since months pass in minutes; sensors look every few seconds. The first model "
    "is trained by this command, all others by the sensors. A month is over when the sensors that "
    "decide have nothing more to do; pages and explanations may come later."
)
SAMPLED = "Only a sample of each month's rows is asked, so that a gap in capture is no alarm."


def paced(pipeline: MLPipeline, clock: Clock, *, sampled: bool) -> MLPipeline:
    """The pipeline as the replay runs it."""
    performance = pipeline.monitors.performance
    if sampled:
        performance = dataclasses.replace(performance, capture_gap=1.0)
    return dataclasses.replace(
        pipeline,
        source=SourceSoFar(pipeline.source, pipeline.partitions, clock),
        retraining=dataclasses.replace(
            pipeline.retraining, pause=dt.timedelta(0), per_day=TRAININGS
        ),
        monitors=dataclasses.replace(pipeline.monitors, performance=performance),
    )


def shows(sensor: str) -> bool:
    """Whether a sensor of this name only starts what shows (bias, explanation, health), which no
    month waits for."""
    return sensor.endswith("_downstream")


def hurried(sensor: dg.SensorDefinition) -> dg.SensorDefinition:
    """The same sensor, on, and looking as often as the daemon can; what only shows is made less
    often, for all that has changed meanwhile."""
    again = copy.copy(sensor)
    # A sensor's definition has no public way to be made again with another interval.
    again._min_interval = _SHOWN_S if shows(sensor.name) else 1
    again._default_status = dg.DefaultSensorStatus.RUNNING
    return again
