"""The deliveries, trained and served: callers know the parcel, the store knows the depot's past.

Whoever asks sends the parcel's number, depot and weight; how late the depot has been lately is
history, which the endpoint reads from the online feature store.
"""

import dataclasses
from pathlib import Path

from mlops_assets.pipeline import Endpoint, Evaluation, MLPipeline, Online, Training
from mlops_assets_tests import deliveries

ONLINE = ("recent_late",)


def declare(
    source: deliveries.MadeParcels | None = None, online: tuple[str, ...] = ONLINE
) -> MLPipeline:
    """A pipeline that registers whatever it has trained: the models here are not the point."""
    return dataclasses.replace(
        deliveries.declare(source=source),
        training=Training(
            script=Path(__file__).parent / "train.py", metrics={"train:rows": r"rows:([0-9]+)"}
        ),
        evaluation=Evaluation(primary="log_loss"),
        baselines=(),
        endpoint=Endpoint(online=Online(columns=online)),
    )
