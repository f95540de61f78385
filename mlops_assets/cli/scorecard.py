"""`mlops scorecard`: the ML Test Score of a pipeline, line by line, with what would earn the rest.

Here: printing, and keeping what is shown outside of the graph (a test report, a person's word). Not
here: the 28 lines and their evidence (`assets.monitoring.scoring`).
"""

import json
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from mlops_assets.assets.monitoring.scoring import from_proofs, from_tests
from mlops_assets.assets.monitoring.scoring.collect import collect, reachable
from mlops_assets.assets.monitoring.scoring.records import LineState, ScorecardRecord, ScoreLine
from mlops_assets.assets.monitoring.scoring.rule import SECTIONS
from mlops_assets.assets.monitoring.scoring.rules import IDS, scorecard
from mlops_assets.assets.monitoring.scoring.scorecard import MARKS, age
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.names import program
from mlops_assets.cli.world import World, console
from mlops_assets.resources.sagemaker.registry.person import person

_COLOURS: dict[LineState, str] = {
    "automatic": "green",
    "by hand": "yellow",
    "missing": "dim",
    "stale": "yellow",
    "failing": "red",
}


def run(name: str, *, as_json: bool, tests: Path | None, by_hand: str | None, words: str) -> None:
    """Print the score; before that, keep a test report or a person's word, where one is given.

    Raises:
        CommandError: there is no such pipeline, line or report.
    """
    world = World.open()
    pipeline = world.pipeline(name)
    if tests is not None:
        _keep_tests(world, name, tests)
    if by_hand is not None:
        _keep_word(world, name, by_hand, words)
    with world.instance as instance:
        record = scorecard(
            collect(pipeline, instance=instance, store=world.store, sagemaker=world.sagemaker)
        )
    if as_json:
        # Not by rich, which would break long lines.
        print(json.dumps(record.model_dump(), indent=2))
        return
    _print(record)
    if not reachable(world.sagemaker):
        console.print(
            f"The local SageMaker API is not running, so nothing is known of what serves: "
            f"[bold]{program()} up[/]"
        )


def _keep_tests(world: World, name: str, report: Path) -> None:
    if not report.is_file():
        raise CommandError(
            f"there is no test report {report}: pytest writes one with --junitxml={report}"
        )
    try:
        proofs = from_tests.of_test_report(
            report.read_bytes(), pipeline=name, by=person(world.sagemaker)
        )
    except ValueError as error:
        raise CommandError(f"{report}: {error}") from None
    for proof in proofs:
        from_proofs.keep(world.store, name, proof)


def _keep_word(world: World, name: str, line: str, words: str) -> None:
    if line not in IDS:
        raise CommandError(f"there is no line {line!r}. The lines: {', '.join(IDS)}")
    if not words:
        raise CommandError(
            f"--by-hand {line} needs --words: what was done, and where it is written"
        )
    proof = from_proofs.by_hand(line, by=person(world.sagemaker), words=words)
    from_proofs.keep(world.store, name, proof)


def _print(record: ScorecardRecord) -> None:
    console.print(f"[bold]ML Test Score of {record.pipeline}: {record.score:g} of 7[/]")
    console.print("[dim]The least of the four sections counts.[/]")
    for section in SECTIONS:
        console.print()
        found = Table(
            title=f"{section}  [bold]{record.sections[section]:g}[/] of 7",
            title_justify="left",
            title_style="",
            box=None,
            pad_edge=False,
            show_header=False,
            padding=(0, 1),
            width=min(console.width, 120),
        )
        found.add_column(width=1)
        found.add_column(ratio=2)
        found.add_column(width=3, justify="right")
        found.add_column(width=6, justify="right", style="dim")
        found.add_column(ratio=3, overflow="fold")
        for line in record.lines:
            if line.section != section:
                continue
            colour = _COLOURS[line.state]
            found.add_row(
                f"[{colour}]{MARKS[line.state]}[/]",
                escape(line.title),
                f"{line.points:g}",
                age(line.age_s),
                f"[dim]{escape(line.earn)}[/]" if line.state == "missing" else escape(_found(line)),
            )
        console.print(found)
    console.print()
    legend = "   ".join(f"[{_COLOURS[state]}]{mark}[/] {state}" for state, mark in MARKS.items())
    console.print(legend)
    console.print("[dim]What is missing says what would earn it.[/]")


def _found(line: ScoreLine) -> str:
    # Several pieces are named where each is told.
    return line.words if ", " in line.evidence else f"{line.evidence}: {line.words}"
