"""A world of its own for each test: settings, definitions, runs, and what they left behind."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets.definitions import build_assets, build_resources
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.core import Lake
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.settings import Settings


@dataclass
class TestWorld:
    """One pipeline in a home of its own, run by Dagster as in production."""

    __test__ = False

    home: Path
    pipeline: MLPipeline
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    @cached_property
    def settings(self) -> Settings:
        return Settings.load(home=self.home)

    @cached_property
    def resources(self) -> dict[str, Any]:
        return build_resources(self.settings)

    @property
    def lake(self) -> Lake:
        return self.resources["lake"].open()

    @property
    def client(self) -> Any:
        return self.resources["sagemaker"].client()

    def run(
        self, *stations: str, partition: str | None = None, span: tuple[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialize stations (the loop's, when none is named) of one partition or of a range."""
        named = stations or self.loop
        keys = [dg.AssetKey([self.pipeline.name, station]) for station in named]
        tags = (
            {"dagster/asset_partition_range_start": span[0],
             "dagster/asset_partition_range_end": span[1]}
            if span
            else {}
        )  # fmt: skip
        return dg.materialize(
            build_assets(self.pipeline),
            selection=keys,
            resources=self.resources,
            partition_key=partition,
            tags=tags,
            instance=self.instance,
            raise_on_error=False,
        )

    @property
    def loop(self) -> tuple[str, ...]:
        """From raw rows to the endpoint, without the stations that watch."""
        tested = ("load_test",) if self.pipeline.endpoint.load_test else ()
        return (*self.pipeline.data_stations, *self.pipeline.model_stations, *tested)

    def training_jobs(self) -> list[str]:
        return [
            job["TrainingJobName"]
            for job in self.client.list_training_jobs()["TrainingJobSummaries"]
        ]

    def stop(self) -> None:
        lifecycle.stop(self.settings.sagemaker_home)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """The check evaluations of a run, by name."""
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    """The stations that a run materialized."""
    return {
        event.asset_key.path[-1]
        for event in result.all_events
        if event.is_step_materialization and event.asset_key
    }
