"""The job `rollback`: a second look at what condemned the champion, going back, the decision.

Only where the previous champion would have done better: when the world has changed, going back does
not help, and retraining is what `performance` does. Here: that job. Not here: when it starts
(`guard`), the comparison (`assets.second_look`), going back (`assets.rolling_back`).
"""

import datetime as dt

import dagster as dg

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.assets.rolling_back import NothingToRollBack, roll_back
from mlops_assets.assets.second_look import would_have_been_better
from mlops_assets.assets.versions import Versions, named
from mlops_assets.automation.condemning import mostly
from mlops_assets.automation.scene import Scene
from mlops_assets.automation.targets import Targets
from mlops_assets.checks.results import Verdict
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring import decisions
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource

GUARD = "by the guard"


class Charge(dg.Config):
    """What speaks against a version."""

    bad_arn: str
    cause: str
    partition: str
    words: str
    key: str


def op_name(pipeline: MLPipeline) -> str:
    """Of the job's one op: unique in the code location."""
    return f"{pipeline.name}_roll_back"


def build(found: Targets) -> dg.JobDefinition:
    """The rollback, as the guard starts it and `mlops rollback` does it."""
    pipeline = found.pipeline

    @dg.op(
        name=op_name(pipeline), description="Goes back where the previous champion is the better."
    )
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
    verdict = _second_look(scene, charge)
    words = f"{charge.words} in {charge.partition}; {verdict.description}"
    if verdict.passed:
        try:
            said = f"{GUARD}: {words}"
            done = roll_back(versions, instance, words=said, only=charge.bad_arn)
            words = f"rolled back to {named(done.target)}: {words}"
        except NothingToRollBack as error:
            verdict, words = Verdict(False, str(error)), f"{words}; {error}"
    decision = Decision(
        at=now.isoformat(timespec="milliseconds"),
        pipeline=scene.pipeline.name,
        trigger="guard",
        partition=charge.partition,
        action="roll_back" if verdict.passed else "hold",
        words=words,
        evidence={"cause": charge.cause, "champion": charge.bad_arn, "digest": charge.key},
        run_key=charge.key,
    )
    decisions.append(scene.store, scene.pipeline.name, decision)
    return decision


def _second_look(scene: Scene, charge: Charge) -> Verdict:
    """Whether going back helps."""
    pipeline, serving = scene.pipeline, scene.champion
    previous = promotion.previous(scene.client, pipeline.slug)
    if serving is None or serving.arn != charge.bad_arn:
        bad = registry.describe(scene.client, charge.bad_arn)
        if serving is not None and serving.state == "previous" and GUARD in bad.decision:
            return Verdict(True, "an earlier run had been interrupted, and is finished")
        return Verdict(False, f"{named(serving)} serves, and no longer what was condemned")
    if previous is None:
        return Verdict(False, "there is nothing to go back to")
    if charge.cause == "skew":
        return without_skew(scene, previous)
    return would_have_been_better(
        pipeline, scene.store, scene.lake, charge.partition, serving=serving, previous=previous
    )


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
