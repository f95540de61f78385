"""Which monitoring stations a pipeline has.

Here: the list, from the declaration. Not here: what any of them does.
"""

import dagster as dg

from mlops_assets.assets.monitoring.auditing import audit
from mlops_assets.assets.monitoring.captured import captures, ground_truth, label_queue, skew
from mlops_assets.assets.monitoring.drifting import drift
from mlops_assets.assets.monitoring.explaining import explanation
from mlops_assets.assets.monitoring.fairness import bias
from mlops_assets.assets.monitoring.profiling import profile, served_profile
from mlops_assets.assets.monitoring.quality import performance, staleness
from mlops_assets.assets.monitoring.reporting import health
from mlops_assets.assets.monitoring.scoring import scorecard
from mlops_assets.pipeline import MLPipeline


def build(pipeline: MLPipeline) -> list[dg.AssetsDefinition]:
    """The monitoring stations; what watches answers only where the endpoint captures them."""
    stations: list[dg.AssetsDefinition] = [profile.build(pipeline), drift.build(pipeline)]
    if pipeline.endpoint.capture_share > 0:
        stations += [station.build(pipeline) for station in (captures, skew, ground_truth)]
        stations += [served_profile.build(pipeline), performance.build(pipeline)]
        if pipeline.monitors.label_queue:
            stations += [label_queue.build(pipeline)]
    if pipeline.partitions.kind != "static":
        stations += [staleness.build(pipeline)]
    if pipeline.monitors.facets:
        stations += [bias.build(pipeline)]
    stations += [audit.build(pipeline), explanation.build(pipeline)]
    # What shows them all comes after them all.
    watched = [key for station in stations for key in station.keys]
    return [*stations, health.build(pipeline, watched), scorecard.build(pipeline)]
