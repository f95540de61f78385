"""What a pull request's workflow may do, by its role's own statements: nothing of production.

That the workflow can do its work with it: test_branch_workflow.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets.pipelines import declared
from mlops_assets_tests.deploy import iam
from mlops_assets_tests.deploy.template import platform

ROLE = "BranchRole"
PLATFORM = platform()
POLICY = iam.statements(
    PLATFORM, ["BranchThingsPolicy", "BranchLakePolicy"], GitHubRepository="ours/mlops"
)
_TAG = "aws:ResourceTag/mlops:environment"


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:us-east-1:111122223333:{resource}"


# action, the branch's own thing, and production's (or another's) of the same kind
OWN_AND_OTHERS = [
    ("sagemaker:DeleteEndpoint", _arn("sagemaker", "endpoint/pr12-flight-delays"),
     _arn("sagemaker", "endpoint/flight-delays")),
    ("sagemaker:DeleteModelPackage", _arn("sagemaker", "model-package/pr12-digits/1"),
     _arn("sagemaker", "model-package/digits/1")),
    ("sagemaker:StopTrainingJob", _arn("sagemaker", "training-job/pr12-digits-model-1"),
     _arn("sagemaker", "training-job/digits-model-1")),
    ("sagemaker:ListTags", _arn("sagemaker", "endpoint/pr12-digits"),
     _arn("sagemaker", "endpoint/digits")),
    ("cloudwatch:DeleteAlarms", _arn("cloudwatch", "alarm:mlops-pr12-digits-monitor-drift"),
     _arn("cloudwatch", "alarm:mlops-digits-monitor-drift")),
    ("cloudwatch:DeleteAlarms", _arn("cloudwatch", "alarm:mlops-pr12-digits-monitor-drift"),
     _arn("cloudwatch", "alarm:mlops-daemon-down")),
    ("glue:DeleteTable", _arn("glue", "table/pr12_digits/clean"),
     _arn("glue", "table/digits/clean")),
    ("glue:DeleteDatabase", _arn("glue", "database/pr12_digits"), _arn("glue", "database/prices")),
    ("s3:DeleteObject", "arn:aws:s3:::lake/environments/pr12/lake/x",
     "arn:aws:s3:::lake/lake/digits.db/x"),
    ("s3:GetObject", "arn:aws:s3:::lake/environments/pr12/records/x.json",
     "arn:aws:s3:::lake/environments/ada/records/x.json"),
    ("s3:PutObject", "arn:aws:s3:::lake/environments/pr12/environment.json",
     "arn:aws:s3:::lake/records/digits/x.json"),
    ("cloudformation:DescribeStacks", _arn("cloudformation", "stack/mlops-lake/1"),
     _arn("cloudformation", "stack/payroll/1")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "own", "others"), OWN_AND_OTHERS, ids=[f"{a} of {o}" for a, _, o in OWN_AND_OTHERS]
)
def test_only_a_branchs_own_things(action: str, own: str, others: str) -> None:
    """A pull request, which nobody has read, that takes production's endpoint or tables away."""
    tagged = {_TAG: "pr12"}
    assert iam.allowed(POLICY, action, own, tagged)
    assert not iam.allowed(POLICY, action, others, tagged)


@pytest.mark.parametrize("tag", [{}, {_TAG: "ada"}, {_TAG: "production"}])
def test_a_name_without_the_tag_is_not_enough(tag: dict[str, str]) -> None:
    """Production's endpoint `pr12-prices`, which only looks like a branch's."""
    endpoint = _arn("sagemaker", "endpoint/pr12-prices")
    assert not iam.allowed(POLICY, "sagemaker:DeleteEndpoint", endpoint, tag)


@pytest.mark.parametrize(
    "action",
    ["sagemaker:AddTags", "sagemaker:CreateModelPackage", "sagemaker:DeleteTags",
     "sagemaker:UpdateModelPackage"],
)  # fmt: skip
def test_it_cannot_be_given_tags_or_approvals(action: str) -> None:
    """A tag by which production becomes the branch's; a model approved by its own code."""
    wide = [*POLICY, {"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}]
    mine = _arn("sagemaker", "model-package/pr12-digits/1")
    assert not iam.allowed(POLICY, action, mine, {_TAG: "pr12"})
    assert not iam.allowed(wide, action, mine, {_TAG: "pr12"})


def test_nothing_is_started_deployed_or_passed_on() -> None:
    """A role of CI that grows into whoever runs Dagster."""
    verbs = {action.split(":")[1] for action in iam.actions(POLICY)}
    grown = ("Create", "Update", "Invoke", "Pass", "Run", "Start", "Assume", "Sign")
    assert [verb for verb in verbs if verb.startswith(grown)] == []


@pytest.mark.parametrize(
    "prefix", ["", "lake/", "records/digits/", "environments/", "environments/ada"]
)
def test_only_its_folder_is_listed(prefix: str) -> None:
    """Names of production's objects are data, too."""
    bucket = "arn:aws:s3:::lake"
    assert iam.allowed(POLICY, "s3:ListBucket", bucket, {"s3:prefix": "environments/pr12/"})
    assert not iam.allowed(POLICY, "s3:ListBucket", bucket, {"s3:prefix": prefix})
    assert not iam.allowed(POLICY, "s3:ListBucket", bucket)


def test_no_pipeline_is_named_as_a_branchs() -> None:
    """A pipeline `pr1_prices`, which every branch's role would own by its name."""
    assert [p.name for p in declared() if p.name[:2] == "pr" and p.name[2:3].isdigit()] == []


def test_the_workflow_uses_names_that_the_role_has() -> None:
    """Environments that the workflow may neither make nor remove."""
    root = Path(__file__).resolve().parents[2]
    workflow = (root / ".github" / "workflows" / "branch.yml").read_text()
    assert "NAME: pr${{ github.event.number }}" in workflow


def test_only_pull_requests_of_one_repository_are_believed() -> None:
    """Any repository of GitHub, or a token that was meant for somebody else."""
    (trust,) = PLATFORM["Resources"][ROLE]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {
                "Fn::Sub": "repo:${GitHubRepository}:pull_request"
            },
        }
    }
