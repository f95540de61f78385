"""What a replay works with: its home's settings, resources, Dagster instance and definitions.

Here: opening them, and who serves. Not here: what is done with them (`driver`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import dagster as dg

from mlops_assets.assets.records import EvaluationRecord
from mlops_assets.definitions import build_assets, build_resources
from mlops_assets.pipeline import MLPipeline
from mlops_assets.replay import daemon
from mlops_assets.replay.clock import Clock
from mlops_assets.replay.location import build, replayed
from mlops_assets.replay.pacing import shows
from mlops_assets.replay.plan import Plan, ReplayError, clock, find, folder
from mlops_assets.replay.records import Model
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.settings import Settings


@dataclass(frozen=True)
class World:
    """A replay's own world, in ``settings.home``."""

    settings: Settings
    plan: Plan

    @cached_property
    def pipeline(self) -> MLPipeline:
        """As it was declared: the callers' side, which knows all rows."""
        return find(self.plan.pipeline, self.plan.variant, self.settings.pipelines)

    @cached_property
    def replayed(self) -> MLPipeline:
        """As the platform sees it."""
        return replayed(self.settings)

    @cached_property
    def clock(self) -> Clock:
        return clock(self.settings.home)

    @cached_property
    def resources(self) -> dict[str, Any]:
        return build_resources(self.settings)

    @cached_property
    def definitions(self) -> dg.Definitions:
        return build(self.settings)

    @cached_property
    def sensors(self) -> tuple[str, ...]:
        return tuple(sensor.name for sensor in self.definitions.sensors or ())

    @property
    def deciding(self) -> tuple[str, ...]:
        """The sensors that a month waits for: what only shows follows in its own time while the
        next month is asked."""
        return tuple(name for name in self.sensors if not shows(name))

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """Opened before the daemon is started: two processes must not both make its tables."""
        return dg.DagsterInstance.from_config(str(daemon.prepare(self.settings.home)))

    @property
    def store(self) -> Store:
        return cast(Store, self.resources["store"])

    @property
    def sagemaker(self) -> SageMakerResource:
        return cast(SageMakerResource, self.resources["sagemaker"])

    def arrived(self, partition: str) -> bool:
        """Whether the features of a partition are in the lake."""
        lake, table = self.resources["lake"].open(), self.pipeline.table("features")
        return lake.exists(table) and partition in lake.partitions(table)

    def serving(self) -> Model | None:
        """The model behind the endpoint."""
        client = self.sagemaker.client()
        arn = serving_package(client, self.pipeline.slug)
        if arn is None:
            return None
        package = registry.describe(client, arn)
        return Model(arn=arn, version=package.version, as_of=package.lineage["as_of"])

    def verdict(self, partition: str) -> EvaluationRecord | None:
        """How the model as of a partition was judged; None where there is none."""
        try:
            return self.store.load(EvaluationRecord, self.pipeline.name, "evaluation", partition)
        except RecordNotFound:
            return None

    def train_first(self) -> Model:
        """The first model, as a person would have it made: sensors only follow one.

        Raises:
            ReplayError: it does not serve; says why.
        """
        name, start = self.pipeline.name, self.plan.start
        log = folder(self.settings.home) / "first-model.log"
        # The job's own lines, which a run passes on to standard output.
        with log.open("a") as file, contextlib.redirect_stdout(file):
            result = dg.materialize(
                build_assets(self.replayed),
                selection=[
                    dg.AssetKey([name, station]) for station in self.pipeline.model_stations
                ],
                resources=self.resources,
                partition_key=start,
                instance=self.instance,
                tags={"reason": "first model of the replay", "pipeline": name},
                run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
                raise_on_error=False,
            )
        serving = self.serving()
        if serving is None:
            raise ReplayError(f"the first model, as of {start}, does not serve: {_why(result)}")
        return serving


def _why(result: dg.ExecuteInProcessResult) -> str:
    checks = [c for c in result.get_asset_check_evaluations() if not c.passed]
    words: Sequence[str] = [f"{check.check_name}: {check.description}" for check in checks]
    return "; ".join(words) or f"run {result.run_id} failed"
