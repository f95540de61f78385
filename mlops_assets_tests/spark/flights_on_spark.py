"""The flights' pipeline, as it is, with its data stations on Spark."""

from dataclasses import replace

from mlops_assets.pipeline import Spark
from mlops_assets.pipelines import flight_delays

pipeline = replace(
    flight_delays.pipeline,
    engine=Spark(order_by=("scheduled_at", "flight_id"), chunk_rows=4_000, slice_rows=9_000),
)
