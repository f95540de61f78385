"""Parcels by the day, enough of them to compare, whose days can be broken."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import Drift, MLPipeline, Monitors, Split
from mlops_assets_tests import deliveries

DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 15))
ROWS = 960
Break = Callable[[pd.DataFrame], pd.DataFrame]


class RawParcels(pa.DataFrameModel):
    parcel: str = pa.Field(unique=True)
    depot: str
    promised_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs={"unit": "us", "tz": "UTC"})
    weight: float = pa.Field(nullable=True)
    height: float
    late: float = pa.Field(isin=[0, 1])


class ParcelFeatures(RawParcels):
    """Nothing is derived."""


@dataclass
class Parcels:
    """Parcels all day round, as many every hour; ``broken``: {day: what happened to it}."""

    broken: Mapping[str, Break] = field(default_factory=dict)

    def partitions(self) -> list[str]:
        return list(DAYS)

    def version(self, partition: str) -> str:
        return f"1-{partition}"

    def describe(self) -> str:
        return "Parcels made up for tests"

    def read(self, partition: str) -> pd.DataFrame:
        rng = np.random.default_rng(int(partition.replace("-", "")))
        minutes = np.sort(rng.integers(0, 24 * 60, ROWS))
        promised = pd.Timestamp(partition, tz="UTC") + pd.to_timedelta(minutes, unit="min")
        weight = rng.gamma(3, 2, ROWS)
        made = pd.DataFrame(
            {
                "parcel": [f"{partition}-{n:04d}" for n in range(ROWS)],
                "depot": rng.choice(["north", "south", "east"], ROWS, p=[0.5, 0.3, 0.2]),
                "promised_at": pd.Series(promised).astype("datetime64[us, UTC]"),
                "weight": weight,
                "height": 10 * weight + rng.normal(0, 1, ROWS),
                "late": (rng.random(ROWS) < 0.3).astype(float),
            }
        )
        return self.broken.get(partition, lambda rows: rows)(made).reset_index(drop=True)


def declare(broken: Mapping[str, Break] | None = None, **drift: object) -> MLPipeline:
    """The pipeline; ``drift`` as `Drift` takes it."""
    return dataclasses.replace(
        deliveries.declare(),
        name="parcels",
        partitions=Partitions(kind="daily", start=DAYS[0], end="2024-03-15"),
        source=Parcels(broken or {}),
        raw_schema=RawParcels,
        feature_schema=ParcelFeatures,
        clean=lambda df: df,
        features=lambda df, history: df,
        known_at={},
        lookback=pd.Timedelta(0).to_pytimedelta(),
        horizon=pd.Timedelta(0).to_pytimedelta(),
        split=Split(),
        monitors=Monitors(drift=Drift(**drift)),  # type: ignore[arg-type]
    )
