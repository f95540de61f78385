"""`mlops up`, `down` and `status`: the local SageMaker API and what it holds.

Also the `World` that every other command works in: settings, definitions, Dagster's instance.
"""

import os
import shutil
from collections.abc import Sequence
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
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.lifecycle_state import Standing, State
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.settings import Settings

console = Console(highlight=False)
_REIGNED: tuple[State, ...] = ("champion", "previous")


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


def status() -> None:
    world = World.open()
    settings = world.settings
    if settings.is_local:
        server = lifecycle.running(settings.sagemaker_home)
        if server is None:
            start = f"[bold]{program()} up[/]"
            console.print(f"The local SageMaker API is not running. Start it with {start}")
            return
        console.print(f"Local SageMaker API: {server.url} (process {server.pid})")
    client = world.sagemaker.client()
    endpoints = client.list_endpoints(MaxResults=20)
    _show(
        "Endpoints",
        ("name", "status", "updated"),
        [
            (e["EndpointName"], e["EndpointStatus"], f"{e['LastModifiedTime']:%Y-%m-%d %H:%M}")
            for e in endpoints["Endpoints"]
        ],
        more="NextToken" in endpoints,
    )
    jobs = client.list_training_jobs(MaxResults=10)
    _show(
        "Training jobs",
        ("name", "status", "started"),
        [
            (j["TrainingJobName"], j["TrainingJobStatus"], f"{j['CreationTime']:%Y-%m-%d %H:%M}")
            for j in jobs["TrainingJobSummaries"]
        ],
        more="NextToken" in jobs,
    )
    groups = client.list_model_package_groups(MaxResults=50)["ModelPackageGroupSummaryList"]
    packages = [promotion.list_standings(client, g["ModelPackageGroupName"]) for g in groups]
    shown = [standing for group in packages for standing in _telling(group)]
    _show(
        "Model packages",
        ("package", "state", "as of"),
        [
            (each.arn, each.state, registry.describe(client, each.arn).lineage.get("as_of", ""))
            for each in shown
        ],
        more=len(shown) < sum(map(len, packages)),
    )


def _telling(group: Sequence[Standing]) -> list[Standing]:
    """The newest five of a group, the champion, and the one to go back to; newest first."""
    newest = sorted(group, key=lambda standing: -standing.version)
    reigns = [max((s for s in group if s.state == which), default=None) for which in _REIGNED]
    return [each for n, each in enumerate(newest) if n < 5 or each in reigns]


def _show(
    title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, more: bool
) -> None:
    """A table whose lines a narrow terminal folds itself: an ARN is copied whole."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    console.print(f"\n[bold]{title}[/]" if rows else f"\n{title}: none")
    for row in (columns, *rows) if rows else ():
        line = "  ".join(map(str.ljust, row, widths)).rstrip()
        console.print(line, soft_wrap=True, markup=False, style="dim" if row is columns else "")
    if more:
        console.print("… and older ones", style="dim")
