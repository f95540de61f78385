"""The stacks in their order: each parameter comes from an earlier one, from a person, or a default.

Those that moto can make are also deployed: test_stacks_deployed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_assets_tests.delivery.scripts import script
from mlops_assets_tests.deploy.template import FILES, parse

ROOT = Path(__file__).resolve().parents[2]


stacks = script("deploy/stacks.py")
order = sys.modules["stack_order"]
TOLD = {stack.name: set(stacks.told(stack)) for stack in stacks.ORDER}
PEOPLE = {
    "network": {"S3PrefixListId"},
    "catalog": {"Pipeline", "Slug"},
    "firehose": {"Pipeline", "Slug"},
    "ingress": {
        "CertificateArn", "ClientCidr", "HostName", "OidcAuthorizationEndpoint", "OidcIssuer",
        "OidcTokenEndpoint", "OidcUserInfoEndpoint", "ReadersClientId", "WritersClientId",
    },
    "dagster": {"ImageDigest", "ImageOfJobsDigest"},
    "search": {"LogReadersRoleArn"},
    "spark": {"SparkImageDigest"},
    "branches": {"GitHubRepository"},
    "cicd": {"ConnectionArn", "ProductionRoleArn", "PythonDigest", "Repository", "StagingRoleArn"},
}  # fmt: skip


def test_every_template_is_in_the_order() -> None:
    """A template that nobody deploys."""
    assert {stack.name for stack in stacks.ORDER} == {path.stem for path in FILES}


@pytest.mark.parametrize("stack", stacks.ORDER, ids=lambda stack: stack.name)
def test_parameters_come_from_earlier_stacks_or_from_people(stack: Any) -> None:
    """A stack that waits for the output of a later one, or for a name that no output has."""
    assert TOLD[stack.name] == PEOPLE.get(stack.name, set())


@pytest.mark.parametrize("stack", stacks.ORDER, ids=lambda stack: stack.name)
def test_what_people_give_is_in_the_guide(stack: Any) -> None:
    """A parameter that one first reads of in CloudFormation's refusal."""
    guide = (ROOT / "docs" / "deploy.md").read_text()
    assert [name for name in TOLD[stack.name] if name not in guide] == []


def test_the_two_checks_above_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a stack before those that it is fed by."""
    monkeypatch.setattr(order, "ORDER", tuple(reversed(stacks.ORDER)))
    assert "KmsKeyArn" in stacks.told(stacks.named("lake"))


def test_optional_stacks_are_optional() -> None:
    """A parameter without a default that only a stack puts out which one may leave out."""
    optional = {output for s in stacks.ORDER if s.optional for output in s.outputs()}
    for stack in stacks.ORDER:
        if not stack.optional:
            needed = {n for n, p in stack.parameters().items() if "Default" not in p}
            assert needed & optional == set(), stack.name


def test_names_are_said_once() -> None:
    """Two outputs of one name, of which a later stack gets either."""
    for section in ("Outputs", "Resources"):
        names = [name for path in FILES for name in parse(path).get(section, {})]
        assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("stack", stacks.ORDER, ids=lambda stack: stack.name)
def test_templates_are_as_cloudformation_takes_them(stack: Any) -> None:
    """More than 51,200 bytes are refused in a request, and so are YAML's anchors."""
    text = stacks.body(stack)
    assert len(text.encode()) <= 51_200
    assert not re.search(r"^\s*(- |\w+: )[&*]\w", text, re.M)


def test_a_long_template_goes_without_its_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tenth pipeline: a stack that is refused for what only people read."""
    monkeypatch.setattr(order, "FOLDER", tmp_path)
    template = "Resources:\n" + "  # why\n" * 7000 + "  Key: {Type: AWS::KMS::Key}\n"
    (tmp_path / "kms.yaml").write_text(template)
    assert stacks.body(stacks.named("kms")) == "Resources:\n  Key: {Type: AWS::KMS::Key}\n"
    (tmp_path / "kms.yaml").write_text(template + "  Other: {Type: AWS::KMS::Key}\n" * 6000)
    with pytest.raises(stacks.StackError, match="--any"):
        stacks.body(stacks.named("kms"))


@pytest.mark.parametrize("stack", stacks.ORDER, ids=lambda stack: stack.name)
def test_both_readers_read_the_same(stack: Any) -> None:
    """The script and the tests, each with its own reader of intrinsics."""
    assert stack.parameters().keys() == parse(stack.path).get("Parameters", {}).keys()
    assert stack.outputs().keys() == parse(stack.path).get("Outputs", {}).keys()


def test_a_missing_value_names_its_remedy() -> None:
    """CloudFormation says `Parameters: [Bucket] must have values`, and not where to get them."""
    with pytest.raises(stacks.StackError, match=r"KmsKeyArn has no value.*deploy kms first"):
        stacks.values(stacks.named("lake"), {}, {}, ())
    with pytest.raises(stacks.StackError, match="give S3PrefixListId"):
        stacks.values(stacks.named("network"), {}, {"OperationsKeyArn": "arn"}, ())
    with pytest.raises(stacks.StackError, match="has no parameter Cidr"):
        stacks.values(stacks.named("network"), {"Cidr": "10.0.0.0/8"}, {}, ())


def test_what_was_given_stays_and_outputs_are_followed() -> None:
    """An update that forgets the digest, or one that keeps the ARN of a key that was replaced."""
    found = {
        each["ParameterKey"]: each.get("ParameterValue", "(as before)")
        for each in stacks.values(
            stacks.named("lake"), {}, {"KmsKeyArn": "new"}, ["KmsKeyArn", "CaptureDays"]
        )
    }
    assert found == {"KmsKeyArn": "new", "CaptureDays": "(as before)"}
