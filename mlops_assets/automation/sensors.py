"""Every sensor, job and schedule of a pipeline, from its declaration and the stations that exist.

Here: the list. Not here: what any of them watches.
"""

from typing import Any

import dagster as dg

from mlops_assets.automation import (
    alarms,
    approval,
    captures,
    champions,
    dependencies,
    downstream,
    going_back,
    guard,
    housekeeping,
    idle,
    labels,
    new_data,
    retraining,
)
from mlops_assets.automation.targets import Targets


def build(found: Targets) -> list[dg.SensorDefinition]:
    """The sensors, all off by default."""
    pipeline = found.pipeline
    sensors: list[dg.SensorDefinition] = [new_data.build(found)]
    sensors += [
        retraining.build(found, trigger)
        for trigger in pipeline.retraining.on
        if trigger in retraining.SENSORS
    ]
    sensors += [champions.build(found), dependencies.build(found), alarms.build(found)]
    if found.existing(*downstream.follows(found)):
        sensors.append(downstream.build(found))
    if "captures" in found.stations:
        sensors.append(captures.build(found))
    if "ground_truth" in found.stations:
        sensors.append(labels.build(found))
    if guarded(found):
        sensors.append(guard.build(found))
    if pipeline.approval == "manual":
        sensors.append(approval.build(pipeline))
    if pipeline.endpoint.idle_after_s is not None:
        sensors.append(idle.build(pipeline, pipeline.endpoint.idle_after_s))
    return sensors


def build_jobs(found: Targets) -> list[Any]:
    """What is started as a whole, by a person, a sensor or a schedule."""
    rollback = [going_back.build(found)] if guarded(found) else []
    predictions = [found.predictions_job] if "predictions" in found.stations else []
    fixed = [found.loop_job, found.retraining_job, housekeeping.build_job(found)]
    return [*fixed, *predictions, *rollback]


def guarded(found: Targets) -> bool:
    """Whether a champion that its answers condemn is taken out by itself."""
    return found.pipeline.retraining.roll_back and "performance" in found.stations


def build_schedules(found: Targets) -> list[dg.ScheduleDefinition]:
    """The schedules, all off by default."""
    cron = found.pipeline.retraining.cron
    trainings = [] if cron is None else [retraining.build_schedule(found, cron)]
    return [*trainings, housekeeping.build_schedule(found)]
