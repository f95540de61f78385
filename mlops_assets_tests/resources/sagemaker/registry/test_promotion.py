"""Promotion: one champion, whatever is interrupted, raced or said in Studio meanwhile."""

import threading
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.lifecycle_state import life_cycle, state_of, term_of
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage, RegistryError
from mlops_assets_tests.resources.sagemaker.botocore_shapes import accepted
from mlops_assets_tests.resources.sagemaker.conftest import Lab

MODEL = "s3://lake/registry/promoted.tar.gz"


class Killed(BaseException):
    """Nothing catches it: as if the process had been killed at this call."""


def registered(
    lab: Lab, group: str, count: int, status: registry.Approval = "Approved"
) -> list[ModelPackage]:
    lab.objects().write_if_absent(MODEL, b"an artifact")
    return [
        registry.register(
            lab.sagemaker.client(),
            group=group,
            model_data_url=MODEL,
            lineage={"code": f"git:{number}"},
            status=status,
        )
        for number in range(count)
    ]


def states(client: Any, group: str) -> list[str]:
    """By version, oldest first."""
    found = client.list_model_packages(
        ModelPackageGroupName=group, MaxResults=100, SortBy="CreationTime", SortOrder="Ascending"
    )["ModelPackageSummaryList"]
    return [registry.describe(client, summary["ModelPackageArn"]).state for summary in found]


def killed_after(lab: Lab, calls: int) -> Any:
    """A client whose process dies after so many updates have had their effect."""
    client, done = lab.fresh().client(), [0]

    def die(**_: Any) -> None:
        done[0] += 1
        if done[0] == calls:
            raise Killed

    client.meta.events.register("after-call.sagemaker.UpdateModelPackage", die)
    return client


@settings(deadline=None)  # the first example loads SageMaker's service model
@given(st.text(max_size=2000), st.integers(0, 10**9 - 1))
def test_every_state_is_a_life_cycle_that_sagemaker_takes(note: str, term: int) -> None:
    """A reason with a line break or too long would make the promotion itself fail."""
    for state in ("candidate", "approved", "champion", "previous", "rejected", "rolled-back"):
        stage = life_cycle(state, term, note)  # type: ignore[arg-type]
        assert term_of(stage) == term
        arn = "arn:aws:sagemaker:us-east-1:000000000000:model-package/g/1"
        accepted("UpdateModelPackage", {"ModelPackageArn": arn, "ModelLifeCycle": stage})


@pytest.mark.parametrize(
    ("approval", "stage", "state"),
    [
        ("PendingManualApproval", "candidate", "candidate"),
        ("Approved", "candidate", "approved"),  # approved in Studio, which leaves the stage alone
        ("Approved", "rolled-back", "approved"),  # approved again after a rollback, likewise
        ("Rejected", "approved", "rejected"),
        ("Rejected", "previous", "rejected"),
        ("Rejected", "rolled-back", "rolled-back"),
        ("Rejected", "champion", "champion"),  # it serves, whatever is said of it
        ("Approved", "Production", "approved"),  # somebody else's stages
        ("", "", "candidate"),
    ],
)
def test_a_person_s_approval_decides_and_the_champion_stays(approval, stage, state) -> None:
    assert state_of(approval, stage) == state


@pytest.mark.integration
def test_packages_begin_as_what_their_approval_says(lab: Lab) -> None:
    client = lab.sagemaker.client()
    assert registered(lab, "begin-auto", 1)[0].state == "approved"
    assert registered(lab, "begin-manual", 1, "PendingManualApproval")[0].state == "candidate"
    assert promotion.champion(client, "begin-auto") is None
    assert promotion.previous(client, "begin-auto") is None
    assert promotion.champion(client, "no-such-group") is None


@pytest.mark.integration
def test_the_last_champion_is_the_one_to_go_back_to(lab: Lab) -> None:
    """Not the newest version, nor the one approved last: the one that was known to work."""
    client, group = lab.sagemaker.client(), "going-back"
    packages = registered(lab, group, 4)
    for each in (packages[1], packages[0], packages[3]):
        promotion.mark_champion(client, group, each.arn, reason="canary held")
    assert states(client, group) == ["previous", "previous", "approved", "champion"]
    former = promotion.previous(client, group)
    assert former is not None
    assert former.version == 1
    now = promotion.champion(client, group)
    assert now is not None
    assert (now.version, now.note) == (4, "canary held")


