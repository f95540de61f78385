"""Dagster runs from the command line: only what is missing or stale, with progress to read.

Here: which stations of a partition need a run, running them, and a line for each step as it ends.
Not here: what a station does.
"""

import logging
import time
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from mlops_assets.assets.records import EvaluationRecord, ModelRecord
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.world import World, console
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound


def stale_stations(
    world: World, pipeline: MLPipeline, stations: Sequence[str], partition: str
) -> list[str]:
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
        if (
            status != StaleStatus.FRESH
            or _source_changed(world, pipeline, station, partition)
            or _failed_its_gates(world, pipeline, station, partition)
        ):
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
    now = pipeline.source.version(partition)
    return not isinstance(seen, Mapping) or seen.get(partition) != now


def _champion_stays(world: World, pipeline: MLPipeline, partition: str) -> bool:
    """Whether the champion was the only gate that the evaluation of this run did not pass."""
    try:
        record = world.store.load(EvaluationRecord, pipeline.name, "evaluation", partition)
        model = world.store.load(ModelRecord, pipeline.name, "model", partition)
    except RecordNotFound:
        return False
    failed = [gate.name for gate in record.gates if not gate.passed]
    return record.artifact_digest == model.artifact_digest and failed == ["beats_champion"]


def _failed_its_gates(world: World, pipeline: MLPipeline, station: str, partition: str) -> bool:
    """A blocking check stops what follows, yet its asset counts as materialized."""
    if station != "evaluation":
        return False
    return not world.store.load(EvaluationRecord, pipeline.name, station, partition).passed


def materialize(
    world: World, pipeline: MLPipeline, stations: Sequence[str], partition: str
) -> None:
    """Run stations of one partition in this process, printing a line a step.

    A challenger that does not beat the champion is an outcome, not an error: the champion serves.

    Raises:
        CommandError: a step or a blocking check failed; says where to look.
    """
    keys = [dg.AssetKey([pipeline.name, station]) for station in stations]
    definitions = dg.Definitions.merge(
        world.definitions, dg.Definitions(loggers={"progress": _progress})
    )
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=world.instance,
        asset_selection=keys,
        partition_key=partition,
        raise_on_error=False,
        run_config={"loggers": {"progress": {}}},
        tags={"pipeline": pipeline.name, "started by": "mlops"},
    )
    if result.success:
        return
    if "evaluation" in stations and _champion_stays(world, pipeline, partition):
        console.print("  The challenger does not win: the champion stays.")
    else:
        raise CommandError(
            f"{pipeline.name} stopped at {partition}; the reason stands above. "
            "See the run in Dagster's UI: mlops ui"
        )


class _Progress(logging.Handler):
    """A line a finished step, its notes while it runs, checks that do not hold, failures."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._started = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            # The model's log comes by stdout, as the job writes it.
            if record.levelno >= logging.INFO and not str(meta.get("step_key")).endswith("__model"):
                console.print(f"      [dim]{meta.get('orig_message', record.getMessage())}[/]")
        elif event.event_type_value == "STEP_START":
            self._started = time.monotonic()
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            self._check(event.asset_check_evaluation_data)
        elif event.event_type_value == "STEP_SUCCESS":
            self._line("[green]✓", event)
        elif event.event_type_value == "STEP_FAILURE":
            self._line("[red]✗", event)
            error = event.step_failure_data.error
            console.print(f"    [red]{(error.cause or error).message.strip()}[/]")

    def _line(self, mark: str, event: dg.DagsterEvent) -> None:
        name = str(event.step_key).split("__", 1)[-1]
        console.print(f"  {mark}[/] {name:<18}[dim]{time.monotonic() - self._started:5.1f} s[/]")

    def _check(self, evaluation: dg.AssetCheckEvaluation) -> None:
        if not evaluation.passed:
            blocks = evaluation.severity == dg.AssetCheckSeverity.ERROR
            mark = "[red]✗" if blocks else "[yellow]!"
            console.print(f"      {mark} {evaluation.check_name}[/]: {evaluation.description}")


@dg.logger
def _progress(context: dg.InitLoggerContext) -> logging.Logger:
    """Progress of a run, for people at a terminal."""
    logger = logging.Logger("mlops.progress", logging.DEBUG)
    logger.addHandler(_Progress())
    return logger
