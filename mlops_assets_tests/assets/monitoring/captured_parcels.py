"""Parcels that an endpoint is asked about: captured for real, labelled late."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_assets.assets.monitoring.captures import refresh
from mlops_assets.assets.monitoring.events import invocations
from mlops_assets.pipeline import Endpoint, MLPipeline, Monitors
from mlops_assets_tests import deliveries, parcels_online
from mlops_assets_tests.worlds import TestWorld

DAY, NEXT, THIRD = deliveries.DAYS[:3]
DATA = ("raw", "clean", "quarantine", "features")
MODEL = ("splits", "model", "evaluation", "registered_model", "endpoint")


def declare(**changes: Any) -> MLPipeline:
    """The parcels, captured whole, with every feature sent by the caller."""
    given: dict[str, Any] = {
        "endpoint": Endpoint(capture_share=1.0),
        "monitors": Monitors(label_queue=5),
    }
    return dataclasses.replace(parcels_online.declare(), **{**given, **changes})


def serve(home: Path, **changes: Any) -> TestWorld:
    """A world whose endpoint serves a model of the first day, with features of the second."""
    world = TestWorld(home, declare(**changes))
    assert world.run(*DATA, *MODEL, partition=DAY).success
    assert world.run(*DATA, partition=NEXT).success
    return world


def ask(world: TestWorld, rows: pd.DataFrame, *columns: str, **parameters: str) -> list[float]:
    """One request a row, as a caller sends it; the answers."""
    runtime = world.resources["sagemaker"].runtime()
    chosen = list(columns or world.pipeline.feature_columns)
    plain = rows[chosen].astype(object).where(rows[chosen].notna(), None).to_dict("records")
    answers = []
    for row, identity in zip(plain, invocations(world.pipeline, rows), strict=True):
        reply = runtime.invoke_endpoint(
            EndpointName=world.pipeline.slug,
            ContentType="application/json",
            Body=json.dumps({"instances": [row]}),
            **{**identity, **parameters},
        )
        answers += json.loads(reply["Body"].read())["predictions"]
    return answers


def captured(world: TestWorld, records: int, *, seconds: float = 30) -> None:
    """Wait until so many records are in captured files, and nothing is half-read."""
    deadline = time.monotonic() + seconds
    store = world.resources["store"]
    top = store.uri("captures", world.pipeline.name)
    while time.monotonic() < deadline:
        files = list(store.open().list(top))
        if sum(store.open().read(info.uri).count(b"\n") for info in files) >= records:
            refresh(world.pipeline, store, world.resources["sagemaker"])
            return
        time.sleep(0.2)
    raise AssertionError(f"{records} captured records were expected in {seconds} s")


def features(world: TestWorld, day: str) -> pd.DataFrame:
    return world.lake.read(world.pipeline.table("features"), [day])
