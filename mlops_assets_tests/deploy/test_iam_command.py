"""`mlops iam`: what it prints, of whom, and with which values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from mlops_assets.cli import app
from mlops_assets.permissions.catalogue import OF_DECLARATIONS


def _run(*arguments: str) -> Any:
    result = CliRunner().invoke(app, ["iam", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_the_command_prints_json_that_names_the_pipeline() -> None:
    """A policy that has to be edited by hand before it is any pipeline's."""
    printed = json.loads(_run("flight_delays").stdout)
    assert set(printed) >= {"LakePolicy", "PlatformPolicy", "ServingPolicy", "JobPolicy"}
    assert "digits" not in json.dumps(printed)
    assert set(printed) <= {*OF_DECLARATIONS, *(f"{name}2" for name in OF_DECLARATIONS)}


def test_the_command_fills_in_what_the_environment_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Placeholders of CloudFormation in a policy that is pasted into IAM's page."""
    given = {
        "MLOPS_ENV": "aws",
        "MLOPS_BUCKET": "lake-of-ours",
        "MLOPS_ROLE_ARN": "arn:aws:iam::111122223333:role/execution",
        "MLOPS_IMAGE_URI": "111122223333.dkr.ecr.us-east-1.amazonaws.com/ours/sagemaker@sha256:0",
        "MLOPS_SUBNETS": "subnet-1,subnet-2",
        "MLOPS_SECURITY_GROUPS": "sg-1",
        "MLOPS_KMS_KEY_ARN": "arn:aws:kms:us-east-1:111122223333:key/1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    policy = json.loads(_run("digits", "--policy", "PlatformPolicy").stdout)
    text = json.dumps(policy)
    assert "arn:aws:sagemaker:us-east-1:111122223333:training-job/digits-*" in text
    assert '["subnet-1", "subnet-2"]' in text
    assert "${AWS::" not in text
    # No queue, no topic, no key was given: what is for them is left out.
    assert not {"Events", "Alerts", "Signatures"} & {each["Sid"] for each in policy["Statement"]}


def test_the_command_prints_yaml_with_reasons() -> None:
    """A reviewer who has to guess what a statement is for."""
    import yaml

    text = _run("digits", "--yaml", "--policy", "JobPolicy").stdout
    assert "# Sealed artifacts, code, data sets, Dagster's context: read, never written." in text
    assert {each["Effect"] for each in yaml.safe_load(text)["JobPolicy"]["Statement"]} == {"Allow"}


def test_the_command_names_what_it_does_not_know() -> None:
    """A misspelt pipeline, and the policies of all of them."""
    from mlops_assets.cli.errors import CommandError

    result = CliRunner().invoke(app, ["iam", "flihgts"])
    assert isinstance(result.exception, CommandError)
    assert "no pipeline is called 'flihgts'" in str(result.exception)
