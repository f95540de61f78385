"""A tiny time-partitioned pipeline, will a parcel be late? Made here, to plant leaks in.

A parcel is promised for ``promised_at``; the question is asked an hour before. Whether it came late
is known at ``delivered_at``. A depot's recent lateness is what a feature may know; the parcel's own
delay is what it must not.
"""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops_assets.ml.splitting import Sliding
from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import (
    Evaluation,
    FeaturesFunction,
    Gate,
    Label,
    MLPipeline,
    Split,
    Training,
)

DAYS = ("2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04")
HORIZON = pd.Timedelta(hours=1)
LOOKBACK = dt.timedelta(hours=8)


class RawParcels(pa.DataFrameModel):
    parcel: str = pa.Field(unique=True)
    depot: str = pa.Field(isin=["north", "south"])
    promised_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={"unit": "us", "tz": "UTC"})
    delivered_at: pd.DatetimeTZDtype = pa.Field(
        dtype_kwargs={"unit": "us", "tz": "UTC"}, nullable=True
    )
    weight: float = pa.Field(gt=0)


class ParcelFeatures(pa.DataFrameModel):
    parcel: str
    promised_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={"unit": "us", "tz": "UTC"})
    depot: str
    weight: float
    recent_late: float = pa.Field(nullable=True)
    late: float = pa.Field(isin=[0, 1], nullable=True)


@dataclass
class MadeParcels:
    """Forty parcels a day, the same each time."""

    days: tuple[str, ...] = DAYS
    extra: dict[str, pd.DataFrame] = field(default_factory=dict)

    def partitions(self) -> list[str]:
        return list(self.days)

    def version(self, partition: str) -> str:
        return f"1-{partition}"

    def describe(self) -> str:
        return "Parcels made up for tests"

    def read(self, partition: str) -> pd.DataFrame:
        rng = np.random.default_rng(int(partition.replace("-", "")))
        day = pd.Timestamp(partition, tz="UTC")
        promised = day + pd.to_timedelta(np.sort(rng.integers(0, 24 * 60, 40)), unit="min")
        delay = pd.to_timedelta(rng.normal(0, 60, 40).round().astype(int), unit="min")
        delivered = pd.Series(promised + delay).astype("datetime64[us, UTC]")
        delivered[rng.random(40) < 0.05] = pd.NaT
        made = pd.DataFrame(
            {
                "parcel": [f"{partition}-{n:02d}" for n in range(40)],
                "depot": rng.choice(["north", "south"], 40),
                "promised_at": pd.Series(promised).astype("datetime64[us, UTC]"),
                "delivered_at": delivered,
                "weight": rng.uniform(0.1, 9, 40).round(2),
            }
        )
        return pd.concat([made, self.extra.get(partition)], ignore_index=True)


def clean(df: pd.DataFrame) -> pd.DataFrame:
    late = (df["delivered_at"] > df["promised_at"]).astype(float)
    return df.assign(late=late.where(df["delivered_at"].notna()))


def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """``recent_late``: share of late parcels of the depot, of those delivered an hour before."""
    return _features(df, history, HORIZON)


def leaky_features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """The mistake: what was delivered up to the promised time, an hour too much."""
    return _features(df, history, -2 * HORIZON)


def _features(df: pd.DataFrame, history: pd.DataFrame, before: pd.Timedelta) -> pd.DataFrame:
    known = pd.concat([history, df], ignore_index=True).dropna(subset=["delivered_at"])
    recent = []
    for row in df.itertuples():
        moment = row.promised_at - before
        # Not LOOKBACK: a parcel delivered in the window was promised up to some hours before it.
        since = moment - pd.Timedelta(hours=3)
        seen = known["delivered_at"].between(since, moment) & (known["depot"] == row.depot)
        # A parcel promised later counts as unknown, even if it came early: rows come in order.
        seen &= known["promised_at"] <= row.promised_at
        recent.append(known.loc[seen, "late"].mean())
    made = df[["parcel", "promised_at", "depot", "weight"]].copy()
    return made.assign(recent_late=np.array(recent, float), late=df["late"].to_numpy(float))


def declare(features: FeaturesFunction = features, source: MadeParcels | None = None) -> MLPipeline:
    return MLPipeline(
        name="deliveries",
        description="Will this parcel be late?",
        owners=("team:tests",),
        partitions=Partitions(kind="daily", start=DAYS[0], end="2024-03-05"),
        source=source or MadeParcels(),
        raw_schema=RawParcels,
        feature_schema=ParcelFeatures,
        clean=clean,
        features=features,
        entity_key=("parcel",),
        event_time="promised_at",
        label=Label(column="late", kind="binary", known_at="delivered_at"),
        lookback=LOOKBACK,
        horizon=dt.timedelta(hours=1),
        known_at={"delivered_at": ("delivered_at", "late")},
        split=Split(window=Sliding(2)),
        training=Training(script=Path(__file__)),
        evaluation=Evaluation(primary="log_loss", gates=(Gate(metric="auc", at_least=0.5),)),
    )
