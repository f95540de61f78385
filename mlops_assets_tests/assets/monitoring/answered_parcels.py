"""A registered model of parcels with captured answers, written as their stations would leave them.

The model is trained and registered for real; captures and labels are written straight into the
lake, for the endpoint and reading its files are other tests' matter.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.captured.events import event_id, event_time
from mlops_assets.assets.records import ModelRecord
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import (
    Endpoint,
    Evaluation,
    Gate,
    MLPipeline,
    Monitors,
    Performance,
    Training,
)
from mlops_assets_tests import deliveries, parcels_online
from mlops_assets_tests.worlds import TestWorld

DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 7))
AS_OF = DAYS[2]
MODEL = ("splits", "model", "evaluation", "registered_model")
ROWS = 400


@dataclass
class ManyParcels(deliveries.MadeParcels):
    """Late or not by weight and depot, so that there is something to learn; the same each time."""

    days: tuple[str, ...] = DAYS

    def read(self, partition: str) -> pd.DataFrame:
        rng = np.random.default_rng(int(partition.replace("-", "")))
        promised = pd.Timestamp(partition, tz="UTC") + pd.to_timedelta(
            np.sort(rng.integers(0, 24 * 60, ROWS)), unit="min"
        )
        depot = rng.choice(["north", "south"], ROWS)
        weight = rng.uniform(0.1, 9, ROWS).round(2)
        odds = 1.1 * (weight - 5) + np.where(depot == "north", 0.8, -0.8)
        late = rng.random(ROWS) < 1 / (1 + np.exp(-odds))
        delay = pd.to_timedelta(np.where(late, 30, -30), unit="min")
        return pd.DataFrame(
            {
                "parcel": [f"{partition}-{n:03d}" for n in range(ROWS)],
                "depot": depot,
                "promised_at": pd.Series(promised).astype("datetime64[us, UTC]"),
                "delivered_at": pd.Series(promised + delay).astype("datetime64[us, UTC]"),
                "weight": weight,
            }
        )


def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Nothing of the past: it takes long to compute, and is of no use here."""
    made = df[["parcel", "promised_at", "depot", "weight"]].copy()
    return made.assign(recent_late=np.nan, late=df["late"].to_numpy(float))


def declare() -> MLPipeline:
    return dataclasses.replace(
        deliveries.declare(source=ManyParcels()),
        features=features,
        partitions=Partitions(kind="daily", start=DAYS[0], end="2024-03-07"),
        training=Training(
            script=Path(parcels_online.__file__).parent / "train.py",
            metrics={"train:rows": r"rows:([0-9]+)"},
        ),
        evaluation=Evaluation(
            primary="log_loss",
            gates=(Gate(metric="auc", at_least=0.75),),
            slices=("depot",),
            slice_rows=50,
        ),
        baselines=(),
        endpoint=Endpoint(capture_share=1.0),
        monitors=Monitors(performance=Performance(least_rows=200, tolerance=0.1)),
    )


def capture(
    world: TestWorld, day: str, *, version: int = 1, as_of: str = AS_OF, rows: int = ROWS
) -> pd.DataFrame:
    """Answer a day's rows by the model as of a day: what the station ``captures`` would write."""
    pipeline = world.pipeline
    asked = world.lake.read(pipeline.table("features"), [day]).head(rows)
    store = world.resources["store"]
    model = store.load(ModelRecord, pipeline.name, "model", as_of)
    with fetch(store, model.artifact_uri) as directory:
        columns = {name: asked[name].to_numpy() for name in pipeline.feature_columns}
        answers = Artifact.load(directory).predict(columns)
    times = event_time(pipeline, asked)
    assert times is not None
    captured = pd.DataFrame(
        {
            "event_id": event_id(pipeline, asked),
            "event_time": times,
            "inference_time": times - pd.Timedelta(hours=1),
            "variant": "live",
            "version": version,
            "prediction": answers.astype(float),
            "capture_file": "made",
            "capture_line": range(1, len(asked) + 1),
            "left_out": "",
            **{name: asked[name] for name in pipeline.feature_columns},
        }
    )
    world.lake.write(pipeline.table("captures"), day, captured)
    return captured


def label(world: TestWorld, day: str, labels: pd.Series, *, known_at: str) -> None:
    """Labels by event id: what the station ``ground_truth`` would write of a day."""
    world.lake.write(
        world.pipeline.table("ground_truth"),
        day,
        pd.DataFrame(
            {
                "event_id": labels.index.astype("str"),
                "label": labels.to_numpy(float),
                "known_at": pd.Timestamp(known_at, tz="UTC").as_unit("us"),
                "label_file": "made",
                "provenance": "upload",
            }
        ),
    )
