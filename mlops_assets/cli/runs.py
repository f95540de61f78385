"""Dagster runs from the command line: only what is missing or stale, with progress to read.

Here: which stations of a partition need a run, running them, and a line for each step as it ends.
Not here: what a station does.
"""

import logging
import re
import textwrap
import time
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from rich.markup import escape

from mlops_assets.assets.records import EvaluationRecord, ModelRecord
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.names import program
from mlops_assets.cli.world import World, console
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound

_RANGE_START, _RANGE_END = (
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)
_SHOWN = 240


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
            or _stopped_at(world, key, partition)
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


def _stopped_at(world: World, key: dg.AssetKey, partition: str) -> bool:
    """Whether a blocking check stopped the run that made this: its asset counts as materialized,
    and running only what follows would go round the check."""
    made = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1
    ).records
    if not made:
        return False
    checks = world.instance.get_records_for_run(
        made[0].run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    found = [
        event.asset_check_evaluation_data
        for event in (record.event_log_entry.dagster_event for record in checks)
        if event
    ]
    return any(each.asset_key == key and _blocks(each) for each in found)


def _blocks(evaluation: dg.AssetCheckEvaluation) -> bool:
    return not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR


def materialize(
    world: World,
    pipeline: MLPipeline,
    stations: Sequence[str],
    partition: str,
    *,
    since: str | None = None,
) -> None:
    """Run stations of one partition in this process, printing a line a step.

    Args:
        since: of all partitions from this one on, in one run.

    A challenger that does not beat the champion is an outcome, not an error: the champion serves.

    Raises:
        CommandError: a step or a blocking check failed; says where to look.
    """
    keys = [dg.AssetKey([pipeline.name, station]) for station in stations]
    span = {} if since in (None, partition) else {_RANGE_START: since, _RANGE_END: partition}
    definitions = dg.Definitions.merge(
        world.definitions, dg.Definitions(loggers={"progress": _progress})
    )
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=world.instance,
        asset_selection=keys,
        partition_key=None if span else partition,
        raise_on_error=False,
        run_config={"loggers": {"progress": {}}},
        tags={"pipeline": pipeline.name, "started by": "mlops", **span},
    )
    if result.success:
        return
    # In words here: Ctrl+C also ends what carries the lines of the station to the terminal.
    if interrupted := _interrupted(result):
        raise CommandError(f"{interrupted} Go on with: {program()} demo {pipeline.name}")
    if "evaluation" in stations and _champion_stays(world, pipeline, partition):
        console.print("  The challenger does not win: the champion stays.")
    else:
        raise CommandError(
            f"{pipeline.name} stopped at {partition}; the reason stands above. "
            f"See the run in Dagster's UI: {program()} ui"
        )


def _interrupted(result: dg.ExecuteInProcessResult) -> str | None:
    """What became of the training job when the user interrupted the run; None: nobody did."""
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data.user_failure_data
            if failure and "interrupted" in (failure.description or ""):
                return failure.description
    return None


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
                self._note(str(meta.get("orig_message", record.getMessage())))
        elif event.event_type_value == "STEP_START":
            self._started = time.monotonic()
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            self._check(event.asset_check_evaluation_data)
        elif event.event_type_value == "STEP_SUCCESS":
            self._line("[green]✓", event)
        elif event.event_type_value == "STEP_FAILURE":
            self._line("[red]✗", event)
            error = event.step_failure_data.error
            # Without the exception's module: the reader wants the message.
            message = re.sub(r"^[\w.]+\.(?=\w+: )", "", (error.cause or error).message.strip())
            console.print(f"    [red]{escape(message)}[/]", soft_wrap=True)

    def _note(self, message: str) -> None:
        # Which steps do not run now follows from the one that failed.
        if not message.startswith("Dependencies for step"):
            console.print(f"      [dim]{escape(message)}[/]", soft_wrap=True)

    def _line(self, mark: str, event: dg.DagsterEvent) -> None:
        name = str(event.step_key).split("__", 1)[-1]
        console.print(f"  {mark}[/] {name:<18}[dim]{time.monotonic() - self._started:5.1f} s[/]")

    def _check(self, evaluation: dg.AssetCheckEvaluation) -> None:
        if not evaluation.passed:
            mark = "[red]✗" if _blocks(evaluation) else "[yellow]!"
            # All of it stands in the UI: here it must not bury what the next step says.
            words = textwrap.shorten(str(evaluation.description), _SHOWN, placeholder=" …")
            description = escape(words)
            console.print(f"      {mark} {evaluation.check_name}[/]: {description}", soft_wrap=True)


@dg.logger
def _progress(context: dg.InitLoggerContext) -> logging.Logger:
    """Progress of a run, for people at a terminal."""
    logger = logging.Logger("mlops.progress", logging.DEBUG)
    logger.addHandler(_Progress())
    return logger
