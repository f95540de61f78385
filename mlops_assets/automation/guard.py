"""The sensor `guard` and its job: a champion that its own answers condemn is taken out.

Only where the previous one would have done better: when the world has changed, going back does not
help, and retraining is what `performance` does. What was rolled back never serves again by itself.
Here: looking, the second look, the decision. Not here: the charge (`condemning`), the comparison
(`assets.second_look`), going back (`assets.rolling_back`).
"""

import datetime as dt

import dagster as dg

from mlops_assets.assets.monitoring.decided import decisions
from mlops_assets.assets.monitoring.records import Decision, PerformanceRecord, SkewRecord
from mlops_assets.assets.rolling_back import NothingToRollBack, roll_back
from mlops_assets.assets.second_look import would_have_been_better
from mlops_assets.assets.versions import Versions, named
from mlops_assets.automation.asking import has_begun
from mlops_assets.automation.condemning import Condemned, condemned, mostly
from mlops_assets.automation.local_api import asleep
from mlops_assets.automation.retraining import ASLEEP
from mlops_assets.automation.scene import Scene
from mlops_assets.automation.targets import Targets
from mlops_assets.checks.results import Verdict
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring import decisions as kept
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.registry import promotion
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource


class Charge(dg.Config):
    """What speaks against a version."""

    bad_arn: str
    cause: str
    partition: str
    words: str
    key: str


def build(found: Targets) -> dg.SensorDefinition:
    """Starts the rollback job where the champion is condemned, once for each charge."""
    pipeline = found.pipeline
    job_name = f"{pipeline.name}_rollback"

    @dg.sensor(
        name=f"{pipeline.name}_guard",
        # By name: Dagster copies a sensor that holds a job with resources, by a Beta parameter.
        job_name=job_name,
        minimum_interval_seconds=60,
        description=(
            "Watches the realised quality of the champion's answers, and its train/serve skew: "
            f"failing since its rollout, it starts {job_name}, which goes back to the previous "
            "champion where that would have answered better."
        ),
        tags=found.tags,
    )
    def guard(
        context: dg.SensorEvaluationContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> dg.RunRequest | dg.SkipReason:
        if asleep(sagemaker):
            return dg.SkipReason(ASLEEP)
        scene = Scene(pipeline, store, lake.open(), sagemaker.client())
        return watch(scene, context.instance)

    return guard


def watch(scene: Scene, instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    """A run of the rollback job, or why there is none."""
    pipeline, champion = scene.pipeline, scene.champion
    previous = promotion.previous(scene.client, pipeline.slug)
    if champion is None or previous is None or previous.arn == champion.arn:
        return dg.SkipReason("There is nothing to go back to.")
    charge = condemned(
        champion.version,
        scene.recent(PerformanceRecord, "performance"),
        scene.recent(SkewRecord, "skew"),
    )
    if charge is None:
        return dg.SkipReason(f"Nothing speaks against {named(champion)}, as far as is known.")
    key = charge.key(pipeline.name, champion.version, previous.version)
    begun = Begun(scene.store, pipeline.name, "guard")
    judged = any(d.run_key == key for d in decisions(scene.store, pipeline.name))
    if judged or has_begun(begun, key, instance):
        return dg.SkipReason(f"{named(champion)} was looked at already: {charge.words}")
    return request(pipeline, champion, charge, key)


def request(
    pipeline: MLPipeline, champion: ModelPackage, charge: Condemned, key: str
) -> dg.RunRequest:
    """A run that looks at the charge, and goes back where that helps."""
    config = Charge(
        bad_arn=champion.arn,
        cause=charge.cause,
        partition=charge.partition,
        words=charge.words,
        key=key,
    )
    return dg.RunRequest(
        run_key=key,
        run_config=dg.RunConfig(ops={_op(pipeline): config}),
        tags={"reason": f"{charge.cause}: {charge.words}"[:200], "mlops/trigger": "guard"},
    )


def build_job(found: Targets) -> dg.JobDefinition:
    """The rollback, as the guard starts it and `mlops rollback` does it."""
    pipeline = found.pipeline

    @dg.op(name=_op(pipeline), description="Goes back where the previous champion is the better.")
    def go_back(
        context: dg.OpExecutionContext,
        config: Charge,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
        placement: dg.ResourceParam[Placement],
        signing: Signing,
    ) -> None:
        versions = Versions(pipeline, sagemaker, store, placement, signing)
        scene = Scene(pipeline, store, lake.open(), sagemaker.client())
        decision = answer(scene, versions, context.instance, config, dt.datetime.now(dt.UTC))
        context.log.warning(decision.words)

    @dg.job(
        name=f"{pipeline.name}_rollback",
        description="The previous champion serves again, as by `mlops rollback`.",
        tags=found.tags,
    )
    def rollback() -> None:
        go_back()

    return rollback


def answer(
    scene: Scene,
    versions: Versions,
    instance: dg.DagsterInstance,
    charge: Charge,
    now: dt.datetime,
) -> Decision:
    """Go back or hold, and keep why. Run again after an interruption, it finishes."""
    pipeline, store = scene.pipeline, scene.store
    serving, previous = scene.champion, promotion.previous(scene.client, pipeline.slug)
    if serving is None or serving.arn != charge.bad_arn:
        verdict = Verdict(False, f"{named(serving)} serves, and no longer what was condemned")
    elif previous is None:
        verdict = Verdict(False, "there is nothing to go back to")
    elif charge.cause == "skew":
        verdict = without_skew(scene, previous)
    else:
        verdict = would_have_been_better(
            pipeline, store, scene.lake, charge.partition, serving=serving, previous=previous
        )
    words = f"{charge.words} in {charge.partition}; {verdict.description}"
    if verdict.passed:
        try:
            done = roll_back(
                versions, instance, words=f"by the guard: {words}", only=charge.bad_arn
            )
            words = f"{named(serving)} was rolled back to {named(done.target)}: {words}"
        except NothingToRollBack as error:
            verdict = Verdict(False, str(error))
    decision = Decision(
        at=now.isoformat(timespec="milliseconds"),
        pipeline=pipeline.name,
        trigger="guard",
        partition=charge.partition,
        action="roll_back" if verdict.passed else "hold",
        words=words,
        evidence={"cause": charge.cause, "champion": charge.bad_arn, "digest": charge.key},
        run_key=charge.key,
    )
    kept.append(store, pipeline.name, decision)
    return decision


def without_skew(scene: Scene, previous: ModelPackage) -> Verdict:
    """Whether the previous champion was asked without skew: else it is not the model's."""
    for partition in reversed(scene.featured):
        performance = scene.record(PerformanceRecord, "performance", partition)
        skew = scene.record(SkewRecord, "skew", partition)
        if performance is None or skew is None:
            continue
        if not mostly(performance.versions, previous.version):
            continue
        return Verdict(
            skew.status == "healthy",
            f"with version {previous.version} the skew of {partition} was {skew.status}",
        )
    return Verdict(False, f"whether version {previous.version} had skew is not known")


def _op(pipeline: MLPipeline) -> str:
    return f"{pipeline.name}_roll_back"
