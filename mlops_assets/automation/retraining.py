"""The sensors that retrain, one a reason, and the schedule: thin shells over `deciding.decide`.

Here: turning a decision into a run, once, though ticks double, crash or forget. Not here: the
evidence (`evidence`), the rules (`deciding`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import dagster as dg

from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.automation.asking import UNDER_WAY, has_begun
from mlops_assets.automation.deciding import DAY, Evidence, decide
from mlops_assets.automation.evidence import gather, scheduled
from mlops_assets.automation.local_api import asleep
from mlops_assets.automation.scene import Scene
from mlops_assets.automation.targets import Targets
from mlops_assets.monitors import Trigger
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring import decisions
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

# A run that was asked for is there within so long, or it was lost and is asked for again.
GRACE = dt.timedelta(minutes=5)
ASLEEP = "The local SageMaker API is not running: start it with `mlops up`."
_SENSOR = "dagster/sensor_name"
# By trigger: the sensor's name after the pipeline's, and what it watches.
SENSORS: Mapping[Trigger, tuple[str, str]] = {
    "drift": (
        "drift",
        "Watches the newest partition's drift against what the champion was trained on. Drift "
        "alone is a warning: only where it lies on columns that matter to the model it",
    ),
    "performance": (
        "performance",
        "Watches the quality of the champion's captured answers: realised below its bound, or, "
        "before labels, estimated below it,",
    ),
    "freshness": (
        "freshness",
        "Watches the age of the champion in the time of the data: behind by as many partitions "
        "with features as declared,",
    ),
    "code": (
        "code",
        "Watches the training script, its files and hyperparameters: changed since the champion "
        "was trained,",
    ),
    "labels": ("labelled", "Watches for a newer partition that has its labels, which"),
}


def build(found: Targets, trigger: Trigger) -> dg.SensorDefinition:
    """The sensor of one reason to retrain."""
    pipeline = found.pipeline
    name, watches = SENSORS[trigger]

    @dg.sensor(
        name=f"{pipeline.name}_{name}",
        job=found.retraining_job,
        minimum_interval_seconds=60,
        description=f"{watches} starts {pipeline.name}_retraining as of the newest labelled "
        f"partition, where that can help; {_limits(pipeline)}.",
        tags=found.tags,
    )
    def watch(
        context: dg.SensorEvaluationContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> dg.RunRequest | dg.SkipReason:
        if asleep(sagemaker):
            return dg.SkipReason(ASLEEP)
        scene = Scene(pipeline, store, lake.open(), sagemaker.client())
        return consider(scene, gather(scene, trigger), context.instance, dt.datetime.now(dt.UTC))

    return watch


def build_schedule(found: Targets, cron: str) -> dg.ScheduleDefinition:
    """The declared schedule, under the same rules as every other reason."""
    pipeline = found.pipeline

    @dg.schedule(
        name=f"{pipeline.name}_schedule",
        job=found.retraining_job,
        cron_schedule=cron,
        execution_timezone=pipeline.partitions.time_zone,
        description=f"Starts {pipeline.name}_retraining as of the newest labelled partition, where "
        f"that can help; {_limits(pipeline)}.",
        tags=found.tags,
    )
    def retrain(
        context: dg.ScheduleEvaluationContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> dg.RunRequest | dg.SkipReason:
        if asleep(sagemaker):
            return dg.SkipReason(ASLEEP)
        scene = Scene(pipeline, store, lake.open(), sagemaker.client())
        at = context.scheduled_execution_time.isoformat(timespec="minutes")
        return consider(scene, scheduled(scene, at), context.instance, dt.datetime.now(dt.UTC))

    return retrain


def consider(
    scene: Scene, evidence: Evidence, instance: dg.DagsterInstance, now: dt.datetime
) -> dg.RunRequest | dg.SkipReason:
    """Decide on the evidence, keep the decision, and ask for the run that it calls for.

    The decision is kept before the run is asked for. Where the tick dies in between, the run is
    asked for again, by the same key, once it is overdue.
    """
    name = scene.pipeline.name
    if bringing := ingesting(instance, name):
        # Whether its rows are broken is not known before it ends.
        return dg.SkipReason(f"Run {bringing} is bringing rows in: looks again when it has.")
    log = decisions.log(scene.store, name, Decision)
    past, end = log.tail(decisions.REMEMBERED)
    waited_for = _not_begun(scene, past, instance, now)
    for lost in waited_for:
        if lost.trigger == evidence.trigger and now - _at(lost) >= GRACE:
            return request(lost)
    running = [*trainings(instance, name), *(f"asked for at {each.at}" for each in waited_for)]
    decision = decide(name, evidence, scene.pipeline.retraining, past, running=running, now=now)
    if decision is None:
        return dg.SkipReason(evidence.words)
    if not log.append(decision, after=end):
        return dg.SkipReason("Something else was decided at this very moment: looks again.")
    if decision.action != "retrain":
        return dg.SkipReason(f"{decision.action}: {decision.words}")
    return request(decision)


def request(decision: Decision) -> dg.RunRequest:
    """The run that a decision calls for, by a key of its own, with the reason to read."""
    return dg.RunRequest(
        run_key=decision.run_key,
        partition_key=decision.partition,
        tags={
            "reason": f"{decision.trigger}: {decision.words}"[:200],
            "mlops/trigger": decision.trigger,
            "mlops/evidence": decision.evidence.get("digest", ""),
        },
    )


def trainings(instance: dg.DagsterInstance, pipeline: str) -> list[str]:
    """Ids of the runs, queued ones too, that train a model of the pipeline."""
    jobs = {f"{pipeline}_loop", f"{pipeline}_retraining"}
    model = dg.AssetKey([pipeline, "model"])
    return [
        run.run_id
        for run in instance.get_runs(dg.RunsFilter(statuses=list(UNDER_WAY)))
        if run.job_name in jobs or model in (run.asset_selection or ())
    ]


def ingesting(instance: dg.DagsterInstance, pipeline: str) -> str | None:
    """The id of a run that is bringing new rows of the pipeline in, queued or under way."""
    features = dg.AssetKey([pipeline, "features"])
    for run in instance.get_runs(dg.RunsFilter(statuses=list(UNDER_WAY))):
        by_sensor = run.tags.get(_SENSOR) == f"{pipeline}_new_data"
        if by_sensor or features in (run.asset_selection or ()):
            return run.run_id
    return None


def _not_begun(
    scene: Scene, past: Sequence[Decision], instance: dg.DagsterInstance, now: dt.datetime
) -> list[Decision]:
    """Trainings that were asked for and have not been seen; those that are seen are marked."""
    begun, missing = Begun(scene.store, scene.pipeline.name, "retraining"), []
    for decision in past:
        key = decision.run_key
        if decision.action != "retrain" or key is None or now - _at(decision) > DAY:
            continue
        if not has_begun(begun, key, instance):
            missing.append(decision)
    return missing


def _at(decision: Decision) -> dt.datetime:
    return dt.datetime.fromisoformat(decision.at)


def _limits(pipeline: MLPipeline) -> str:
    policy = pipeline.retraining
    return (
        f"never two at once, at most {policy.per_day} in 24 hours, with a pause of {policy.pause}"
    )
