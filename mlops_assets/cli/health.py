"""`mlops health`: the report on how a pipeline is, made anew, and where it lies.

Here: making it and saying where. Not here: what it says (`assets.monitoring.reporting.health`).
"""

from pathlib import Path

from rich.table import Table

from mlops_assets.assets.monitoring.records import Status
from mlops_assets.assets.monitoring.reporting.health import parts, report
from mlops_assets.cli.world import World, console

_COLOURS: dict[Status, str] = {
    "healthy": "green",
    "warning": "yellow",
    "failing": "red",
    "unknown": "dim",
}


def run(name: str, *, output: Path | None) -> None:
    """Look at everything there is, write the report, and print its lines.

    Args:
        output: also write the report to this file; by default beside the home's other files.
    """
    world = World.open()
    pipeline = world.pipeline(name)
    found = parts(pipeline, world.store, world.sagemaker)
    record = report(pipeline, world.store, found)
    colour = _COLOURS[record.status]
    console.print(f"[bold]{name}[/] is [bold {colour}]{record.status}[/]")
    console.print(record.words, markup=False, style="dim")
    console.print()
    shown = Table("part", "status", "found", box=None, pad_edge=False)
    for part in found:
        mark = f"[{_COLOURS[part.status]}]{part.status}[/]" if part.status else ""
        shown.add_row(part.name, mark, part.figure)
    console.print(shown)
    path = output or world.settings.home / "reports" / f"{name}-health.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    world.store.open().download(record.report_uri, path.absolute())
    console.print()
    console.print(f"The report: {path.absolute().as_uri()}", soft_wrap=True)
