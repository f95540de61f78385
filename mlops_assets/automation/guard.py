"""The sensor `guard`: a champion that its own answers condemn is looked at, and taken out.

What was rolled back never serves again by itself. Here: when one looks. Not here: the charge
(`condemning`), the second look and the way back (`going_back`).
"""

import dagster as dg

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.decided import decisions
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.versions import named
from mlops_assets.automation.asking import has_begun
from mlops_assets.automation.condemning import Condemned, condemned
from mlops_assets.automation.going_back import Charge, op_name
from mlops_assets.automation.local_api import asleep
from mlops_assets.automation.retraining import ASLEEP
from mlops_assets.automation.scene import Scene
from mlops_assets.automation.targets import Targets
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.registry import promotion
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.session import SageMakerResource


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
    if champion.state == "rolled-back":
        key += ":finish"  # taken out, and still serving: a run was interrupted there
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
        run_config=dg.RunConfig(ops={op_name(pipeline): config}),
        tags={"reason": f"{charge.cause}: {charge.words}"[:200], "mlops/trigger": "guard"},
    )
