"""A pipeline as it is at one tick: its records, its lake, and what serves.

Here: reading them. Not here: what they call for (`evidence`, `condemning`).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlops_assets.automation import learnable
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Record, RecordNotFound, Store
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

# How many of the newest partitions are looked at: labels come late, alarms of old ones are old.
RECENT = 3


@dataclass(frozen=True)
class Scene:
    """A pipeline as it is at one tick."""

    pipeline: MLPipeline
    store: Store
    lake: "Lake"
    client: Any

    @cached_property
    def champion(self) -> ModelPackage | None:
        """What the endpoint serves."""
        arn = serving_package(self.client, self.pipeline.slug)
        return registry.describe(self.client, arn) if arn else None

    @cached_property
    def featured(self) -> list[str]:
        """The partitions that have features, in order."""
        return learnable.featured(self.pipeline, self.lake)

    def record(self, kind: type[Record], station: str, partition: str) -> Record | None:
        try:
            return self.store.load(kind, self.pipeline.name, station, partition)
        except RecordNotFound:
            return None

    def recent(self, kind: type[Record], station: str) -> list[Record]:
        """A station's newest records, newest first; features of their partitions may come later."""
        partitions = self.store.partitions(self.pipeline.name, station)
        found = (self.record(kind, station, p) for p in partitions[: -RECENT - 1 : -1])
        return [record for record in found if record is not None]
