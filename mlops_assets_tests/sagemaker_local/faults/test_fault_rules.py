"""Faults as they are written in tags and in faults.json."""

from __future__ import annotations

import json
import os

import pytest

from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.faults.fault_rules import KINDS, FaultError, read_rules, tagged
from mlops_assets.sagemaker_local.faults.faults import Faults
from mlops_assets.sagemaker_local.faults.job_faults import NO_JOB_FAULTS
from mlops_assets.sagemaker_local.store import Store

ARN = "arn:aws:sagemaker:us-east-1:000000000000:training-job/job"


@pytest.fixture
def faults(tmp_path) -> Faults:
    return Faults(Config(tmp_path, "dir:/none"), Store(tmp_path))


def write(faults: Faults, *rules: dict) -> None:
    faults._path.write_text(json.dumps(rules))
    stamp = faults._stamp or 0.0
    os.utime(faults._path, (stamp + 10, stamp + 10))


def refusals(faults: Faults, operation: str, times: int, **request: object) -> list[str]:
    """The code of each call's refusal, "" for one that is let through."""
    codes = []
    for _ in range(times):
        try:
            faults.before(operation, request)
            codes.append("")
        except ApiError as error:
            codes.append(error.code)
    return codes


@pytest.mark.parametrize(
    "tags",
    [
        {"mlops-fault:no-such": "1"},
        {"mlops-fault:slow-start": "soon"},
        {"mlops-fault:slow-start": "-1"},
        {"mlops-fault:slow-start": "nan"},
        {"mlops-fault:error-share": "1.5"},
        {"mlops-fault:spot-interruption": "3 often=2"},
    ],
)
def test_a_wrong_fault_is_refused_with_what_is_right(tags):
    """A fault that is misspelt is a test that passes without having tested anything."""
    with pytest.raises(FaultError, match=r"faults are|the amount is"):
        tagged(tags)


@pytest.mark.parametrize("content", ["{", "{}", "[1]", '[{"kind": "no"}]', '[{"amount": 1}]'])
def test_a_wrong_file_is_named(tmp_path, content):
    path = tmp_path / "faults.json"
    path.write_text(content)
    with pytest.raises(FaultError, match=r"faults\.json"):
        read_rules(path)


def test_each_kind_has_an_amount_of_its_own():
    """``mlops-fault:throttling`` without a value means one refused call, not none."""
    for kind, (_, default) in KINDS.items():
        (rule,) = tagged({f"mlops-fault:{kind}": ""})
        assert (rule.kind, rule.amount) == (kind, default)


def test_no_fault_is_injected_unless_asked_for(faults):
    """The negative control of everything here."""
    assert refusals(faults, "CreateTrainingJob", 3, TrainingJobName="job", Tags=[]) == [""] * 3
    assert faults.job("job", ARN, "ml.m5.large") == NO_JOB_FAULTS
    assert not any(faults.fails("endpoint") for _ in range(10))


def test_calls_are_throttled_by_operation_and_name(faults):
    """Fault matrix 14: Describe throttled, and the other operations as they were."""
    rule = {"kind": "throttling", "amount": 2, "operation": "DescribeTrainingJob"}
    write(faults, rule | {"resource": "night-*"})
    for other in ("day-1", "night"):
        assert refusals(faults, "DescribeTrainingJob", 1, TrainingJobName=other) == [""]
    assert refusals(faults, "StopTrainingJob", 1, TrainingJobName="night-1") == [""]
    found = refusals(faults, "DescribeTrainingJob", 3, TrainingJobName="night-1")
    assert found == ["ThrottlingException", "ThrottlingException", ""]
    write(faults, rule)  # written to again, it counts again
    assert refusals(faults, "DescribeTrainingJob", 3, TrainingJobName="day")[2:] == [""]


def test_a_tag_refuses_the_calls_that_carry_it(faults):
    """Fault matrix 16: each name's Create is refused that often, whatever else is created."""
    tags = [{"Key": "mlops-fault:resource-limit-exceeded", "Value": "2"}]
    limit = "ResourceLimitExceeded"
    for name in ("a", "b"):
        found = refusals(faults, "CreateTrainingJob", 3, TrainingJobName=name, Tags=tags)
        assert found == [limit, limit, ""]
    assert refusals(faults, "CreateTrainingJob", 1, TrainingJobName="c", Tags=[]) == [""]


def test_a_quota_is_met_by_what_is_created_only(faults):
    write(faults, {"kind": "resource-limit-exceeded", "amount": 1})
    assert refusals(faults, "DescribeTrainingJob", 1, TrainingJobName="a") == [""]
    assert refusals(faults, "CreateModel", 2, ModelName="a") == ["ResourceLimitExceeded", ""]


def test_a_share_of_invocations_fails_evenly(faults):
    """A share that is drawn at random makes the tests of alarms flaky."""
    write(faults, {"kind": "error-share", "amount": 0.25, "resource": "shop"})
    failed = [faults.fails("shop") for _ in range(12)]
    assert failed == [False, False, False, True] * 3
    assert not faults.fails("other")


def test_a_jobs_tags_come_before_the_file(faults):
    write(faults, {"kind": "slow-start", "amount": 9}, {"kind": "capacity-error", "resource": "x"})
    spot = {"mlops-fault:spot-interruption": "3 times=2 wait=1"}
    faults._store.set_tags(ARN, {"mlops-fault:slow-start": "2"} | spot)
    found = faults.job("job", ARN, "ml.m5.large")
    assert (found.slow_start, found.capacity_error) == (2.0, None)
    assert (found.interruptions, found.interrupted_after, found.capacity_wait) == (2, 3.0, 1.0)


def test_one_instance_type_may_be_out_of_capacity(faults):
    """Fault matrix 16: a client that goes on to its declared alternate must get that one."""
    write(faults, {"kind": "capacity-error", "instance": "ml.g5"})
    assert faults.job("job", ARN, "ml.g5.xlarge").capacity_error == 0.0
    assert faults.job("job", ARN, "ml.g6.xlarge").capacity_error is None
