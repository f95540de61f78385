"""Parcels of five days for a short replay: on the fourth, what makes them late is another thing.

Up to then heavy parcels are late; from then on, those of the southern depot, whatever their weight.
No column's distribution changes: only the served answers can tell. The variant ``steady`` is the
same without the change.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops_assets.ml.splitting import Sliding
from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import (
    Endpoint,
    Evaluation,
    Gate,
    Label,
    MLPipeline,
    Monitors,
    Performance,
    Retraining,
    Split,
    Training,
)
from mlops_assets.pipelines import flight_delays

DAYS = ("2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04", "2024-03-05")
ROWS = 800


class RawParcels(pa.DataFrameModel):
    parcel: str = pa.Field(unique=True)
    depot: str = pa.Field(isin=["north", "south"])
    weight: float = pa.Field(gt=0)
    distance: float = pa.Field(gt=0)
    promised_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={"unit": "us", "tz": "UTC"})
    delivered_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={"unit": "us", "tz": "UTC"})
    late: float = pa.Field(isin=[0, 1])


class ParcelFeatures(pa.DataFrameModel):
    parcel: str
    promised_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={"unit": "us", "tz": "UTC"})
    depot: str
    weight: float
    distance: float
    late: float = pa.Field(isin=[0, 1])


@dataclass(frozen=True)
class MadeParcels:
    """So many parcels a day, the same each time; `turns`: the day from which all is different."""

    turns: str | None

    def partitions(self) -> list[str]:
        return list(DAYS)

    def version(self, partition: str) -> str:
        return f"1-{partition}"

    def describe(self) -> str:
        return "Parcels made up for a replay"

    def read(self, partition: str) -> pd.DataFrame:
        rng = np.random.default_rng(int(partition.replace("-", "")))
        promised = pd.Timestamp(partition, tz="UTC") + pd.to_timedelta(
            np.sort(rng.integers(0, 24 * 60, ROWS)), unit="min"
        )
        weight, south = rng.uniform(0.1, 10, ROWS).round(2), rng.random(ROWS) < 0.5
        turned = self.turns is not None and partition >= self.turns
        logit = np.where(south, 2.5, -2.5) if turned else weight - 5
        chance = 1 / (1 + np.exp(-logit))
        delivered = promised + pd.to_timedelta(rng.integers(30, 600, ROWS), unit="min")
        return pd.DataFrame(
            {
                "parcel": [f"{partition}-{n:03d}" for n in range(ROWS)],
                "depot": np.where(south, "south", "north"),
                "weight": weight,
                "distance": rng.uniform(1, 90, ROWS).round(1),
                "promised_at": pd.Series(promised).astype("datetime64[us, UTC]"),
                "delivered_at": pd.Series(delivered).astype("datetime64[us, UTC]"),
                "late": (rng.random(ROWS) < chance).astype(float),
            }
        )


def clean(df: pd.DataFrame) -> pd.DataFrame:
    return df


def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    return df[["parcel", "promised_at", "depot", "weight", "distance", "late"]]


pipeline = MLPipeline(
    name="parcels",
    description="Will this parcel be late?",
    owners=("team:tests",),
    partitions=Partitions(kind="daily", start=DAYS[0], end="2024-03-06"),
    source=MadeParcels(turns=DAYS[3]),
    raw_schema=RawParcels,
    feature_schema=ParcelFeatures,
    clean=clean,
    features=features,
    entity_key=("parcel",),
    event_time="promised_at",
    label=Label(column="late", kind="binary", known_at="delivered_at"),
    known_at={"delivered_at": ("delivered_at", "late")},
    split=Split(window=Sliding(1), holdout="tail", holdout_share=0.3),
    training=Training(
        script=flight_delays.pipeline.training.script,
        files=flight_delays.pipeline.training.files,
        hyperparameters={"num_boost_round": 40, "learning_rate": 0.1, "max_depth": 3, "nthread": 1},
    ),
    baselines=(),
    evaluation=Evaluation(primary="log_loss", gates=(Gate(metric="auc", at_least=0.65),)),
    endpoint=Endpoint(capture_share=1.0),
    monitors=Monitors(
        performance=Performance(least_rows=200, labels_within=dt.timedelta(hours=12)),
        explained_rows=50,
    ),
    retraining=Retraining(on=("performance", "drift")),
)
