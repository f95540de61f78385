"""The variant ``schedule``: the same flights, asked from the timetable alone.

Without live delays and weather a model knows the season only by what it was trained on, so that it
ages fast: what retraining is worth shows here. Belongs here: what differs from the pipeline itself.
It is not discovered as a pipeline of its own: `mlops replay flight_delays --variant schedule`.
"""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from mlops_assets.pipeline import Evaluation, Gate, Split
from mlops_assets.pipelines.flight_delays import pipeline as two_hours
from mlops_assets.pipelines.flight_delays.features import candidates
from mlops_assets.pipelines.flight_delays.schemas import DAY, Instant


class ScheduleFeatures(pa.DataFrameModel):
    """One row a flight: what its timetable says, durations in minutes."""

    flight_id: str = pa.Field(unique=True)
    scheduled_at: Series[Instant]
    carrier: str = pa.Field(str_matches=r"^[A-Z0-9]{2}$")
    origin: str = pa.Field(isin=["EWR", "JFK", "LGA"])
    hour: int = pa.Field(ge=0, le=23)
    minute_of_day: int = pa.Field(ge=0, lt=DAY)
    weekday: int = pa.Field(ge=0, le=6)
    distance: int = pa.Field(ge=50, le=10_000)
    scheduled_minutes: int = pa.Field(gt=0, le=DAY)
    scheduled_speed: float = pa.Field(gt=0, le=20)  # miles a minute
    dest_lat: float = pa.Field(ge=-90, le=90)
    dest_lon: float = pa.Field(ge=-180, le=180)
    scheduled_origin_1h: int = pa.Field(ge=0, le=10_000)
    scheduled_carrier_1h: int = pa.Field(ge=0, le=10_000)
    scheduled_dest_1h: int = pa.Field(ge=0, le=10_000)
    late: float = pa.Field(isin=[0.0, 1.0], nullable=True)

    class Config:
        """Exactly these columns, in this order: the model's input is made of them."""

        strict = True
        ordered = True


def schedule_features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """The timetable's columns of all that could be asked."""
    return candidates(df, history)[list(ScheduleFeatures.to_schema().columns)]


pipeline = replace(
    two_hours,
    name="flight_delays_schedule",
    description="Will this flight arrive 15 minutes late or more? Asked from the timetable alone.",
    feature_schema=ScheduleFeatures,
    features=schedule_features,
    # As fresh as can be: the end of the newest month judges, and the rest of it is learned from.
    split=Split(window=two_hours.split.window, holdout="tail", holdout_share=0.15),
    training=replace(
        two_hours.training,
        hyperparameters={
            **two_hours.training.hyperparameters,
            # Few columns: each tree may look at all of them, and more trees have their use.
            "colsample_bytree": 1.0,
            "num_boost_round": 500,
        },
    ),
    # Compared over time, not with simpler models: in a calm week the mean alone is hard to beat.
    baselines=(),
    evaluation=Evaluation(
        primary="log_loss",
        gates=(Gate(metric="auc", at_least=0.58), Gate(metric="log_loss", at_most=0.75)),
        leakage_ceiling=Gate(metric="auc", at_most=0.80),
        slices=("origin", "carrier"),
        block=timedelta(days=1),
    ),
)
