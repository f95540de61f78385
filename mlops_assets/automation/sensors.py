"""Every sensor of a pipeline, from its declaration and the stations that exist.

Here: the list. Not here: what any of them watches.
"""

import dagster as dg

from mlops_assets.automation import approval, idle, new_data, retraining
from mlops_assets.automation.targets import Targets


def build(found: Targets) -> list[dg.SensorDefinition]:
    """The sensors, all off by default."""
    pipeline = found.pipeline
    sensors = [new_data.build(found)]
    sensors += [
        retraining.build(found, trigger)
        for trigger in pipeline.retraining.on
        if trigger in retraining.SENSORS
    ]
    if pipeline.approval == "manual":
        sensors.append(approval.build(pipeline))
    if pipeline.endpoint.idle_after_s is not None:
        sensors.append(idle.build(pipeline, pipeline.endpoint.idle_after_s))
    return sensors


def build_schedules(found: Targets) -> list[dg.ScheduleDefinition]:
    """The schedules, all off by default."""
    cron = found.pipeline.retraining.cron
    return [] if cron is None else [retraining.build_schedule(found, cron)]
