"""`mlops status`: what SageMaker holds, and which model of each group is the champion.

Here: lists. Not here: how a pipeline is doing (`mlops health`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_assets.cli.names import program
from mlops_assets.cli.world import World, console
from mlops_assets.resources.sagemaker.registry import metadata, promotion
from mlops_assets.resources.sagemaker.registry.lifecycle_state import Standing, State
from mlops_assets.sagemaker_local import lifecycle

_NEWEST = 5
_REIGNED: tuple[State, ...] = ("champion", "previous")


def run() -> None:
    world = World.open()
    settings = world.settings
    if settings.is_local:
        server = lifecycle.running(settings.sagemaker_home)
        if server is None:
            start = f"[bold]{program()} up[/]"
            console.print(f"The local SageMaker API is not running. Start it with {start}")
            return
        console.print(f"Local SageMaker API: {server.url} (process {server.pid})")
    client = world.sagemaker.client()
    endpoints = client.list_endpoints(MaxResults=20)
    _show_newest("Endpoints", endpoints, "Endpoint", ("LastModifiedTime", "updated"))
    jobs = client.list_training_jobs(MaxResults=10)
    _show_newest("Training jobs", jobs, "TrainingJob", ("CreationTime", "started"))
    listed = client.list_model_package_groups(MaxResults=50)
    groups = listed["ModelPackageGroupSummaryList"]
    packages = [promotion.list_standings(client, g["ModelPackageGroupName"]) for g in groups]
    shown = [standing for group in packages for standing in _telling(group)]
    _show(
        "Model packages",
        ("package", "state", "as of"),
        [(each.arn, each.state, _as_of(client, each.arn)) for each in shown],
        more=len(shown) < sum(map(len, packages)) or "NextToken" in listed,
    )


def _show_newest(title: str, answer: Mapping[str, Any], kind: str, time: tuple[str, str]) -> None:
    """SageMaker's list of a kind; ``time``: its member, and what is written above it."""
    (found,) = (value for value in answer.values() if isinstance(value, list))
    rows = [
        (each[f"{kind}Name"], each[f"{kind}Status"], f"{each[time[0]]:%Y-%m-%d %H:%M}")
        for each in found
    ]
    _show(title, ("name", "status", time[1]), rows, more="NextToken" in answer)


def _as_of(client: Any, arn: str) -> str:
    """Up to when the rows of a model are; somebody else's package may say nothing."""
    found = client.describe_model_package(ModelPackageName=arn)
    return metadata.unescape(found.get("CustomerMetadataProperties", {}).get("as_of", ""))


def _telling(group: Sequence[Standing]) -> list[Standing]:
    """The newest of a group, the champion, and the one to go back to; newest first."""
    newest = sorted(group, key=lambda standing: -standing.version)
    reigns = [max((s for s in group if s.state == which), default=None) for which in _REIGNED]
    return [each for n, each in enumerate(newest) if n < _NEWEST or each in reigns]


def _show(
    title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, more: bool
) -> None:
    """A table whose lines a narrow terminal folds itself: an ARN is copied whole."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    console.print(f"\n[bold]{title}[/]" if rows else f"\n{title}: none")
    for row in (columns, *rows) if rows else ():
        line = "  ".join(map(str.ljust, row, widths)).rstrip()
        console.print(line, soft_wrap=True, markup=False, style="dim" if row is columns else "")
    if more:
        console.print("… and older ones", style="dim")
