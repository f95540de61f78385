"""The sensor `champion`: another model serves, and drift is told anew, against what that one knows.

Here: when the newest partition's drift tells of a former champion. Not here: comparing
(`assets.monitoring.drifting`), changing what serves, nor what follows from drift (`retraining`).
"""

from collections.abc import Iterator

import dagster as dg

from mlops_assets.assets.endpoint import LAST, ROLLOUT
from mlops_assets.assets.monitoring.drifting.records import DriftRecord
from mlops_assets.assets.records import RolloutRecord
from mlops_assets.assets.versions import named
from mlops_assets.automation.asking import not_begun
from mlops_assets.automation.local_api import asleep
from mlops_assets.automation.retraining import ASLEEP
from mlops_assets.automation.scene import Scene
from mlops_assets.automation.targets import Targets
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource


def build(found: Targets) -> dg.SensorDefinition:
    """Materializes ``drift`` of the newest partition that has one, once a reign."""
    pipeline = found.pipeline

    @dg.sensor(
        name=f"{pipeline.name}_champion",
        target=found.selection("drift"),
        minimum_interval_seconds=60,
        description=(
            f"Watches which model endpoint {pipeline.slug} serves, however it came to: where the "
            "newest partition was compared with what another one was trained on, its drift is "
            "told anew."
        ),
        tags=found.tags,
    )
    def champion(
        context: dg.SensorEvaluationContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if asleep(sagemaker):
            yield dg.SkipReason(ASLEEP)
            return
        scene = Scene(pipeline, store, lake.open(), sagemaker.client())
        wanted = list(told_anew(found, scene))
        begun = Begun(store, pipeline.name, "champion", one_by_one=True)
        yield from not_begun(wanted, begun, context.instance)

    return champion


def told_anew(found: Targets, scene: Scene) -> Iterator[dg.RunRequest]:
    """The run that compares the newest partition with what serves, unless that is done.

    Older partitions are left as they are: what they were judged by then.
    """
    champion, records = scene.champion, scene.recent(DriftRecord, "drift")
    if champion is None or not records or records[0].package_arn == champion.arn:
        return
    rollout = scene.record(RolloutRecord, ROLLOUT, LAST)
    if rollout and rollout.state == "running" and rollout.package_arn == champion.arn:
        return  # it answers, and is not proven yet: it may be taken back
    partition = records[0].partition
    # Who comes to serve a second time is a champion anew: the registry has noted it.
    reign = f"{champion.version}:{champion.modified:%Y%m%dT%H%M%S.%f}"
    yield dg.RunRequest(
        run_key=f"{found.pipeline.name}:drift:{partition}:{reign}",
        partition_key=partition,
        asset_selection=[found.key("drift")],
        tags={"reason": f"{named(champion)} serves"},
    )