@pytest.mark.integration
def test_marking_the_champion_again_writes_nothing(lab: Lab) -> None:
    """Each rerun of a deployment marks it: that must not look like a new approval."""
    client, group = lab.fresh().client(), "idempotent"
    first, second = registered(lab, group, 2)
    promotion.mark_champion(client, group, first.arn)
    promotion.mark_champion(client, group, second.arn)
    written: list[Any] = []
    client.meta.events.register(
        "before-call.sagemaker.UpdateModelPackage", lambda **_: written.append(1)
    )
    promotion.mark_champion(client, group, second.arn)
    promotion.reconcile(client, group, second.arn)
    promotion.reconcile(client, group, None)
    assert written == []


@pytest.mark.integration
@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("then", ["same", "other"])
def test_killed_between_the_two_writes_the_next_one_finishes(lab: Lab, calls, then) -> None:
    """Row 23: "new champion" was written, "old becomes previous" was not; or its answer was lost.
    Whoever comes next, for the same package or another, leaves one champion."""
    client, group = lab.sagemaker.client(), f"killed-{calls}-{then}"
    first, second, third = registered(lab, group, 3)
    promotion.mark_champion(client, group, first.arn)
    with pytest.raises(Killed):
        promotion.mark_champion(killed_after(lab, calls), group, second.arn)
    # Even before it is finished there is one answer to who is champion.
    now = promotion.champion(client, group)
    assert now is not None
    assert now.arn == second.arn
    if then == "same":
        promotion.mark_champion(client, group, second.arn)
        assert states(client, group) == ["previous", "champion", "approved"]
    else:
        promotion.mark_champion(client, group, third.arn)
        assert states(client, group) == ["previous", "previous", "champion"]
        former = promotion.previous(client, group)
        assert former is not None
        assert former.arn == second.arn


