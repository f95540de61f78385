"""Releasing: stacks to new digests, and back when an alarm, a stack or the smoke test says so."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from mlops_assets_tests.delivery.scripts import script

release = script("deploy/pipelines/release.py")
OLD, NEW = "sha256:" + "0a" * 32, "sha256:" + "0b" * 32


class CloudFormation:
    """Stacks and change sets as the service documents them; requests keep botocore's model.

    moto's loses what a change set keeps, and cannot go back to what a stack was created with.
    ``ends_as`` is the state that updates end in, such as that of CloudFormation's own rollback.
    """

    def __init__(self) -> None:
        self.stacks = {each: {"ImageDigest": OLD, "Size": "small"} for each in ("core", "dagster")}
        self.status = dict.fromkeys(self.stacks, "CREATE_COMPLETE")
        self.ends_as = "UPDATE_COMPLETE"
        self.model = botocore.session.get_session().get_service_model("cloudformation")
        self.change: dict[str, Any] = {}

    def _valid(self, operation: str, request: dict[str, Any]) -> None:
        shape = self.model.operation_model(operation).input_shape
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()

    def describe_stacks(self, **request: Any) -> dict[str, Any]:
        self._valid("DescribeStacks", request)
        name = request["StackName"]
        parameters = [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in self.stacks[name].items()
        ]
        return {"Stacks": [{"StackStatus": self.status[name], "Parameters": parameters}]}

    def create_change_set(self, **request: Any) -> None:
        self._valid("CreateChangeSet", request)
        self.change = request

    def describe_change_set(self, **request: Any) -> dict[str, Any]:
        self._valid("DescribeChangeSet", request)
        assert request["ChangeSetName"] == self.change["ChangeSetName"]
        return {"Status": "CREATE_COMPLETE"}

    def execute_change_set(self, **request: Any) -> None:
        self._valid("ExecuteChangeSet", request)
        name = request["StackName"]
        self.status[name] = self.ends_as
        if self.ends_as == "UPDATE_COMPLETE":
            before = self.stacks[name]
            # What a change set leaves out gets its default: it has to keep each by name.
            self.stacks[name] = dict.fromkeys(before, "default") | {
                each["ParameterKey"]: before[each["ParameterKey"]]
                if each.get("UsePreviousValue")
                else each["ParameterValue"]
                for each in self.change["Parameters"]
            }

    def describe_stack_events(self, **request: Any) -> dict[str, Any]:
        self._valid("DescribeStackEvents", request)
        reason = "the alarm errors went off"
        return {"StackEvents": [{"LogicalResourceId": "core", "ResourceStatusReason": reason}]}


@pytest.fixture
def cloudformation() -> CloudFormation:
    return CloudFormation()


@pytest.fixture
def stacks(cloudformation: CloudFormation) -> Any:
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


def test_cloudformation_works_by_the_given_role_both_ways(cloudformation: CloudFormation) -> None:
    """An update as the releaser itself, who may touch no service: and no way back either."""
    role = "arn:aws:iam::111122223333:role/mlops-release-stack"
    with pytest.raises(release.ReleaseError, match="core: taken back"):
        release.release(release.Stacks(cloudformation, role=role, poll_s=0), TARGETS, "false")
    assert cloudformation.change["RoleARN"] == role


class Registry:
    """ECR, where an image comes at the third look."""

    class exceptions:  # noqa: N801 - as boto3's clients have it
        class ImageNotFoundException(Exception):
            pass

    def __init__(self, comes_at: int) -> None:
        self.comes_at, self.asked = comes_at, 0

    def describe_images(self, **request: Any) -> None:
        assert request == {
            "repositoryName": "mlops-assets/dagster",
            "imageIds": [{"imageDigest": NEW}],
        }
        self.asked += 1
        if self.asked < self.comes_at:
            raise self.exceptions.ImageNotFoundException


def test_images_are_waited_for_where_they_are_copied_to() -> None:
    """Production pulls from its own registry: a release that is faster than the copy goes back."""
    registry = Registry(comes_at=3)
    release.wait_for(registry, f"mlops-assets/dagster@{NEW}", poll_s=0)
    assert registry.asked == 3
    with pytest.raises(release.ReleaseError, match="ToolingAccountId"):
        release.wait_for(Registry(comes_at=9), f"mlops-assets/dagster@{NEW}", patience_s=0)


def test_alarms_by_name_are_those_of_the_environments_account() -> None:
    """One list for two accounts: production's release that waits for staging's alarm."""

    class Sts:
        def get_caller_identity(self) -> dict[str, str]:
            return {"Arn": "arn:aws:sts::444455556666:assumed-role/mlops-release/x"}

    arn = "arn:aws:cloudwatch:eu-central-1:444455556666:alarm:mlops-ui-fails"
    assert release.alarm_arns("mlops-ui-fails", Sts(), "eu-central-1") == (arn,)
    assert release.alarm_arns(f"{arn}, ", None, "eu-central-1") == (arn,)
    assert release.alarm_arns("", None, "eu-central-1") == ()


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


def test_alarms_watch_the_update_and_a_rollback_fails_the_release(
    cloudformation: CloudFormation,
) -> None:
    """CloudFormation took it back, and the workflow went on to production."""
    alarm = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"
    cloudformation.ends_as = "UPDATE_ROLLBACK_COMPLETE"
    stacks = release.Stacks(cloudformation, release.Watch((alarm,), 7), poll_s=0)
    with pytest.raises(release.ReleaseError, match="UPDATE_ROLLBACK_COMPLETE; core: the alarm"):
        release.release(stacks, {"core": {"ImageDigest": NEW}}, "true")
    assert cloudformation.change["RollbackConfiguration"] == {
        "RollbackTriggers": [{"Arn": alarm, "Type": "AWS::CloudWatch::Alarm"}],
        "MonitoringTimeInMinutes": 7,
    }


def test_the_command_line(
    cloudformation: CloudFormation,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An unset variable of the workflow arrives as an empty word: nothing may be released then."""
    monkeypatch.setattr(release.boto3, "client", lambda _: cloudformation)
    assert release.main([f"core:ImageDigest={NEW}", "--alarms", "", "--smoke", "true"]) == 0
    assert capsys.readouterr().out == "core: updated\n"
    assert release.main(["core:ImageDigest="]) == 1
    assert release.main([":ImageDigest=x"]) == 1
    assert "is not STACK:Parameter=value" in capsys.readouterr().err
