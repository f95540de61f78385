"""Dagster runs from the command line: only what is missing or stale, with progress to read.

Here: which stations of a partition need a run, running them, and a line for each step as it ends.
Not here: what a station does.
"""

import logging
import time
from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.workspace.context import LoadingContextForTest

from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.world import World, console
from mlops_assets.pipeline import MLPipeline


def stale_stations(world: World, pipeline: MLPipeline, stations: Sequence[str], partition: str) -> list[str]:
    """The stations that must run for a partition: never run, or something before them changed.

    From the first stale one on, all are run: what they read is about to change.
    """
    graph = world.definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(
        world.instance, graph, LoadingContextForTest(world.instance)
    )
    for position, station in enumerate(stations):
        key = dg.AssetKey([pipeline.name, station])
        status = resolver.get_status(key, partition)
        if status != StaleStatus.FRESH or _source_changed(world, pipeline, station, partition):
            return list(stations[position:])
    return []


def _source_changed(world: World, pipeline: MLPipeline, station: str, partition: str) -> bool:
    if station != "raw":
        return False
    records = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([pipeline.name, "raw"]), asset_partitions=[partition]
        ),
        limit=1,
    ).records
    if not records or records[0].asset_materialization is None:
        return True
    seen = records[0].asset_materialization.metadata["source_version"].value
    return seen.get(partition) != pipeline.source.version(partition)


def materialize(world: World, pipeline: MLPipeline, stations: Sequence[str], partition: str) -> None:
    """Run stations of one partition in this process, printing a line a step.

    Raises:
        CommandError: a step or a blocking check failed; says where to look.
    """
    keys = [dg.AssetKey([pipeline.name, station]) for station in stations]
    definitions = dg.Definitions.merge(
        world.definitions, dg.Definitions(loggers={"console": _progress})
    )
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=world.instance,
        asset_selection=keys,
        partition_key=partition,
        raise_on_error=False,
        tags={"pipeline": pipeline.name, "started by": "mlops"},
    )
    if not result.success:
        raise CommandError(
            f"{pipeline.name} stopped at {partition}; the reason stands above. "
            "See the run in Dagster's UI: mlops ui"
        )


class _Progress(logging.Handler):
    """A line a finished step, its notes while it runs, failures in full."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._started = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            console.print(f"      [dim]{meta.get('orig_message', record.getMessage())}[/]")
        elif event.event_type_value == "STEP_START":
            self._started = time.monotonic()
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            self._check(event.asset_check_evaluation_data)
        elif event.event_type_value == "STEP_SUCCESS":
            name = str(event.step_key).split("__", 1)[-1]
            console.print(f"  [green]✓[/] {name:<18}[dim]{time.monotonic() - self._started:5.1f} s[/]")
        elif event.event_type_value == "STEP_FAILURE":
            error = event.step_failure_data.error
            cause = error.cause or error
            console.print(f"  [red]✗ {event.step_key}[/]: {cause.message.strip()}")

    def _check(self, evaluation: dg.AssetCheckEvaluation) -> None:
        if not evaluation.passed:
            blocks = evaluation.severity == dg.AssetCheckSeverity.ERROR
            mark = "[red]✗" if blocks else "[yellow]![/][yellow]"
            console.print(f"      {mark} {evaluation.check_name}[/]: {evaluation.description}")


@dg.logger(description="Progress of a run, for people at a terminal.")
def _progress(context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("mlops.progress", logging.INFO)
    logger.addHandler(_Progress())
    return logger
