"""Parcels that an endpoint is asked about: captured for real, labelled late."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_assets.assets.monitoring.captured.captures import capturing, refresh
from mlops_assets.assets.monitoring.captured.events import invocations
from mlops_assets.pipeline import Endpoint, MLPipeline, Monitors
from mlops_assets.resources.monitoring.capture_stage import read_partition
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


def captured(world: TestWorld, day: str, events: int, *, seconds: float = 60) -> None:
    """Wait until so many of a day's events are in captured files, and read."""
    deadline = time.monotonic() + seconds
    store, sagemaker = world.resources["store"], world.resources["sagemaker"]
    while time.monotonic() < deadline:
        refresh(world.pipeline, store, sagemaker)
        staged = read_partition(store.open(), capturing(world.pipeline, store), day)
        if len(staged.events) >= events:
            return
        time.sleep(0.2)
    raise AssertionError(f"{events} captured events of {day} were expected in {seconds} s")


def features(world: TestWorld, day: str) -> pd.DataFrame:
    return world.lake.read(world.pipeline.table("features"), [day])
