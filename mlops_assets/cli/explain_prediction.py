"""`mlops explain-prediction`: from one captured answer to all that made it what it is.

Here: showing it, on a terminal or as JSON, and keeping that it could be shown. Not here: collecting
it (`assets.monitoring.explaining.explanation_trace`).
"""

import datetime as dt
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from mlops_assets.assets.monitoring.explaining.explanation_rows import UnknownEvent
from mlops_assets.assets.monitoring.explaining.explanation_told import (
    Model,
    Raw,
    Trace,
    Trained,
    Why,
)
from mlops_assets.assets.monitoring.explaining.explanation_trace import trace
from mlops_assets.assets.monitoring.scoring.from_proofs import keep
from mlops_assets.assets.monitoring.scoring.records import ProofRecord
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.world import World, console
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.registry.person import person

PROOF = "explained prediction"
_REASONS, _WIDEST = 10, 16


def run(name: str, event_id: str, *, partition: str | None = None, as_json: bool = False) -> None:
    """Raises CommandError where the event was never captured; it says where it was looked for."""
    world = World.open()
    pipeline = world.pipeline(name)
    try:
        found = trace(
            pipeline,
            event_id,
            lake=world.lake,
            store=world.store,
            client=world.sagemaker.client(),
            instance=world.instance,
            partition=partition,
        )
    except UnknownEvent as error:
        raise CommandError(str(error)) from None
    _prove(world, pipeline, found)
    if as_json:
        # Not by rich, which would wrap and colour it.
        print(found.model_dump_json(indent=2))
    else:
        told = pipeline.label
        show(found, label=told.column, binary=told.kind == "binary", classes=told.classes)


def _prove(world: World, pipeline: MLPipeline, found: Trace) -> None:
    """Keep that a single answer could be followed to its rows; evidence for the scorecard."""
    words = f"{found.event_id} of {found.partition}"
    keep(
        world.store,
        pipeline.name,
        ProofRecord(
            name=PROOF,
            at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            by=person(world.sagemaker),
            passed=not found.untold,
            words=f"{words}: {'; '.join(found.untold)}" if found.untold else words,
            subject=found.model.package_arn if found.model else "",
        ),
    )


def show(found: Trace, *, label: str, binary: bool, classes: Sequence[str] = ()) -> None:
    """Print it in the order in which a person asks: what, why, was it true, whose, from what.

    Args:
        classes: their names by number, where the label has several.
    """
    console.print()
    console.print(f"[bold]{escape(found.pipeline)}[/] event [bold]{escape(found.event_id)}[/]")
    _facts("Prediction", _prediction(found, label, classes))
    if found.why:
        _why(found.why, binary=binary, sent_differs=found.offline)
    if found.model:
        _facts("Model", _model(found.model))
    if found.trained:
        _facts("Trained on", _trained(found.trained))
    # Stations without the pipeline's name: with it the runs would not fit on a line.
    tables = Table("table", "snapshot", "written by run", box=None, pad_edge=False)
    for table in found.tables:
        tables.add_row(table.table.partition(".")[2], table.snapshot, table.run_id or "not noted")
    _head(f"Tables of {found.partition} in the lake, as they are now")
    console.print(tables)
    if found.raw:
        _raw(found.raw)
    for untold in found.untold:
        console.print(f"[yellow]Not told:[/] {escape(untold)}")
    console.print()


def _named(value: float, classes: Sequence[str]) -> str | None:
    """The name of a class that is told by its number; None where it is no such number."""
    there = value in range(len(classes))
    return escape(classes[int(value)]) if there else None


def _prediction(found: Trace, label: str, classes: Sequence[str]) -> dict[str, str]:
    last = found.answers[-1]
    facts = {
        label: f"[bold]{_named(found.prediction, classes) or f'{found.prediction:.4f}'}[/]",
        "event time": found.event_time or "none",
        "partition": found.partition,
        "asked at": f"{last.at}, variant {last.variant}",
        "captured in": last.file,
    }
    if len(found.answers) > 1:
        facts["asked"] = f"{len(found.answers)} times; the last answer before the event counts"
    if found.label is None:
        facts["what came true"] = "not known (yet)"
    else:
        since = found.label.known_at or "it is not said when"
        by = " by ".join(dict.fromkeys([found.label.source, found.label.provenance]))
        true = _named(found.label.value, classes) or f"{found.label.value:g}"
        facts["what came true"] = f"[bold]{true}[/], known since {since} ({by})"
    return facts


