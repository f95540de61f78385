"""Evidence from sensors that watch, from the registry and from git."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
import subprocess
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from mlops_assets.assets.monitoring.scoring import from_checks, from_registry
from mlops_assets.pipelines.flight_delays import pipeline
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

ORIGIN = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("mlops_assets"), "__repository__"),
    f"{pipeline.name}_dependencies",
)
NOW = dt.datetime.now(dt.UTC)
USERS = "arn:aws:iam::111122223333:user"


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def turned(instance: dg.DagsterInstance, status: InstigatorStatus) -> InstigatorState:
    state = InstigatorState(ORIGIN, InstigatorType.SENSOR, status)
    instance.add_instigator_state(state)
    return state


def looked(instance: dg.DagsterInstance, state: InstigatorState, status: TickStatus) -> None:
    instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name=state.instigator_name,
            instigator_type=InstigatorType.SENSOR,
            status=status,
            timestamp=time.time(),
            selector_id=state.selector_id,
            skip_reason="Nothing that it stands on has changed."
            if status == TickStatus.SKIPPED
            else None,
            error=SerializableErrorInfo("no lake", [], None)
            if status == TickStatus.FAILURE
            else None,
        )
    )


def test_a_sensor_that_is_on_and_looks_is_evidence(instance):
    assert list(from_checks.dependencies(instance, pipeline)) == []
    state = turned(instance, InstigatorStatus.RUNNING)
    assert list(from_checks.dependencies(instance, pipeline)) == [], "on, and never looked"
    looked(instance, state, TickStatus.SKIPPED)
    (piece,) = from_checks.dependencies(instance, pipeline)
    assert piece.passed
    assert piece.words == "Nothing that it stands on has changed."
    looked(instance, state, TickStatus.FAILURE)
    (piece,) = from_checks.dependencies(instance, pipeline)
    assert not piece.passed


def test_a_sensor_that_was_turned_off_is_none(instance):
    """It looked yesterday; nobody is told of what changes today."""
    looked(instance, turned(instance, InstigatorStatus.STOPPED), TickStatus.SKIPPED)
    assert list(from_checks.dependencies(instance, pipeline)) == []


def package(commit: str, *, decision: str = "", trained_by: str = "ada") -> ModelPackage:
    return ModelPackage(
        arn="arn:aws:sagemaker:us-east-1:000000000000:model-package/flight-delays/1",
        group="flight-delays",
        version=1,
        status="Approved",
        model_data_url="",
        image="",
        lineage={"commit": commit},
        metrics={},
        created=NOW,
        modified=NOW,
        state="champion",
        decision=decision,
        trained_by=trained_by,
    )


def shown(found: ModelPackage) -> dict:
    return {piece.name: piece for piece in from_registry.specification(pipeline, found)}


@pytest.mark.parametrize("commit", ["0" * 40, "a" * 40 + "-dirty"])
def test_a_model_of_a_commit_that_is_nowhere_is_not_checked_in(commit):
    assert not shown(package(commit))["commit on main"].passed


def test_a_model_whose_commit_nobody_noted_says_nothing():
    assert shown(package("unknown")) == {}


def test_a_commit_of_the_main_branch_is_checked_in():
    git = shutil.which("git") or "git"
    head = subprocess.run(
        [git, "rev-parse", "main"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    if head.returncode:
        pytest.skip("this checkout has no branch main")
    assert shown(package(head.stdout.strip()))["commit on main"].passed


@pytest.mark.parametrize(
    ("trained_by", "decision", "another"),
    [
        (f"{USERS}/ada", f"approved by {USERS}/bob: looks right", True),
        (f"{USERS}/ada", f"approved by {USERS}/adam", True),
        (f"{USERS}/ada", f"approved by {USERS}/ada: fine", False),
        (f"{USERS}/ada", f"approved by {USERS}/ada (who trained it): fine", False),
        (f"{USERS}/ada", "", False),
        # The same person, known to git in one folder and to the machine alone in another.
        ("root", "approved by ada@example.com: fine", False),
        ("ada", "approved by bob", False),
    ],
)
def test_a_second_person_is_another_one_by_the_word_of_aws(trained_by, decision, another):
    """Whoever trained a model cannot be the one who looked at it a second time."""
    found = shown(package("0" * 40, decision=decision, trained_by=trained_by))
    assert ("second person" in found) is another


def test_where_no_main_branch_is_known_nobody_can_say(monkeypatch):
    """In an image without git a model is not "on no main branch": nothing is known of it."""
    monkeypatch.setenv("PATH", "")
    found = shown(package("0" * 40))["commit on main"]
    assert not found.known
    assert "no git here" in found.words


@pytest.mark.parametrize(
    ("reviewer", "counts"), [("Bob <bob@example.com>", True), ("Ada <ada@example.com>", False)]
)
def test_a_review_counts_by_the_trailer_of_somebody_else(tmp_path, monkeypatch, reviewer, counts):
    git, script = shutil.which("git") or "git", tmp_path / "train.py"
    script.write_text("print()\n")
    message = f"Train\n\nReviewed-by: {reviewer}"
    identity = ["-c", "user.email=ada@example.com", "-c", "user.name=Ada"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", message]):
        subprocess.run([git, *command], cwd=tmp_path, check=True)

    def here(*arguments: str) -> tuple[bool, str]:
        done = subprocess.run(
            [git, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode == 0, done.stdout.strip()

    monkeypatch.setattr(from_registry, "_git", here)
    mine = dataclasses.replace(
        pipeline, training=dataclasses.replace(pipeline.training, script=script)
    )
    found = {
        p.name: p for p in from_registry.specification(mine, package(here("rev-parse", "HEAD")[1]))
    }
    assert ("second person" in found) is counts