@pytest.mark.integration
@pytest.mark.parametrize("at", ["ListModelPackages", "UpdateModelPackage"])
def test_of_two_promotions_that_race_one_wins(lab: Lab, at: str) -> None:
    """Row 25: both have read the same registry before either writes, and write the same term.
    Without the second look one would be left with two champions, or with none."""
    client, group = lab.sagemaker.client(), f"raced-{at.lower()}"
    packages = registered(lab, group, 3)
    promotion.mark_champion(client, group, packages[0].arn)
    together = threading.Barrier(2)
    failures: list[BaseException] = []

    def promote(arn: str) -> None:
        mine, waited = lab.fresh().client(), [False]

        def wait(**_: Any) -> None:
            if not waited[0]:
                waited[0] = True
                together.wait(timeout=60)

        mine.meta.events.register(f"after-call.sagemaker.{at}", wait)
        try:
            promotion.mark_champion(mine, group, arn)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=promote, args=[p.arn]) for p in packages[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(states(client, group)) == ["champion", "previous", "previous"]
    # The endpoint says which of the two it is.
    promotion.reconcile(client, group, packages[1].arn)
    assert states(client, group) == ["previous", "champion", "previous"]


@pytest.mark.integration
def test_without_the_second_look_a_race_leaves_two_champions(lab: Lab, monkeypatch) -> None:
    """The negative control of the race, and of the kill."""
    client, group = lab.sagemaker.client(), "unguarded"
    monkeypatch.setattr(promotion, "_leave_one", lambda *_: None)
    for package in registered(lab, group, 2):
        promotion.mark_champion(client, group, package.arn)
    assert states(client, group) == ["champion", "champion"]


@pytest.mark.integration
def test_a_package_rolled_back_is_refused_by_sagemaker_itself(lab: Lab) -> None:
    """It must not come back by itself: neither by a sensor nor by a rerun that registers it."""
    client, group = lab.sagemaker.client(), "rolled-back"
    first, second = registered(lab, group, 2)
    for each in (first, second):
        promotion.mark_champion(client, group, each.arn)
    promotion.mark_rolled_back(client, group, second.arn, reason="p99 of 80 ms, bound 50")
    found = registry.describe(client, second.arn)
    assert (found.state, found.status) == ("rolled-back", "Rejected")
    assert (found.note, found.decision) == (
        "p99 of 80 ms, bound 50",
        "rolled back: p99 of 80 ms, bound 50",
    )
    again = registered(lab, group, 2)[1]
    assert (again.arn, again.state) == (second.arn, "rolled-back")
    assert promotion.in_state(client, group, "approved") == []
    # While it serves still, the registry does not take it back.
    promotion.reconcile(client, group, second.arn)
    assert registry.describe(client, second.arn).state == "rolled-back"
    with pytest.raises(Exception, match="is Rejected, not Approved"):
        client.create_model(
            ModelName="rolled-back",
            ExecutionRoleArn="arn:aws:iam::000000000000:role/r",
            PrimaryContainer={"ModelPackageName": second.arn},
        )


@pytest.mark.integration
def test_a_person_s_word_is_kept_with_the_name(lab: Lab) -> None:
    client, group = lab.sagemaker.client(), "by-hand"
    first, second = registered(lab, group, 2, "PendingManualApproval")
    promotion.approve(client, group, first.arn, by="Ada <ada@example.com>", reason="looks\ngood")
    promotion.reject(client, group, second.arn, by="Ada <ada@example.com>", reason="label leaked")
    assert states(client, group) == ["approved", "rejected"]
    assert [p.arn for p in promotion.in_state(client, group, "approved")] == [first.arn]
    assert registry.describe(client, first.arn).decision == (
        "approved by Ada <ada@example.com>: looks good"
    )
    promotion.mark_champion(client, group, first.arn)
    promotion.reject(client, group, first.arn, by="Ada", reason="a complaint")
    assert states(client, group)[0] == "champion", "it serves, so the registry must say so"


@pytest.mark.integration
def test_one_to_go_back_to_stays_that_when_approved_again(lab: Lab) -> None:
    """A second approval in Studio or by `mlops promote` must not cost the way back."""
    client, group = lab.sagemaker.client(), "kept"
    packages = registered(lab, group, 2)
    for each in packages:
        promotion.mark_champion(client, group, each.arn)
    promotion.approve(client, group, packages[0].arn, by="Ada")
    assert states(client, group) == ["previous", "champion"]


@pytest.mark.integration
def test_terms_count_up_over_rollbacks(lab: Lab) -> None:
    """After going back and forth, the one to go back to is still the last that served."""
    client, group = lab.sagemaker.client(), "terms"
    packages = registered(lab, group, 3)
    reigns = [packages[0], packages[1], packages[0], packages[2]]
    for each in reigns:
        promotion.mark_champion(client, group, each.arn)
    found = promotion.previous(client, group)
    assert found is not None
    assert found.arn == packages[0].arn
    terms = [
        term_of(client.describe_model_package(ModelPackageName=p.arn)["ModelLifeCycle"])
        for p in (packages[1], packages[0], packages[2])
    ]
    assert all(before < after for before, after in pairwise(terms))


@pytest.mark.integration
def test_a_package_of_another_group_is_named(lab: Lab) -> None:
    (package,) = registered(lab, "one-group", 1)
    registered(lab, "another-group", 1)
    with pytest.raises(RegistryError, match=r"no model package .*one-group/1 in .*another-group"):
        promotion.mark_champion(lab.sagemaker.client(), "another-group", package.arn)


@pytest.mark.integration
def test_a_rollback_that_failed_leaves_the_champion_it_could_not_replace(lab: Lab) -> None:
    """Rejected and serving: the next restart of its endpoint would be refused by SageMaker."""
    client, group = lab.sagemaker.client(), "reinstated"
    packages = registered(lab, group, 2)
    for each in packages:
        promotion.mark_champion(client, group, each.arn)
    promotion.mark_rolled_back(client, group, packages[1].arn, reason="slow")
    promotion.reinstate(client, group, packages[1].arn, reason="the way back failed")
    assert states(client, group) == ["previous", "champion"]
    found = registry.describe(client, packages[1].arn)
    assert (found.status, found.decision) == ("Approved", "the way back failed")