def _why(why: Why, *, binary: bool, sent_differs: dict[str, str]) -> None:
    unit = "in points of probability" if binary else "in the label's unit"
    _head(f"Why: {why.base_answer:.4f} without knowing the row, and then {unit}")
    table = Table(box=None, pad_edge=False, show_header=True)
    for name in ("feature", "value sent"):
        table.add_column(name, overflow="fold")
    table.add_column("effect", justify="right")
    table.add_column("", no_wrap=True)
    table.add_column("SHAP" if not binary else f"SHAP ({why.space})", justify="right")
    widest = max((abs(reason.points) for reason in why.reasons), default=0.0) or 1.0
    for reason in why.reasons[:_REASONS]:
        colour = "red" if reason.points > 0 else "blue"
        bar = "█" * round(abs(reason.points) / widest * _WIDEST)
        value = escape(_brief(reason.value))
        if reason.feature in sent_differs:
            value += f" [yellow](offline: {escape(_brief(sent_differs[reason.feature]))})[/]"
        table.add_row(
            escape(reason.feature),
            value,
            f"{100 * reason.points:+.1f}" if binary else f"{reason.points:+.4g}",
            f"[{colour}]{bar}[/]",
            f"{reason.shap:+.4f}",
        )
    rest = why.reasons[_REASONS:]
    if rest:
        points, shap = sum(r.points for r in rest), sum(r.shap for r in rest)
        effect = f"{100 * points:+.1f}" if binary else f"{points:+.4g}"
        table.add_row(f"{len(rest)} others", "", effect, "", f"{shap:+.4f}")
    console.print(table)
    console.print(f"[dim]The artifact answers {why.answered_again:.4f} to this row now.[/]")


def _model(model: Model) -> dict[str, str]:
    told = model.decision or model.note or "no note"
    by = model.trained_by or "not noted"
    if model.reason and model.reason != f"started by {by}":
        by += f"; reason: {model.reason}"
    return {
        "package": f"version {model.version}, as of {model.as_of}: {model.package_arn}",
        "status": f"{model.status}, {model.state}: {escape(told)}",
        "trained by": escape(by),
        "held out": ", ".join(f"{k} {v:.4f}" for k, v in list(model.metrics.items())[:4]),
        "registered": model.registered,
        "commit": model.commit,
        "training job": model.training_job,
        "Dagster run": model.run_id or "not noted",
        "artifact": f"{model.artifact_digest[:16]}…",
    }


def _trained(trained: Trained) -> dict[str, str]:
    rows = ", ".join(f"{n:,} {name}" for name, n in trained.rows.items())
    facts = {
        "partitions": ", ".join(trained.partitions),
        "rows": rows,
        "lake": f"{trained.features_table} at snapshot {trained.features_snapshot}",
        "dataset": trained.dataset_uri,
    }
    if trained.missing_partitions:
        facts["were missing"] = ", ".join(trained.missing_partitions)
    return facts


def _raw(raw: Raw) -> None:
    _head("Where the row comes from")
    asked = "" if raw.version_of == "recorded" else " (asked now: no run noted it)"
    console.print(f"{escape(raw.source)}, version {escape(raw.version)}{asked}", soft_wrap=True)
    for place, row in zip(raw.places, raw.rows, strict=True):
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, value in row.items():
            table.add_row(escape(name), escape(value))
        console.print(f"Raw row {place:,} (from 0) of {raw.total:,}:")
        console.print(table)
    quarantined = (
        f"{raw.quarantined:,} of the partition's rows are" if raw.quarantined else "No row is"
    )
    console.print(f"{quarantined} in quarantine; this one was accepted.")


def _brief(value: str) -> str:
    """A number with as many digits as can be compared by eye."""
    try:
        return f"{float(value):.6g}"
    except ValueError:
        return value


def _facts(title: str, facts: dict[str, str]) -> None:
    _head(title)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    console.print(table)


def _head(title: str) -> None:
    console.print()
    console.print(f"[bold]{title}[/]")
