"""Evidence from sensors that watch, from the registry and from git."""

from __future__ import annotations

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


def test_a_second_person_is_another_one():
    """Whoever trained a model cannot be the one who looked at it a second time."""
    other = package("0" * 40, decision="approved by bob: looks right")
    assert shown(other)["second person"].words == "approved by bob: looks right"
    same = package("0" * 40, decision="approved by ada: looks right")
    assert "second person" not in shown(same)
    automatic = package("0" * 40, decision="")
    assert "second person" not in shown(automatic)
