"""`mlops`: the platform from the command line.

Here: the list of commands and what their help says. What each does is in the module beside it,
imported only when it is called: `mlops --help` answers at once.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="mlops",
    help="One declaration per ML pipeline; the whole loop as a Dagster asset graph.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Start with: mlops demo",
)

Pipeline = Annotated[str, typer.Argument(help="A declared pipeline, such as flight_delays.")]


@app.command()
def demo(
    pipeline: Annotated[str, typer.Argument(help="A declared pipeline.")] = "flight_delays",
    partition: Annotated[
        str | None, typer.Option(help="Train as of this partition. Default: the fourth.")
    ] = None,
) -> None:
    """From raw rows to a live endpoint on this machine; what is up to date is left alone."""
    from mlops_assets.cli.demo import run

    run(pipeline, partition)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port; 0 lets the system choose a free one.")] = 3000,
    daemon: Annotated[bool, typer.Option(help="Also run the daemon: sensors, queue.")] = True,
) -> None:
    """Open Dagster's UI on this machine: the asset graph, its checks and its runs."""
    from mlops_assets.cli.ui import run

    run(port, daemon=daemon)


@app.command()
def up() -> None:
    """Start the local SageMaker API; the endpoints it hosted are hosted again."""
    from mlops_assets.cli.world import up as run

    run()


@app.command()
def down() -> None:
    """Stop the local SageMaker API with its jobs and endpoints. Nothing stored is lost."""
    from mlops_assets.cli.world import down as run

    run()


@app.command()
def status() -> None:
    """Show what is running: the SageMaker API, endpoints, training jobs, newest packages."""
    from mlops_assets.cli.status import run

    run()


@app.command()
def invoke(
    pipeline: Pipeline,
    partition: Annotated[str, typer.Option(help="Partition of features to take the row from.")],
    row: Annotated[int, typer.Option(min=0, help="Which row, counted from 0.")] = 0,
    key: Annotated[
        str | None,
        typer.Option(help="The caller's key: in an A/B test the same key gets the same side."),
    ] = None,
) -> None:
    """Ask the live endpoint about one stored row, and show the truth beside its answer."""
    from mlops_assets.cli.predictions import run

    run(pipeline, partition, row, key=key)


@app.command()
def labels(
    pipeline: Pipeline,
    file: Annotated[
        Path, typer.Argument(help="CSV or JSON Lines with event_id and label, or ground truth.")
    ],
    collected_at: Annotated[
        str | None, typer.Option(help="When they became known, ISO 8601 with zone. Default: now.")
    ] = None,
) -> None:
    """Bring labels that came later: filled-in sheets of the label queue, or any others."""
    from mlops_assets.cli.labels import run

    run(pipeline, file, collected_at=collected_at)


