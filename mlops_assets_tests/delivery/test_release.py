"""Releasing: stacks to new digests against a real CloudFormation API, and back when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mlops_assets_tests.delivery.scripts import script

release = script("deploy/pipelines/release.py")
OLD, NEW = "sha256:" + "0a" * 32, "sha256:" + "0b" * 32
TEMPLATE = {
    "Parameters": {"ImageDigest": {"Type": "String"}, "Size": {"Type": "String"}},
    "Resources": {
        "Image": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Name": {"Fn::Sub": "/${AWS::StackName}/image"},
                "Type": "String",
                "Value": {"Ref": "ImageDigest"},
            },
        }
    },
}


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two stacks of a digest and a size, in an account of moto's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("cloudformation")
        for stack in ("core", "dagster"):
            client.create_stack(
                StackName=stack,
                TemplateBody=json.dumps(TEMPLATE),
                Parameters=[
                    {"ParameterKey": "ImageDigest", "ParameterValue": OLD},
                    {"ParameterKey": "Size", "ParameterValue": "small"},
                ],
            )
        yield client


@pytest.fixture
def stacks(cloudformation: Any) -> Any:
    return release.Stacks(cloudformation, poll_s=0)


TARGETS = {"core": {"ImageDigest": NEW}, "dagster": {"ImageDigest": NEW}}


def digests(stacks: Any) -> list[str]:
    return [stacks.parameters(stack)["ImageDigest"] for stack in ("core", "dagster")]


def test_named_parameters_change_and_the_others_stay(stacks: Any) -> None:
    """A release that resets the sizes to their defaults."""
    assert release.release(stacks, TARGETS) == ["core: updated", "dagster: updated"]
    assert stacks.parameters("core") == {"ImageDigest": NEW, "Size": "small"}
    assert stacks.parameters("dagster") == {"ImageDigest": NEW, "Size": "small"}


def test_a_second_release_of_the_same_changes_nothing(stacks: Any) -> None:
    """A rerun must pass: CloudFormation refuses an update without changes."""
    release.release(stacks, TARGETS)
    assert release.release(stacks, TARGETS, "true") == [
        "core: was there already",
        "dagster: was there already",
    ]


def test_a_failed_smoke_test_takes_everything_back(stacks: Any) -> None:
    """Staging would stay broken until somebody looks, and the next release would start from it."""
    with pytest.raises(release.ReleaseError) as raised:
        release.release(stacks, TARGETS, "false")
    assert str(raised.value).splitlines() == [
        "false ended with status 1",
        "dagster: taken back",
        "core: taken back",
    ]
    assert digests(stacks) == [OLD, OLD]


def test_what_was_there_before_is_not_taken_back(stacks: Any) -> None:
    """A smoke test that fails after nothing was changed has nothing to undo."""
    release.release(stacks, {"core": {"ImageDigest": NEW}})
    with pytest.raises(release.ReleaseError):
        release.release(stacks, TARGETS, "false")
    assert digests(stacks) == [NEW, OLD]


def test_a_later_stack_that_fails_takes_the_earlier_back(stacks: Any) -> None:
    """Half a release: jobs on the new image, the control plane on the old one."""
    wrong = {"core": {"ImageDigest": NEW}, "dagster": {"Digest": NEW}}
    with pytest.raises(release.ReleaseError, match="no parameter Digest; there is: ImageDigest"):
        release.release(stacks, wrong)
    assert digests(stacks) == [OLD, OLD]


class Watched:
    """CloudFormation, of which the last update ends as it is told."""

    def __init__(self, client: Any, status: str) -> None:
        self.client = client
        self.status = status
        self.asked: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def create_change_set(self, **request: Any) -> Any:
        self.asked = request
        return self.client.create_change_set(**request)

    def describe_stacks(self, **request: Any) -> Any:
        found = self.client.describe_stacks(**request)
        if self.asked:
            found["Stacks"][0]["StackStatus"] = self.status
        return found


def test_alarms_watch_the_update_and_a_rollback_fails_the_release(cloudformation: Any) -> None:
    """CloudFormation took it back, and the workflow went on to production."""
    alarm = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"
    watched = Watched(cloudformation, "UPDATE_ROLLBACK_COMPLETE")
    stacks = release.Stacks(watched, release.Watch((alarm,), 7), poll_s=0)
    with pytest.raises(release.ReleaseError, match="core: UPDATE_ROLLBACK_COMPLETE"):
        release.release(stacks, {"core": {"ImageDigest": NEW}}, "true")
    assert watched.asked["RollbackConfiguration"] == {
        "RollbackTriggers": [{"Arn": alarm, "Type": "AWS::CloudWatch::Alarm"}],
        "MonitoringTimeInMinutes": 7,
    }


def test_the_command_line(cloudformation: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An unset variable of the workflow arrives as an empty word: nothing may be released then."""
    assert release.main([f"core:ImageDigest={NEW}", "--alarms", "", "--smoke", "true"]) == 0
    assert capsys.readouterr().out == "core: updated\n"
    assert release.main(["core:ImageDigest="]) == 1
    assert release.main([":ImageDigest=x"]) == 1
    assert "is not STACK:Parameter=value" in capsys.readouterr().err
