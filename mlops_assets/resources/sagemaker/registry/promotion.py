"""Promotion: which version of a group is candidate, approved, champion, previous or out.

The state rides in each package's ModelLifeCycle, beside the approval that SageMaker itself knows:
``Stage`` is the state, ``StageStatus`` (``term-7``) counts the reigns of a group, and the champion
is the package of stage ``champion`` with the highest term. What serves (the endpoint) is the
truth and the registry follows it. Here: the states and how they change, so that a change which is
interrupted anywhere, or raced, is finished by the next one. Not here: deploying (endpoints.py),
registering (registry.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_assets.resources.sagemaker.errors import found_or_none, patiently
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.registry.lifecycle_state import Standing, State, life_cycle
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

# On a run that deploys: the package that was approved, whatever was registered since.
PACKAGE_TAG = "mlops/package"


def mark_champion(client: Any, group: str, package_arn: str, *, reason: str = "") -> None:
    """Make a package the group's champion; who was it becomes ``previous``.

    The new champion is written first: until the other is demoted there are two, of which the
    higher term counts, and whoever calls next, for whichever package, finishes the work. Two calls
    at once may write the same term; then the higher version counts, for both callers.

    Raises:
        registry.RegistryError: the group has no such package.
    """
    standings = list_standings(client, group)
    mine = _of(standings, group, package_arn)
    if _reigning(standings) != mine:
        term = 1 + max(standing.term for standing in standings)
        _write(client, package_arn, life_cycle("champion", term, reason or "serves"))
    _leave_one(client, list_standings(client, group))


def mark_rolled_back(client: Any, group: str, package_arn: str, *, reason: str) -> None:
    """Take a package out, in one request: rejected and ``rolled-back``, with the reason.

    SageMaker itself then refuses to deploy it, until a person approves it again.
    """
    mine = _of(list_standings(client, group), group, package_arn)
    _write(
        client,
        package_arn,
        life_cycle("rolled-back", mine.term, reason),
        ModelApprovalStatus="Rejected",
        ApprovalDescription=f"rolled back: {reason}"[:1024],
    )


def reinstate(client: Any, group: str, package_arn: str, *, reason: str) -> None:
    """Undo `mark_rolled_back` of a package that serves on, because the way back failed."""
    mine = _of(list_standings(client, group), group, package_arn)
    _write(
        client,
        package_arn,
        life_cycle("champion", mine.term, reason),
        ModelApprovalStatus="Approved",
        ApprovalDescription=reason[:1024],
    )


def approve(client: Any, group: str, package_arn: str, *, by: str, reason: str = "") -> None:
    """A person's word that a package may serve, kept with their name, in one request."""
    mine = _of(list_standings(client, group), group, package_arn)
    # Who serves, or did and waits as the one to go back to, stays that.
    state: State = mine.state if mine.state in ("champion", "previous") else "approved"
    _write(
        client,
        package_arn,
        life_cycle(state, mine.term, reason or "waits for its deployment"),
        ModelApprovalStatus="Approved",
        ApprovalDescription=_decision("approved", by, reason),
    )


def reject(client: Any, group: str, package_arn: str, *, by: str, reason: str = "") -> None:
    """A person's word that a package may not serve. What serves now serves on."""
    mine = _of(list_standings(client, group), group, package_arn)
    state: State = "champion" if mine.state == "champion" else "rejected"
    _write(
        client,
        package_arn,
        life_cycle(state, mine.term, reason or "rejected"),
        ModelApprovalStatus="Rejected",
        ApprovalDescription=_decision("rejected", by, reason),
    )


def champion(client: Any, group: str) -> ModelPackage | None:
    """The package that the registry takes for the one that serves; None where there is none."""
    reigning = _reigning(list_standings(client, group))
    return registry.describe(client, reigning.arn) if reigning else None


def previous(client: Any, group: str) -> ModelPackage | None:
    """The last champion that may still serve, which `mlops rollback` brings back; or None."""
    standings = list_standings(client, group)
    former = [s for s in standings if s.state == "previous" and s != _reigning(standings)]
    return registry.describe(client, max(former).arn) if former else None


def in_state(client: Any, group: str, state: State) -> list[ModelPackage]:
    """Packages in a state, oldest first. ``approved`` ones have not served since their approval."""
    standings = sorted(list_standings(client, group), key=lambda standing: standing.version)
    return [registry.describe(client, s.arn) for s in standings if s.state == state]


def reconcile(client: Any, group: str, serving_arn: str | None) -> None:
    """Let the registry say what the endpoint says; nothing serving leaves it as it is.

    A package that was taken out while it still serves is being rolled back: it stays out.
    """
    if serving_arn is None:
        return
    if _of(list_standings(client, group), group, serving_arn).state != "rolled-back":
        mark_champion(client, group, serving_arn, reason="serves, as the endpoint says")


def list_standings(client: Any, group: str) -> list[Standing]:
    """How every version of a group stands, by its list; none where there is no such group."""
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, PaginationConfig={"PageSize": 100}
    )
    found = found_or_none(lambda: pages.build_full_result()) or {}
    return [Standing.of(summary) for summary in found.get("ModelPackageSummaryList", [])]


def _of(standings: list[Standing], group: str, arn: str) -> Standing:
    for standing in standings:
        if standing.arn == arn:
            return standing
    known = ", ".join(str(s.version) for s in sorted(standings, key=lambda s: s.version))
    raise registry.RegistryError(
        f"there is no model package {arn} in group {group}; its versions: {known or 'none'}"
    )


def _reigning(standings: list[Standing]) -> Standing | None:
    return max((s for s in standings if s.state == "champion"), default=None)


def _leave_one(client: Any, standings: list[Standing]) -> None:
    """Demote every champion but the reigning one."""
    reigning = _reigning(standings)
    for standing in standings:
        if reigning is not None and standing.state == "champion" and standing != reigning:
            note = f"succeeded by version {reigning.version}"
            _write(client, standing.arn, life_cycle("previous", standing.term, note))


def _write(client: Any, arn: str, stage: Mapping[str, str], **approval: str) -> None:
    patiently(
        lambda: client.update_model_package(
            ModelPackageArn=arn, ModelLifeCycle=dict(stage), **approval
        )
    )


def _decision(what: str, by: str, reason: str) -> str:
    return f"{what} by {by}{': ' if reason else ''}{reason}".replace("\n", " ")[:1024]
