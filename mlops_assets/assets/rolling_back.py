"""Rolling back: the previous champion serves again, at once. One path, whoever asks for it.

The registry is told first: from then on nothing deploys the bad version again, whatever happens
to this process, and asking again finishes what an interrupted one began. Here: that path. Not here:
why (a person by `mlops rollback`, or `automation.guard`).
"""

import time
from dataclasses import dataclass

import dagster as dg

from mlops_assets.assets import rollout_page
from mlops_assets.assets.versions import Versions, named
from mlops_assets.resources.sagemaker.hosting.endpoints import DeploymentFailed, serving_package
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage


class NothingToRollBack(LookupError):
    """Nothing serves, or nothing is there to go back to; the message says what to do instead."""


@dataclass(frozen=True)
class RolledBack:
    """What was taken out, what serves instead, and how long that took.

    ``finished``: an earlier rollback had been interrupted, and is finished now; nothing else was
    taken out.
    """

    bad: ModelPackage | None
    target: ModelPackage
    seconds: float
    finished: bool = False


def roll_back(
    versions: Versions,
    instance: dg.DagsterInstance,
    *,
    to: str | None = None,
    words: str,
    only: str | None = None,
) -> RolledBack:
    """Take out what serves, and serve what served before it, or ``to``.

    Args:
        words: by whom and why, as in ``by ada: answers too slowly``; the registry keeps them.
        only: the ARN that is to be taken out; where another one serves nothing is done.

    Raises:
        NothingToRollBack: nothing serves (any more), or nothing is there to go back to.
        NoSuchVersion: ``to`` names none.
        Untrusted: what would be served again does not hold; nothing was changed.
        DeploymentFailed: the way back failed; the message says what serves.
    """
    started = time.monotonic()
    client, group = versions.client, versions.group
    # Not reconciled yet: what the registry says still tells of an interrupted rollback.
    arn = serving_package(client, group)
    if arn is None:
        raise NothingToRollBack(f"endpoint {group} serves nothing: there is nothing to undo")
    serving = registry.describe(client, arn)
    challenger = versions.challenger()
    if _interrupted(versions, serving, to):
        promotion.reconcile(client, group, serving.arn)
        return RolledBack(None, serving, time.monotonic() - started, finished=True)
    bad = challenger or serving
    if only is not None and bad.arn != only:
        raise NothingToRollBack(f"{named(bad)} serves, and not what was to be taken out")
    target = target_of(versions, serving, to, test=challenger is not None)
    versions.trust(target)
    promotion.mark_rolled_back(client, group, bad.arn, reason=words)
    try:
        deployment = versions.serve(target)
    except DeploymentFailed:
        if serving_package(client, group) == bad.arn:
            promotion.reinstate(
                client,
                group,
                bad.arn,
                reason=f"serves on: the rollback to version {target.version} failed",
            )
        raise
    promotion.mark_champion(client, group, target.arn, reason=f"rolled back to {words}")
    done = RolledBack(bad, target, time.monotonic() - started)
    _note(versions, instance, bad, target, words, done.seconds)
    # Last: who may not put up alarms can still go back.
    versions.watch(deployment)
    return done


def target_of(
    versions: Versions, serving: ModelPackage, to: str | None = None, *, test: bool = False
) -> ModelPackage:
    """What would serve again.

    Args:
        test: an A/B test runs: its champion is what one goes back to.

    Raises:
        NothingToRollBack, NoSuchVersion: as `roll_back`.
    """
    if to is not None:
        target = versions.chosen(to)
        if target.arn == serving.arn and not test:
            raise NothingToRollBack(f"{named(target)} serves already")
        if target.status != "Approved":
            raise NothingToRollBack(
                f"{named(target)} is {target.state} ({target.decision or target.note}): approve it "
                f"first with mlops promote {versions.pipeline.name} {target.version}"
            )
        return target
    if test:
        return serving
    if serving.state != "rolled-back":
        promotion.reconcile(versions.client, versions.group, serving.arn)
    found = promotion.previous(versions.client, versions.group)
    if found is None:
        raise NothingToRollBack(
            f"nothing to roll back to: no other version of {versions.group} has served and may "
            f"still. Name an approved one with --to; {named(serving)} serves on"
        )
    return found


def _interrupted(versions: Versions, serving: ModelPackage, to: str | None) -> bool:
    """Whether what is asked for is served already, and only the registry does not say so yet."""
    if to is None:
        return serving.state == "previous"
    return versions.chosen(to).arn == serving.arn and serving.state in ("previous", "approved")


def _note(
    versions: Versions,
    instance: dg.DagsterInstance,
    bad: ModelPackage,
    target: ModelPackage,
    words: str,
    seconds: float,
) -> None:
    """For the asset's page in the UI, where this did not happen in a run of the asset."""
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
