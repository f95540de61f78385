"""The code location of a replay, which its daemon loads: ``MLOPS_HOME`` says which replay.

Here: the platform's own definitions with the replay's pace. Nothing else differs.
"""

import dagster as dg

from mlops_assets.definitions import build_defs
from mlops_assets.pipeline import MLPipeline
from mlops_assets.replay.pacing import hurried, paced
from mlops_assets.replay.plan import Plan, clock, find
from mlops_assets.settings import Settings


def replayed(settings: Settings) -> MLPipeline:
    """The pipeline that the home of these settings replays."""
    plan = Plan.load(settings.home)
    pipeline = find(plan.pipeline, plan.variant, settings.pipelines)
    return paced(pipeline, clock(settings.home), sampled=plan.rows > 0)


def build(settings: Settings) -> dg.Definitions:
    """All definitions of the replayed pipeline, its sensors turned on."""
    found = build_defs(settings, pipelines=[replayed(settings)])
    sensors = [
        hurried(each) if isinstance(each, dg.SensorDefinition) else each
        for each in found.sensors or ()
    ]
    return dg.Definitions(
        assets=found.assets,
        asset_checks=found.asset_checks,
        jobs=found.jobs,
        schedules=found.schedules,
        sensors=sensors,
        resources=found.resources,
        executor=found.executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Only when it is loaded: a replay's home must be there by then."""
    return build(Settings.load())
