"""Station ``served_profile``: what the endpoint was asked, and answered, in counts that add up.

Here: what is profiled of captures. Not here: the asset, its page and the lake's table, which are
those of `profile`.
"""

from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.profiling.profile import profiled
from mlops_assets.assets.monitoring.profiling.profiles import SERVED, with_class_names
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.tables import ANSWERED

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

PREDICTION = "prediction"


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    columns = [PREDICTION, *pipeline.feature_columns]

    def read(lake: "Lake", partition: str) -> pd.DataFrame:
        table = pipeline.table("captures")
        asked = lake.read(table, [partition], columns=["variant", *columns])
        # A shadow is asked what somebody else was asked already.
        rows = asked.loc[asked["variant"].isin(ANSWERED), columns]
        return with_class_names(pipeline, rows, PREDICTION)

    return profiled(
        pipeline,
        SERVED,
        description="Counts, sums and missing values of captured requests and their answers.",
        source="captures",
        columns=columns,
        read=read,
    )
