"""A lake with captures and labels written straight into it: which label belongs to which answer."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_assets.pipeline import Endpoint, MLPipeline, Monitors, Performance
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.records import Store
from mlops_assets_tests import deliveries

DAYS = deliveries.DAYS


@dataclass
class Lab:
    lake: Lake
    store: Store
    pipeline: MLPipeline

    @classmethod
    def open(cls, home: Path, **monitors: Any) -> "Lab":
        lake = Lake.open(
            {
                "type": "sql",
                "uri": f"sqlite:///{home}/catalog.db",
                "warehouse": f"file://{home}/lake",
            }
        )
        store = Store(bucket="lake", objects=f"dir:{home}/buckets")
        pipeline = dataclasses.replace(
            deliveries.declare(),
            endpoint=Endpoint(capture_share=1.0),
            monitors=Monitors(**monitors),
        )
        return cls(lake, store, pipeline)

    def capture(self, day: str, *events: Mapping[str, Any]) -> None:
        """Captured answers; what an event does not say is the same in all."""
        at = pd.Timestamp(day, tz="UTC") + pd.Timedelta(hours=10)
        usual = {
            "event_time": at,
            "inference_time": at - pd.Timedelta(hours=1),
            "variant": "live",
            "version": 1,
            "prediction": 0.5,
            "capture_file": "f.jsonl",
            "capture_line": 1,
            "left_out": "",
            "depot": "north",
            "weight": 1.5,
            "recent_late": 0.25,
        }
        frame = pd.DataFrame([{**usual, **event} for event in events])
        self.lake.write("deliveries.captures", day, frame)

    def truth(self, day: str, *labels: tuple[str, float, str], provenance: str = "upload") -> None:
        """(event, label, when it became known)."""
        frame = pd.DataFrame(
            {
                "event_id": [event for event, _, _ in labels],
                "label": [label for _, label, _ in labels],
                "known_at": pd.to_datetime([at for _, _, at in labels], utc=True).as_unit("us"),
                "label_file": [f"{n}.jsonl" for n in range(len(labels))],
                "provenance": provenance,
            }
        )
        self.lake.write("deliveries.ground_truth", day, frame)

    def features(self, day: str, *rows: Mapping[str, Any]) -> None:
        at = pd.Timestamp(day, tz="UTC").as_unit("us") + pd.Timedelta(hours=10)
        usual = {"promised_at": at, "depot": "north", "weight": 1.5, "recent_late": 0.25}
        frame = pd.DataFrame([{**usual, "late": float("nan"), **row} for row in rows])
        self.lake.write("deliveries.features", day, frame)


def within(**time: float) -> Performance:
    import datetime as dt

    return Performance(labels_within=dt.timedelta(**time))
