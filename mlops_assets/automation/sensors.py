"""Every sensor of a pipeline, from its declaration and the stations that exist.

Here: the list. Not here: what any of them watches.
"""

import dagster as dg

from mlops_assets.automation import approval, idle, new_data
from mlops_assets.automation.targets import Targets


def build(found: Targets) -> list[dg.SensorDefinition]:
    """The sensors, all off by default."""
    pipeline = found.pipeline
    sensors = [new_data.build(found)]
    if pipeline.approval == "manual":
        sensors.append(approval.build(pipeline))
    if pipeline.endpoint.idle_after_s is not None:
        sensors.append(idle.build(pipeline, pipeline.endpoint.idle_after_s))
    return sensors
