"""`mlops labels`: labels that somebody collected, brought to where `ground_truth` reads them."""

import datetime as dt
from pathlib import Path

import pandas as pd

from mlops_assets.assets.monitoring.captured import ground_truth
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.names import program
from mlops_assets.cli.world import World, console
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.ground_truth import BadLabels
from mlops_assets.resources.monitoring.label_sheets import Sheet, read_sheet
from mlops_assets.resources.sagemaker.registry.person import person


def run(name: str, file: Path, *, collected_at: str | None = None) -> None:
    """Upload the labels of a file.

    Args:
        collected_at: ISO 8601 time with a zone; by default now.
    """
    world = World.open()
    pipeline = world.pipeline(name)
    if pipeline.endpoint.capture_share <= 0:
        raise CommandError(
            f"{name} captures no predictions that labels could belong to: declare "
            "Endpoint(capture_share=…)"
        )
    known = _moment(collected_at)
    sheet = _read(pipeline, file)
    who = person(world.sagemaker)
    provenance = f"{'queue' if sheet.queued else 'upload'}:{who}"
    uri = ground_truth.upload(pipeline, world.store, sheet.labels, known, provenance=provenance)
    partition = pipeline.partitions.containing(pd.Timestamp(known))
    console.print(f"{len(sheet.labels):,} labels, known since {known:%Y-%m-%d %H:%M %Z}: {uri}")
    console.print(
        f"They join their predictions when [bold]{name}/ground_truth[/] of {partition} "
        f"is materialized: by its sensor, or in {program()} ui"
    )


def _read(pipeline: MLPipeline, file: Path) -> Sheet:
    try:
        sheet = read_sheet(file.read_bytes())
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    except BadLabels as error:
        raise CommandError(f"{file}: {error}. Nothing was uploaded") from None
    if not sheet.labels:
        raise CommandError(f"{file} holds no labels: fill in the column label")
    odd = [key for key, label in sheet.labels.items() if label not in (0, 1)]
    if pipeline.label.kind == "binary" and odd:
        raise CommandError(
            f"{file}: event {odd[0]!r} is labelled {sheet.labels[odd[0]]:g}, and "
            f"{pipeline.label.column} is 0 or 1. Nothing was uploaded"
        )
    return sheet


def _moment(text: str | None) -> dt.datetime:
    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        known = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--collected-at {text!r} is no ISO 8601 time") from None
    if known.tzinfo is None:
        raise CommandError(f"--collected-at {text!r} has no time zone: write {text}+00:00 for UTC")
    return known
