"""Station ``served_profile``: what the endpoint was asked, and answered, in counts that add up.

Here: the asset. Not here: its page and the lake's table, which are those of `profile`.
"""

import dagster as dg

from mlops_assets.assets.monitoring.profiling import profiles
from mlops_assets.assets.monitoring.profiling.profile import ProfileConfig, written
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.station import key
from mlops_assets.ml.profiles import profile as counted
from mlops_assets.ml.profiles.profile import Profile
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.tables import ANSWERED
from mlops_assets.resources.records import Store

NAME = "served_profile"
PREDICTION = "prediction"


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    columns = [PREDICTION, *pipeline.feature_columns]

    @monitoring_station(
        pipeline,
        NAME,
        description="Counts, sums and missing values of captured requests and their answers.",
        kinds={"numpy", "iceberg"},
        code_version=pipeline.code_version(counted.profile, columns, pipeline.personal),
        deps=[key(pipeline, "captures")],
        io_manager_key="lake_io",
        dagster_type=dg.Any,
    )
    def served_profile(
        context: dg.AssetExecutionContext, config: ProfileConfig, lake: LakeResource, store: Store
    ) -> dg.MaterializeResult:
        found: dict[str, Profile] = {}
        for partition in context.partition_keys:
            asked = lake.open().read(
                pipeline.table("captures"), [partition], columns=["variant", *columns]
            )
            # A shadow is asked what somebody else was asked already.
            rows = asked.loc[asked["variant"].isin(ANSWERED), columns]
            renew = config.renew_grids and not found
            found[partition] = profiles.make(pipeline, store, rows, renew=renew)
            context.log.info(f"{partition}: {len(rows):,} answered requests profiled")
        return written(pipeline, store, NAME, found)

    return served_profile
