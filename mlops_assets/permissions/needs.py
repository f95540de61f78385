"""What a declaration needs of AWS: its features, as the statements name them.

Here: from `MLPipeline` to names. Not here: the statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mlops_assets.permissions.statement import Names
from mlops_assets.pipeline import MLPipeline

FEATURES: dict[str, Callable[[MLPipeline], bool]] = {
    "asynchronous": lambda p: p.endpoint.asynchronous is not None,
    "autoscaling": lambda p: p.endpoint.autoscaling is not None,
    "batch": lambda p: p.batch is not None,
    "capture": lambda p: p.endpoint.capture_share > 0,
    "checkpoints": lambda p: p.training.use_spot,
    "manual_approval": lambda p: p.approval == "manual",
    "online": lambda p: p.endpoint.online is not None,
    # No station is a processing job: asked for by `mlops iam --with processing`.
    "processing": lambda p: False,
    "s3_source": lambda p: bool(_location(p)),
    "temporary_endpoints": lambda p: p.endpoint.load_test is not None or p.endpoint.stop_when_idle,
    "tuning": lambda p: p.tuning is not None,
}


def features(pipeline: MLPipeline) -> frozenset[str]:
    """The features that a declaration uses."""
    return frozenset(name for name, uses in FEATURES.items() if uses(pipeline))


def names(pipeline: MLPipeline) -> Names:
    """What the pipeline's things are called."""
    return Names(name=pipeline.name, slug=pipeline.slug, source=_location(pipeline))


def _location(pipeline: MLPipeline) -> str:
    location = str(getattr(pipeline.source, "location", ""))
    return location.removeprefix("s3://") if location.startswith("s3://") else ""


def unknown(given: Iterable[str]) -> list[str]:
    return sorted(set(given) - FEATURES.keys())
