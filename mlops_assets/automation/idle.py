"""The sensor `idle`: an endpoint that nobody asks is reported, or stopped by declaration.

Here: when one looks. Not here: what idle means, and stopping (`resources.sagemaker.hosting.idle`).
"""

import dagster as dg

from mlops_assets.automation.local_api import asleep
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.hosting import idle
from mlops_assets.resources.sagemaker.session import SageMakerResource


def build(pipeline: MLPipeline, idle_after_s: int) -> dg.SensorDefinition:
    """Finds an endpoint that nobody asks anything; warns of it, or stops it by declaration."""
    stops = pipeline.endpoint.stop_when_idle

    @dg.sensor(
        name=f"{pipeline.name}_idle",
        target=dg.AssetSelection.assets(dg.AssetKey([pipeline.name, "endpoint"])),
        minimum_interval_seconds=300,
        description=(
            f"Watches the invocations of endpoint {pipeline.slug}: after {idle_after_s:,} s "
            f"without one it is {'stopped' if stops else 'reported as an observation'}."
        ),
        tags={"pipeline": pipeline.name},
    )
    def idle_endpoint(
        context: dg.SensorEvaluationContext, sagemaker: SageMakerResource
    ) -> dg.SkipReason:
        if asleep(sagemaker):
            return dg.SkipReason("The local SageMaker API is not running: nothing costs anything.")
        client = sagemaker.client()
        found = idle.look(client, sagemaker.cloudwatch(), pipeline.slug, idle_after_s)
        if found is None:
            return dg.SkipReason(f"No endpoint {pipeline.slug} is in service.")
        if not found.idle:
            return dg.SkipReason(found.description)
        said = found.description
        if stops:
            idle.stop(client, pipeline.slug)
            said += ". It was stopped; materialize `endpoint` to bring it back"
        if context.cursor != found.since.isoformat():
            # Once for each time that it falls idle.
            context.update_cursor(found.since.isoformat())
            context.log.warning(said)
            context.instance.report_runless_asset_event(
                dg.AssetObservation(dg.AssetKey([pipeline.name, "endpoint"]), description=said)
            )
        return dg.SkipReason(said)

    return idle_endpoint
