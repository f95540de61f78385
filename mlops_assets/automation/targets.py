"""A pipeline's jobs, and what its sensors may materialize: those of its stations that exist.

Here: selections by the stations' names. Not here: which stations there are (`assets`), nor when
anything starts.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.pipeline import MLPipeline

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

# What is known of new rows as soon as they are here: in the run that brings them.
WITH_NEW_DATA = ("profile", "drift")


@dataclass(frozen=True)
class Targets:
    """A pipeline and the names of its stations."""

    pipeline: MLPipeline
    stations: frozenset[str]

    @property
    def data(self) -> tuple[str, ...]:
        """From raw rows to features, what is known of them included."""
        return (*self.pipeline.data_stations, *self.existing(*WITH_NEW_DATA))

    @property
    def model(self) -> tuple[str, ...]:
        """From features to the live endpoint."""
        return (*self.pipeline.model_stations, *self.existing("load_test"))

    def existing(self, *names: str) -> tuple[str, ...]:
        """Those of the names that the pipeline has a station of."""
        return tuple(name for name in names if name in self.stations)

    def key(self, station: str) -> dg.AssetKey:
        return dg.AssetKey([self.pipeline.name, station])

    def selection(self, *names: str) -> dg.AssetSelection:
        """Those of the named stations that exist."""
        return dg.AssetSelection.assets(*(self.key(name) for name in self.existing(*names)))

    @property
    def tags(self) -> dict[str, str]:
        return {**self.pipeline.run_tags, "pipeline": self.pipeline.name}

    @cached_property
    def loop_job(self) -> "UnresolvedAssetJobDefinition":
        """The whole loop of one partition, from raw rows to the endpoint."""
        return dg.define_asset_job(
            f"{self.pipeline.name}_loop",
            selection=self.selection(*self.data, *self.model),
            description=f"From raw rows to the live endpoint: {self.pipeline.description}",
            tags=self.tags,
        )

    @cached_property
    def retraining_job(self) -> "UnresolvedAssetJobDefinition":
        """A new model from the features that are there, up to the endpoint."""
        return dg.define_asset_job(
            f"{self.pipeline.name}_retraining",
            selection=self.selection(*self.model),
            description=(
                "Trains a challenger on the features that are there; it replaces the champion only "
                "where it wins on the same held-out rows."
            ),
            tags=self.tags,
        )

    @cached_property
    def predictions_job(self) -> "UnresolvedAssetJobDefinition":
        """The champion's answer to every row of the partitions that one names."""
        return dg.define_asset_job(
            f"{self.pipeline.name}_predictions",
            selection=self.selection("predictions"),
            description="A batch transform of whole partitions, by the model that serves.",
            tags=self.tags,
        )

    @cached_property
    def deployment_job(self) -> "UnresolvedAssetJobDefinition":
        """What a person approved, rolled out."""
        return dg.define_asset_job(
            f"{self.pipeline.name}_deployment",
            selection=self.selection("endpoint"),
            description="Rolls out the model package that was approved.",
            tags=self.tags,
        )


def targets(pipeline: MLPipeline, assets: list[dg.AssetsDefinition]) -> Targets:
    """The targets among a pipeline's assets."""
    return Targets(pipeline, frozenset(key.path[-1] for asset in assets for key in asset.keys))
