"""`mlops promote`: a person's decision about a model, kept with their name.

Here: whom the decision is about, and who may make it. Not here: the rollout that follows an
approval (the asset `endpoint`), nor the states themselves
(`resources.sagemaker.registry.promotion`).
"""

from mlops_assets.assets.versions import Versions, named
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.names import program
from mlops_assets.cli.versions import opened
from mlops_assets.cli.world import World, console
from mlops_assets.resources.sagemaker.registry import promotion
from mlops_assets.resources.sagemaker.registry.person import UNKNOWN, same
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage


def run(name: str, wanted: str | None, *, reason: str, reject: bool, self_approve: bool) -> None:
    """Approve or reject a version; decide an A/B test where one is running.

    Raises:
        CommandError: nothing waits for a decision, or this person may not make it.
    """
    versions = opened(World.open(), name)
    serving, challenger = versions.serving(), versions.challenger()
    package = versions.chosen(wanted) if wanted else challenger or _waiting(versions, serving)
    if serving is not None and package.arn == serving.arn:
        raise CommandError(_serves_already(name, package, reject=reject))
    if challenger is not None and package.arn == challenger.arn:
        _decide(versions, serving, challenger, reason, for_challenger=not reject)
    elif reject:
        promotion.reject(
            versions.client, versions.group, package.arn, by=versions.who, reason=reason
        )
        console.print(f"Rejected {named(package)}; {named(serving)} serves on.")
    else:
        note = _second_person(versions, package, self_approve=self_approve)
        versions.trust(package)
        promotion.approve(
            versions.client,
            versions.group,
            package.arn,
            by=f"{versions.who}{note}",
            reason=reason,
        )
        console.print(f"Approved {named(package)} by {versions.who}{note}.")
        _say_what_next(versions, package, serving)


def _waiting(versions: Versions, serving: ModelPackage | None) -> ModelPackage:
    candidates = promotion.in_state(versions.client, versions.group, "candidate")
    if not candidates:
        raise CommandError(
            f"no version of {versions.group} waits for approval; {named(serving)} serves. "
            "Name a version to decide about it again"
        )
    return candidates[-1]


def _serves_already(name: str, package: ModelPackage, *, reject: bool) -> str:
    if reject:
        return f"{named(package)} serves: take it out with {program()} rollback {name}"
    return f"{named(package)} serves already"


def _second_person(versions: Versions, package: ModelPackage, *, self_approve: bool) -> str:
    """What to add to the approver's name. Where approval is manual it takes two people."""
    if versions.pipeline.approval != "manual":
        return ""
    if versions.who == UNKNOWN:
        raise CommandError("AWS does not say who you are, so whose approval it is: check STS")
    if not same(versions.who, package.trained_by):
        return ""
    if not versions.sagemaker.is_local:
        raise CommandError(f"{versions.who} trained {named(package)}: somebody else approves it")
    if not self_approve:
        raise CommandError(
            f"{versions.who} trained {named(package)}: somebody else approves it, or on this "
            "machine you do with --self-approve, which the registry keeps"
        )
    return " (who trained it)"


def _decide(
    versions: Versions,
    champion: ModelPackage | None,
    challenger: ModelPackage,
    reason: str,
    *,
    for_challenger: bool,
) -> None:
    """End an A/B test: one of the two gets all traffic."""
    winner = challenger if for_challenger or champion is None else champion
    versions.trust(winner)
    words = f"A/B test decided by {versions.who}{': ' if reason else ''}{reason}"
    if winner.arn != challenger.arn:
        promotion.mark_rolled_back(versions.client, versions.group, challenger.arn, reason=words)
    deployment = versions.serve(winner)
    promotion.mark_champion(versions.client, versions.group, winner.arn, reason=words)
    versions.watch(deployment)
    console.print(f"The A/B test is over: {named(winner)} gets all traffic.")


def _say_what_next(versions: Versions, package: ModelPackage, serving: ModelPackage | None) -> None:
    pipeline, as_of = versions.pipeline, package.lineage.get("as_of", "")
    newer = serving is None or (as_of, package.version) > (
        serving.lineage.get("as_of", ""),
        serving.version,
    )
    if package.state == "previous":
        console.print(
            f"It served before: [bold]{program()} rollback {pipeline.name} --to "
            f"{package.version}[/] brings it back."
        )
        return
    if newer and pipeline.approval == "manual":
        console.print(
            f"The sensor {pipeline.name}_approval starts its rollout, if it is on (see "
            f"{program()} ui). Or start it now:"
        )
    else:
        console.print(f"{named(serving)} serves until its rollout is started:")
    console.print(
        f"dagster asset materialize -m mlops_assets.definitions "
        f"--select 'key:\"{pipeline.name}/endpoint\"' --partition {as_of}",
        soft_wrap=True,
        markup=False,
    )
