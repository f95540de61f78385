"""Parcels that come early, in time or late: a pipeline whose label has three classes."""

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import (
    Endpoint,
    Evaluation,
    Facet,
    Gate,
    Label,
    MLPipeline,
    Monitors,
    Performance,
    Training,
)
from mlops_assets_tests import deliveries

DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 6))
CLASSES = ("early", "in time", "late")
ROWS = 400


class ClassFeatures(pa.DataFrameModel):
    parcel: str
    promised_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={"unit": "us", "tz": "UTC"})
    depot: str
    weight: float
    outcome: float = pa.Field(isin=[0, 1, 2], nullable=True)


class ClassParcels(deliveries.MadeParcels):
    """Heavy parcels come late, light ones early, those of the north later than others."""

    def read(self, partition: str) -> pd.DataFrame:
        rng = np.random.default_rng(int(partition.replace("-", "")))
        promised = pd.Timestamp(partition, tz="UTC") + pd.to_timedelta(
            np.sort(rng.integers(0, 24 * 60, ROWS)), unit="min"
        )
        depot, weight = rng.choice(["north", "south"], ROWS), rng.uniform(0.1, 9, ROWS).round(2)
        delay = 12 * (weight - 5) + np.where(depot == "north", 10, -10) + rng.logistic(0, 10, ROWS)
        return pd.DataFrame(
            {
                "parcel": [f"{partition}-{n:03d}" for n in range(ROWS)],
                "depot": depot,
                "promised_at": pd.Series(promised).astype("datetime64[us, UTC]"),
                "delivered_at": pd.Series(promised + pd.to_timedelta(delay.round(), unit="min"))
                .astype("datetime64[us, UTC]"),
                "weight": weight,
            }
        )  # fmt: skip


def clean(df: pd.DataFrame) -> pd.DataFrame:
    minutes = (df["delivered_at"] - df["promised_at"]) / pd.Timedelta(minutes=1)
    return df.assign(outcome=np.digitize(minutes, [-15, 15]).astype(float))


def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    return df[["parcel", "promised_at", "depot", "weight", "outcome"]].copy()


def declare() -> MLPipeline:
    return dataclasses.replace(
        deliveries.declare(source=ClassParcels(days=DAYS)),
        feature_schema=ClassFeatures,
        clean=clean,
        features=features,
        lookback=dt.timedelta(0),
        partitions=Partitions(kind="daily", start=DAYS[0], end="2024-03-06"),
        label=Label(
            column="outcome", kind="multiclass", known_at="delivered_at", classes=CLASSES
        ),
        known_at={"delivered_at": ("delivered_at", "outcome")},
        training=Training(script=Path(__file__).parent / "train.py"),
        evaluation=Evaluation(
            primary="log_loss",
            gates=(Gate(metric="macro_f1", at_least=0.5),),
            slices=("depot",),
            slice_rows=50,
        ),
        baselines=("prior",),
        endpoint=Endpoint(capture_share=1.0),
        monitors=Monitors(
            performance=Performance(least_rows=200, tolerance=0.25),
            facets=(Facet(column="depot", disadvantaged=("north",)),),
            positive_classes=("early", "in time"),
        ),
    )  # fmt: skip
