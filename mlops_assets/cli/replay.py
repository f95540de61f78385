"""`mlops replay`: history through the live loop, told month by month, with a table and a plot.

Here: what the user sees. Not here: the replay itself (`mlops_assets.replay`).
"""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.table import Table

from mlops_assets.cli.world import console
from mlops_assets.pipeline import MLPipeline
from mlops_assets.replay import plot
from mlops_assets.replay.driver import Replay
from mlops_assets.replay.pacing import CHANGED, SAMPLED
from mlops_assets.replay.plan import Plan, find, folder, partitions
from mlops_assets.replay.records import MonthRecord
from mlops_assets.replay.world import World
from mlops_assets.settings import Settings

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WHO = ("frozen", "kept", "loop")


def run(
    name: str,
    *,
    first: str,
    last: str,
    variant: str | None,
    rows: int,
    home: Path | None,
    picture: Path | None,
) -> None:
    """Play, tell, and stop all that was started; Ctrl+C too leaves nothing behind.

    Raises:
        ReplayError: there is nothing to replay, or it cannot go on.
    """
    began = time.monotonic()
    given = Settings.load()
    pipeline = find(name, variant, given.pipelines)
    start, months = partitions(pipeline, first, last)
    place = (home or given.home / "replay" / "-".join(filter(None, [name, variant]))).absolute()
    plan = Plan(
        pipeline=name, variant=variant, start=start, first=months[0], last=months[-1], rows=rows
    )
    plan.save(place)
    os.environ["MLOPS_HOME"] = str(place)
    world = World(Settings.load(), plan)
    console.print(f"[bold cyan]{pipeline.name}[/]  {pipeline.description}", soft_wrap=True)
    console.print(
        f"[dim]{CHANGED}{' ' + SAMPLED if rows else ''} Kept in {place}[/]", soft_wrap=True
    )
    # SIGINT too: it is ignored in what a shell's script starts in the background.
    previous = {number: signal.signal(number, _interrupt) for number in _ENDING}
    played: list[MonthRecord] = []
    try:
        for month in Replay(world, _say).play():
            played.append(month)
            _tell(pipeline, month)
    except KeyboardInterrupt:
        console.print(f"\nStopped after {len(played)} of {len(months)} months, with all of it.")
        console.print("The same command goes on from here; nothing is asked or trained twice.")
        raise SystemExit(130) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    _table(pipeline, played)
    target = picture or folder(place) / "replay.png"
    plot.draw(pipeline, played, target)
    console.print(
        f"\nPlot: {target}   Daemon's log: {folder(place) / 'daemon.log'}", soft_wrap=True
    )
    look = "dagster-webserver -m mlops_assets.replay.location -h 127.0.0.1"
    console.print("Look around in it:")
    console.print(
        f"  [bold]MLOPS_HOME={place} DAGSTER_HOME={place / 'dagster'} {look}[/]", soft_wrap=True
    )
    console.print(f"Done in {time.monotonic() - began:.0f} s.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(words: str) -> None:
    console.print(f"  [dim]… {words}[/]", soft_wrap=True)


def _tell(pipeline: MLPipeline, month: MonthRecord) -> None:
    """One month, as it was played."""
    console.print(
        f"\n[bold]{month.partition}[/]  served by version {month.loop.version} (as of "
        f"{month.loop.as_of})  [dim]{month.asked:,} asked, {month.labels_sent:,} labels sent, "
        f"{month.labelled:,} labelled, {month.seconds:.0f} s[/]",
        soft_wrap=True,
    )
    for metric in plot.metrics(pipeline):
        told = ", ".join(f"{who} {month.metrics[who].get(metric, float('nan')):.4f}" for who in WHO)
        served = f"; captured answers {month.served[metric]:.4f}" if metric in month.served else ""
        console.print(f"  {metric:<9} {told}{served}", soft_wrap=True)
    if month.noise is not None:
        console.print(f"  loop against the champion kept: {_noise(month)}", soft_wrap=True)
    for said in month.decided:
        console.print(f"  [bold]{said.what}[/]  {said.words}", soft_wrap=True, markup=True)
    for failed in month.failed:
        console.print(f"  [red]failed[/]  {failed}", soft_wrap=True)


def _noise(month: MonthRecord) -> str:
    if month.noise is None:
        return "same"
    value, low, high = month.noise
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


def _table(pipeline: MLPipeline, months: Sequence[MonthRecord]) -> None:
    """All months, and their mean."""
    pairs = [(metric, who) for metric in plot.metrics(pipeline) for who in WHO]
    heads = [f"{metric}\n{who}" for metric, who in pairs]
    table = Table("", *heads, "at its end", box=None, pad_edge=False)
    rows = [[month.metrics[who].get(m, float("nan")) for m, who in pairs] for month in months]
    for month, values in zip(months, rows, strict=True):
        name = plot.name(pipeline, month.partition)
        table.add_row(name, *(f"{value:.4f}" for value in values), _decided(month))
    means = [sum(column) / len(column) for column in zip(*rows, strict=True)]
    table.add_row("mean", *(f"{value:.4f}" for value in means), "")
    console.print()
    console.print(table)


def _decided(month: MonthRecord) -> str:
    if month.after.arn != month.loop.arn:
        return f"promoted {month.after.version}"
    judged = any(said.what == "champion kept" for said in month.decided)
    return "champion kept" if judged else "no training"