@app.command()
def promote(
    pipeline: Pipeline,
    version: Annotated[
        str | None,
        typer.Argument(help="Version or ARN. Default: the newest that waits for approval."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Kept in the registry with your name.")] = "",
    reject: Annotated[bool, typer.Option("--reject", help="It may not serve.")] = False,
    self_approve: Annotated[
        bool, typer.Option("--self-approve", help="Although you trained it; on this machine only.")
    ] = False,
) -> None:
    """Approve a model that waits for it, or decide an A/B test for the challenger."""
    from mlops_assets.cli.promote import run

    run(pipeline, version, reason=reason, reject=reject, self_approve=self_approve)


@app.command()
def rollback(
    pipeline: Pipeline,
    to: Annotated[
        str | None, typer.Option(help="Version or ARN. Default: the champion before this one.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Kept in the registry with your name.")] = "",
) -> None:
    """Serve the previous champion again, at once; the one that serves now is taken out."""
    from mlops_assets.cli.rollback import run

    run(pipeline, to, reason=reason)


@app.command()
def replay(
    pipeline: Pipeline,
    first: Annotated[
        str, typer.Option("--from", help="First partition, by the start of its key: 2013-04.")
    ],
    last: Annotated[str, typer.Option("--to", help="Last partition: 2013-12.")],
    variant: Annotated[
        str | None, typer.Option(help="A module beside the declaration, such as schedule.")
    ] = None,
    rows: Annotated[
        int, typer.Option(min=0, help="Rows asked of the endpoint a partition; 0: all.")
    ] = 1000,
    home: Annotated[
        Path | None, typer.Option(help="Where the replay lives. Default: below MLOPS_HOME.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Where the picture goes (PNG).")] = None,
) -> None:
    """Play history through the live loop: real daemon, sensors and endpoint, months in minutes."""
    from mlops_assets.cli.replay import run

    run(pipeline, first=first, last=last, variant=variant, rows=rows, home=home, picture=plot)


@app.command()
def reproduce(
    model_package: Annotated[str, typer.Argument(help="ARN of a model package; see mlops status.")],
) -> None:
    """Train a registered model again from what was recorded, and compare the artifacts' bytes."""
    from mlops_assets.cli.reproduce import run

    run(model_package)


@app.command()
def explain_prediction(
    pipeline: Pipeline,
    event_id: Annotated[
        str, typer.Argument(help="The entity key, as in the captures: values joined by /.")
    ],
    partition: Annotated[
        str | None, typer.Option(help="Look in this partition only. Default: the newest first.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Follow one captured answer back to its reasons, model, training data, raw row and commit."""
    from mlops_assets.cli.explain_prediction import run

    run(pipeline, event_id, partition=partition, as_json=as_json)


@app.command()
def health(
    pipeline: Pipeline,
    output: Annotated[
        Path | None, typer.Option(help="Write the report to this file. Default: in the home.")
    ] = None,
) -> None:
    """Look at everything that is watched, write the report (one HTML file), and say where it is."""
    from mlops_assets.cli.health import run

    run(pipeline, output=output)


@app.command()
def scorecard(
    pipeline: Pipeline,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    tests: Annotated[
        Path | None, typer.Option(help="First keep what this test report (JUnit's XML) shows.")
    ] = None,
    by_hand: Annotated[
        str | None, typer.Option(help="First keep your word for this line, such as data-5.")
    ] = None,
    words: Annotated[
        str, typer.Option(help="What was done by hand, and where it is written.")
    ] = "",
) -> None:
    """The ML Test Score: 28 lines, each given only for evidence that exists now."""
    from mlops_assets.cli.scorecard import run

    run(pipeline, as_json=as_json, tests=tests, by_hand=by_hand, words=words)


@app.command()
def iam(
    pipelines: Annotated[
        list[str] | None, typer.Argument(help="Declared pipelines. Default: all of them.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="Only this policy, ready to paste: JobPolicy.")
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option("--with", help="A feature that the declaration does not tell: processing."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--any", help="For whatever pipelines will be declared.")
    ] = False,
    stack: Annotated[
        bool, typer.Option("--stack", help="The CloudFormation template with the roles, too.")
    ] = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="With each statement's reason.")] = False,
) -> None:
    """The least-privilege policies that a pipeline's declaration needs in AWS, and no more."""
    from mlops_assets.cli.iam import run

    run(
        pipelines or (),
        policy=policy,
        features=features or (),
        everything=everything,
        stack=stack,
        as_yaml=as_yaml,
    )


branches = typer.Typer(
    help="A branch's environment: folders, tables and endpoints of its own, compute of all.",
    no_args_is_help=True,
)
app.add_typer(branches, name="env")
Environment = Annotated[
    str, typer.Argument(help="Up to 16 lower-case letters and digits, such as pr12.")
]


@branches.command("create")
def create_environment(name: Environment) -> None:
    """Make it, and say how it is used. Done twice, it is the same one."""
    from mlops_assets.cli.environments import create

    create(name)


@branches.command("delete")
def delete_environment(
    name: Environment,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without, only say what.")] = False,
) -> None:
    """Say what has its name and its tag, or remove that, and nothing else."""
    from mlops_assets.cli.environments import delete

    delete(name, yes=yes)


def main() -> None:
    """The console script: expected errors are one line, bugs keep their traceback."""
    import sys

    # Before OpenMP starts: what a waiting thread of a model burns, others need on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except Exception as error:
        # Only now: what these are imported from is slow to import, and --help needs none of it.
        from mlops_assets.cli.errors import words

        said = words(error)
        if said is None:
            raise
        typer.secho(f"mlops: {said}", fg=typer.colors.RED, err=True)
        sys.exit(1)
