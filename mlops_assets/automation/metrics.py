"""The sensor `metrics`: what the monitors found, as metrics of CloudWatch, each version once.

Here: what was sent already, and when the declared alarms are put up. Not here: the figures
(`figures`), CloudWatch (`resources.monitoring.monitor_metrics`).
"""

import datetime as dt

import dagster as dg

from mlops_assets.automation import figures
from mlops_assets.automation.local_api import asleep
from mlops_assets.automation.targets import Targets
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.monitoring.monitor_metrics import MonitorMetrics, identity, put_up
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource


def build(found: Targets, namespace: str) -> list[dg.SensorDefinition]:
    """The sensor, off by default; none without a namespace (``MLOPS_METRICS_NAMESPACE``)."""
    if not namespace:
        return []
    pipeline = found.pipeline

    @dg.sensor(
        name=f"{pipeline.name}_metrics",
        target=None,
        minimum_interval_seconds=300,
        description=(
            f"Sends drift, performance, skew, quarantine and freshness to CloudWatch's namespace "
            f"{namespace}, each version of a partition once, and puts up the declared alarms. It "
            "starts nothing."
        ),
        tags=found.tags,
    )
    def metrics(
        context: dg.SensorEvaluationContext,
        lake: LakeResource,
        store: Store,
        sagemaker: SageMakerResource,
        monitor_metrics: dg.ResourceParam[MonitorMetrics],
    ) -> dg.SkipReason:
        if asleep(sagemaker):
            return dg.SkipReason(
                "The local SageMaker API is not running: start it with `mlops up`."
            )
        now, cloudwatch = dt.datetime.now(dt.UTC), sagemaker.cloudwatch()
        sent = Begun(store, pipeline.name, "metrics", one_by_one=True)
        alarms = monitor_metrics.alarms(pipeline.name, pipeline.slug, pipeline.alerts.above)
        mark = f"alarms:{identity(alarms)}"
        if not sent.has(mark):
            put_up(cloudwatch, pipeline.slug, alarms)
            sent.mark(mark, "sensor")
        opened, count = lake.open(), 0
        for each in figures.told(pipeline, store, opened):
            if sent.has(each.key):
                continue
            # Sent before it is marked: who dies in between sends the same figure again, which
            # changes neither its maximum nor its average.
            monitor_metrics.put(cloudwatch, pipeline.name, each.figures(), now)
            sent.mark(each.key, "sensor")
            count += 1
        age = figures.freshness(pipeline, opened, now)
        monitor_metrics.put(cloudwatch, pipeline.name, age, now)
        return dg.SkipReason(f"{count} versions of partitions were told to {namespace}.")

    return [metrics]
