"""`mlops up` and `down`: the local SageMaker API.

Also the `World` that every other command works in: settings, definitions, Dagster's instance.
"""

import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import dagster as dg
from rich.console import Console

from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.instance import open_instance
from mlops_assets.cli.names import program
from mlops_assets.pipeline import MLPipeline
from mlops_assets.pipelines import declared
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.settings import Settings

console = Console(highlight=False)


@dataclass(frozen=True)
class World:
    """What a command works with, opened when first used."""

    settings: Settings

    @classmethod
    def open(cls) -> "World":
        return cls(Settings.load())

    @cached_property
    def definitions(self) -> dg.Definitions:
        # Here, not above: importing it reads every declaration, and `down` works with a wrong one.
        from mlops_assets.definitions import build_defs

        return build_defs(self.settings)

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """Dagster's instance of this world; its home is made on first use."""
        home = self.dagster_home()
        os.environ["DAGSTER_HOME"] = str(home)
        return open_instance(home)

    def dagster_home(self) -> Path:
        """``DAGSTER_HOME``, or ours, with the project's dagster.yaml in it."""
        if given := os.environ.get("DAGSTER_HOME"):
            return Path(given)
        home = self.settings.dagster_home
        home.mkdir(parents=True, exist_ok=True)
        config = Path("dagster.yaml")
        if config.is_file():
            shutil.copyfile(config, home / "dagster.yaml")
        return home

    @property
    def pipelines(self) -> tuple[MLPipeline, ...]:
        return declared(self.settings.pipelines, self.settings.environment)

    def pipeline(self, name: str) -> MLPipeline:
        pipelines = self.pipelines
        for pipeline in pipelines:
            if pipeline.name == name:
                return pipeline
        known = ", ".join(pipeline.name for pipeline in pipelines)
        raise CommandError(f"there is no pipeline {name!r}. Declared: {known}")

    @cached_property
    def _resources(self) -> dict[str, Any]:
        from mlops_assets.definitions import build_resources

        return build_resources(self.settings, self.pipelines)

    @property
    def sagemaker(self) -> SageMakerResource:
        return cast(SageMakerResource, self._resources["sagemaker"])

    @property
    def store(self) -> Store:
        return cast(Store, self._resources["store"])

    @property
    def placement(self) -> Placement:
        return cast(Placement, self._resources["placement"])

    @property
    def signing(self) -> Signing:
        return cast(Signing, self._resources["signing"])

    @property
    def lake(self) -> Lake:
        return cast(LakeResource, self._resources["lake"]).open()


def up() -> None:
    settings = Settings.load()
    if not settings.is_local:
        raise CommandError("MLOPS_ENV=aws: SageMaker is AWS's own, there is nothing to start")
    server = lifecycle.ensure_running(settings.sagemaker_home, objects=settings.objects)
    console.print(
        f"The local SageMaker API answers at [bold]{server.url}[/] (process {server.pid})."
    )
    console.print(f"What it holds: [bold]{program()} status[/]")


def down() -> None:
    stopped = lifecycle.stop(Settings.load().sagemaker_home)
    console.print("Stopped." if stopped else "Nothing was running.")
