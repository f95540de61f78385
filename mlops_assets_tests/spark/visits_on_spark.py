"""Visits to shops, with all that rows can be: nulls, ties, poison, repeats, conflicts, odd types.

``features`` look at other visits to the same shop, so that the partition is cut by shop.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import (
    Evaluation,
    Gate,
    Label,
    MLPipeline,
    Monitors,
    Spark,
    Training,
)

DAYS = ("2024-03-01", "2024-03-02")
_ROWS = 3_000
_TIME = {"unit": "us", "tz": "UTC"}


class RawVisits(pa.DataFrameModel):
    visit: int = pa.Field(unique=True)
    shop: str = pa.Field(isin=["north", "south", "east", "west", "wüst"])
    came_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs=_TIME)
    spent: float = pa.Field(ge=0, nullable=True)
    items: pd.Int64Dtype = pa.Field(nullable=True)


class VisitFeatures(pa.DataFrameModel):
    visit: int
    shop: str
    came_at: pd.DatetimeTZDtype = pa.Field(dtype_kwargs=_TIME)
    before: int = pa.Field(ge=0)
    mean_spent: float = pa.Field(nullable=True)
    items: pd.Int64Dtype = pa.Field(nullable=True)
    big: float = pa.Field(isin=[0, 1], nullable=True)


@dataclass
class MadeVisits:
    """Text, as a CSV has it; one value in ten is missing, some rows are poison."""

    rows: int = _ROWS

    def partitions(self) -> list[str]:
        return list(DAYS)

    def version(self, partition: str) -> str:
        return f"1-{partition}"

    def describe(self) -> str:
        return "Visits made up for tests"

    def read(self, partition: str) -> pd.DataFrame:
        rng = np.random.default_rng(int(partition.replace("-", "")))
        rows = self.rows
        day = pd.Timestamp(partition, tz="UTC")
        came = day + pd.to_timedelta(rng.integers(0, 24 * 6, rows) * 10, unit="min")  # many ties
        first = DAYS.index(partition) * 10 * rows
        made = pd.DataFrame(
            {
                "visit": pd.Series(np.arange(first, first + rows)).astype("str"),
                "shop": rng.choice(["north", "south", "east", "west", "wüst"], rows),
                "came_at": pd.Series(came).dt.strftime("%Y-%m-%dT%H:%M:%S+00:00").astype("str"),
                "spent": pd.Series(rng.normal(20, 5, rows).round(2)).astype("str"),
                "items": pd.Series(rng.integers(0, 2**60, rows)).astype("str"),
                "note": pd.Series([None] * rows, dtype="str"),
            }
        )
        for name in ("spent", "items"):
            made.loc[rng.random(rows) < 0.1, name] = None
        made.loc[made.index[-1], "note"] = "the only one"
        if partition == DAYS[0]:
            made.loc[[5, 1_700], "spent"] = ["n/k", "-1"]
            made.loc[[6, 2_999], "shop"] = ["moon", "north\u202eabc"]
            made.loc[1_200:1_299, "items"] = "many"  # a whole chunk of misfits
            again = made.iloc[[40, 41, 42]].copy()
            again.loc[again.index[2], "spent"] = "3.5"  # contradicts row 42; 40 and 41 are repeated
            made = pd.concat([made, again], ignore_index=True)
        return made


def clean(df: pd.DataFrame) -> pd.DataFrame:
    spent = df["spent"].where(df["spent"] < 10_000)
    made = df.assign(spent=spent, big=(spent > 20).astype(float).where(spent.notna()))
    return made.assign(few=(made["items"] % 7).astype("Int16"), day=made["came_at"].dt.date)


def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Visits to the same shop in the six hours before, and what was spent there."""
    both = pd.concat([history, df], ignore_index=True)
    counts, means = np.zeros(len(df), np.int64), np.full(len(df), np.nan)
    for shop in df["shop"].unique():
        mine = np.flatnonzero(df["shop"] == shop)
        seen = both[both["shop"] == shop].sort_values("came_at", kind="stable")
        # Cents are whole numbers: their sums do not depend on where the sum began.
        cents = (seen["spent"] * 100).round().fillna(0).astype("int64")
        sums = np.concatenate([[0], np.cumsum(cents)])
        known = np.concatenate([[0], np.cumsum(seen["spent"].notna())])
        asked = df["came_at"].iloc[mine]
        first = seen["came_at"].searchsorted(asked - pd.Timedelta(hours=6), side="left")
        last = seen["came_at"].searchsorted(asked, side="left")
        counts[mine] = last - first
        number = known[last] - known[first]
        there = number > 0
        means[mine[there]] = (sums[last] - sums[first])[there] / 100 / number[there]
    made = df[["visit", "shop", "came_at"]].copy()
    return made.assign(before=counts, mean_spent=means, items=df["items"], big=df["big"])


pipeline = MLPipeline(
    name="visits",
    description="Will this visit be a big one?",
    owners=("team:tests",),
    partitions=Partitions(kind="daily", start=DAYS[0], end="2024-03-03"),
    source=MadeVisits(),
    raw_schema=RawVisits,
    feature_schema=VisitFeatures,
    clean=clean,
    features=features,
    entity_key=("visit",),
    event_time="came_at",
    label=Label(column="big", kind="binary"),
    lookback=dt.timedelta(hours=6),
    training=Training(script=Path(__file__)),
    evaluation=Evaluation(primary="log_loss", gates=(Gate(metric="auc", at_least=0.5),)),
    monitors=Monitors(quarantine_share=0.1),
    engine=Spark(features_by=("shop",), chunk_rows=100, slice_rows=700),
)
