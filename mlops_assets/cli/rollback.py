"""`mlops rollback`: the previous champion serves again, at once.

The registry is told first: from then on nothing deploys the bad version again, whatever happens
to this process, and running the command again finishes what an interrupted one began.
"""

import time

import dagster as dg

from mlops_assets.assets import rollout_page
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.names import program
from mlops_assets.cli.versions import Versions, named
from mlops_assets.cli.world import console
from mlops_assets.resources.sagemaker.hosting.endpoints import DeploymentFailed, serving_package
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage


def run(name: str, to: str | None, *, reason: str) -> None:
    """Take out what serves, and serve what served before it, or ``to``.

    Raises:
        CommandError: nothing serves, or nothing is there to go back to.
        Untrusted: what would be served again does not hold; nothing was changed.
        DeploymentFailed: the way back failed; the message says what serves.
    """
    started = time.monotonic()
    versions = Versions.open(name)
    # Not reconciled yet: what the registry says still tells of an interrupted rollback.
    arn = serving_package(versions.client, versions.group)
    if arn is None:
        raise CommandError(f"endpoint {versions.group} serves nothing: there is nothing to undo")
    serving = registry.describe(versions.client, arn)
    challenger = versions.challenger()
    if _interrupted(versions, serving, to):
        promotion.reconcile(versions.client, versions.group, serving.arn)
        console.print(
            f"{named(serving)} serves: an earlier rollback to it, or promotion of it, had been "
            "interrupted, and the registry says so now. Run it again to go back further."
        )
        return
    bad = challenger or serving
    target = _target(versions, serving, to, test=challenger is not None)
    versions.trust(target)
    words = f"by {versions.who}{': ' if reason else ''}{reason}"
    promotion.mark_rolled_back(versions.client, versions.group, bad.arn, reason=words)
    try:
        versions.serve(target)
    except DeploymentFailed:
        if serving_package(versions.client, versions.group) == bad.arn:
            promotion.reinstate(
                versions.client,
                versions.group,
                bad.arn,
                reason=f"serves on: the rollback to version {target.version} failed",
            )
        raise
    promotion.mark_champion(
        versions.client, versions.group, target.arn, reason=f"rolled back to {words}"
    )
    seconds = time.monotonic() - started
    _say(versions, bad, target, seconds)
    _note(versions, bad, target, words, seconds)


def _interrupted(versions: Versions, serving: ModelPackage, to: str | None) -> bool:
    """Whether what is asked for is served already, and only the registry does not say so yet."""
    if to is None:
        return serving.state == "previous"
    return versions.chosen(to).arn == serving.arn and serving.state in ("previous", "approved")


def _target(
    versions: Versions, serving: ModelPackage, to: str | None, *, test: bool
) -> ModelPackage:
    if to is not None:
        target = versions.chosen(to)
        if target.arn == serving.arn and not test:
            raise CommandError(f"{named(target)} serves already")
        if target.status != "Approved":
            raise CommandError(
                f"{named(target)} is {target.state} ({target.decision or target.note}): approve it "
                f"first with {program()} promote {versions.pipeline.name} {target.version}"
            )
        return target
    if test:
        return serving
    if serving.state != "rolled-back":
        promotion.reconcile(versions.client, versions.group, serving.arn)
    target_or_none = promotion.previous(versions.client, versions.group)
    if target_or_none is None:
        raise CommandError(
            f"nothing to roll back to: no other version of {versions.group} has served and may "
            f"still. Name an approved one with --to; {named(serving)} serves on"
        )
    return target_or_none


def _say(versions: Versions, bad: ModelPackage, target: ModelPackage, seconds: float) -> None:
    console.print(f"served before   {named(bad)}, now rolled-back: nothing deploys it by itself")
    console.print(f"serves now      [bold]{named(target)}[/]")
    console.print(f"took            {seconds:.1f} s")
    console.print(
        f"To bring it back: [bold]{program()} promote {versions.pipeline.name} {bad.version}[/], "
        "then materialize its endpoint.",
        soft_wrap=True,
    )


def _note(
    versions: Versions, bad: ModelPackage, target: ModelPackage, words: str, seconds: float
) -> None:
    """For the asset's page in the UI, where this did not happen in a run."""
    instance = versions.world.instance
    instance.report_runless_asset_event(
        dg.AssetObservation(
            dg.AssetKey([versions.pipeline.name, "endpoint"]),
            description=f"rolled back from {named(bad)} to {named(target)} {words}",
            partition=target.lineage.get("as_of"),
            metadata={
                "rolled back": bad.arn,
                "package": target.arn,
                "rollback seconds": round(seconds, 2),
            },
        )
    )
    instance.report_runless_asset_event(
        rollout_page.serves_instead(
            versions.pipeline, target, f"{named(bad)} was rolled back {words}"
        )
    )
