"""`mlops env create` and `mlops env delete`: a branch's environment, beside everybody else's.

Here: the commands and what they say. Not here: what an environment has (`resources.environments`).
Bucket, catalog, roles and compute are shared; folders, tables, endpoints, model packages, asset
keys and the code location's name are the environment's own.
"""

import datetime as dt
import shutil

from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.names import program
from mlops_assets.cli.world import World, console
from mlops_assets.objects import open_objects
from mlops_assets.pipelines import declared
from mlops_assets.resources.environments import things
from mlops_assets.resources.environments.storage import Folder, Mark, Tables
from mlops_assets.resources.monitoring import monitor_metrics
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.settings import Settings


def create(name: str) -> None:
    """Make it, or say again how it is used.

    Raises:
        SettingsError: the name is none.
        CommandError: it would be taken for a part of a pipeline's name.
        DeclarationError: a pipeline's name gets too long with it.
    """
    settings = _settings(name)
    for pipeline in declared(settings.pipelines):
        if pipeline.name.startswith(f"{name}_"):
            raise CommandError(
                f"environment {name!r}: pipeline {pipeline.name} begins with it. Take another name"
            )
    own = declared(settings.pipelines, name)
    location = f"mlops_assets_{name}"
    mark = Mark(name=name, made=dt.datetime.now(dt.UTC), location=location)
    made = _folder(settings).make(mark)
    console.print(f"environment {name} {'is made' if made else 'was there already'}. To use it:\n")
    console.print(f"  export MLOPS_ENVIRONMENT={name}\n")
    console.print("Its pipelines: " + ", ".join(pipeline.name for pipeline in own))
    console.print(f"Its folder: s3://{settings.lake_bucket}/")
    console.print("As a code location of its own, in workspace.yaml:\n")
    console.print(
        "  - python_module:\n"
        "      module_name: mlops_assets.definitions\n"
        f"      location_name: {location}\n",
        markup=False,
    )
    console.print(f"When the branch is merged: [bold]{program()} env delete {name} --yes[/]")


def delete(name: str, *, yes: bool) -> None:
    """Say what would be removed, or remove it.

    Raises:
        CommandError: there is nothing of this environment.
    """
    settings = _settings(name)
    folder = _folder(settings)
    tables = Tables(settings.lake_catalog, name)
    home = settings.sagemaker_home
    # What somebody has stopped is not started to be asked; but what it holds would stay.
    asleep = settings.is_local and lifecycle.running(home) is None
    world = World(settings)
    nothing = asleep and not home.exists()
    found = [] if nothing else list(things.find(world.sagemaker.client(), name))
    alarms = [] if nothing else _alarms(world)
    kept = list(tables.find()) if _has_lake(settings) else []
    count, size = folder.size()
    if not found and not kept and not count and not alarms:
        raise CommandError(f"there is no environment {name}: nothing has its name and tag")
    verb = "removing" if yes else "would remove"
    for thing in found:
        console.print(f"{verb} {thing}", soft_wrap=True)
        if yes:
            things.remove(world.sagemaker.client(), thing)
    for alarm in alarms:
        console.print(f"{verb} alarm {alarm}", soft_wrap=True)
    if yes:
        monitor_metrics.take_down(world.sagemaker.cloudwatch(), alarms)
    for namespace, table in kept:
        console.print(f"{verb} table {namespace}.{table}", soft_wrap=True)
    if yes and kept:
        tables.remove()
    console.print(f"{verb} {count:,} objects ({size / 1e6:,.1f} MB) below {folder.uri}/")
    if not yes:
        console.print(
            f"Nothing was removed. To do it: [bold]{program()} env delete {name} --yes[/]"
        )
        return
    if settings.is_local:
        shutil.rmtree(settings.own_home, ignore_errors=True)  # the lake's files
    folder.remove()
    console.print(f"environment {name} is gone. What MLflow and Dagster were told of it stays.")


def _alarms(world: World) -> list[str]:
    """On its pipelines' monitors, whose names nobody else's pipeline can have (`create`)."""
    cloudwatch = world.sagemaker.cloudwatch()
    return [
        name
        for pipeline in world.pipelines
        for name in monitor_metrics.standing(cloudwatch, pipeline.slug)
    ]


def _settings(name: str) -> Settings:
    if not name:
        raise CommandError("an environment has a name, such as pr12")
    return Settings.load(environment=name)


def _folder(settings: Settings) -> Folder:
    return Folder(open_objects(settings.objects), f"s3://{settings.lake_bucket}")


def _has_lake(settings: Settings) -> bool:
    """Locally, opening a lake makes its database."""
    return not settings.is_local or settings.own_home.exists()
