"""The policies allow every operation that the code calls, and none that nothing calls."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlops_assets_tests.deploy import iam
from mlops_assets_tests.deploy.calls import computed_names, needed_actions
from mlops_assets_tests.deploy.policy import Statement
from mlops_assets_tests.deploy.template import CONTAINER, WORKER, Template, full

pytestmark = pytest.mark.integration  # botocore's descriptions of the services take seconds

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mlops_assets"
ENVIRONMENTS = PACKAGE / "resources" / "environments"
FULL = full()
SIGNING_KEY = "arn:aws:kms:us-east-1:111122223333:key/signs"
TOPIC = "arn:aws:sns:us-east-1:111122223333:alerts"
QUEUE = "arn:aws:sqs:us-east-1:111122223333:mlops-events"
TRACKING = "arn:aws:sagemaker:us-east-1:111122223333:mlflow-tracking-server/mlops"

_PARTS = "large objects go up in parts: boto3's transfers, pyarrow"
_FEATURES_KEY = "CreateFeatureGroup asks it of its caller for the key of the online store"
_ICEBERG = "pyiceberg's Glue catalog"
_MLFLOW = "MLflow's client, through SageMaker's plugin"
_REDSHIFT = "ExecuteStatement without a secret asks it of its caller"
# Allowed, and called by no name in our code.
INDIRECT = {
    "emr-serverless:TagResource": "the tags in StartJobRun",
    "glue:CreateDatabase": _ICEBERG,
    "glue:CreateTable": _ICEBERG,
    "glue:GetDatabase": _ICEBERG,
    "glue:GetDatabases": _ICEBERG,
    "glue:GetPartition": "Athena reads the partitions that a query asks for, as its caller",
    "glue:GetTables": _ICEBERG,
    "glue:UpdateTable": _ICEBERG,
    "iam:CreateServiceLinkedRole": "the first RegisterScalableTarget of an account makes the role",
    "iam:PassRole": "the execution role in CreateTrainingJob, CreateModel, CreateFeatureGroup",
    "kms:CreateGrant": "volumes of jobs and endpoints, the online store",
    "kms:Decrypt": "objects of the lake, records of the online store",
    "kms:DescribeKey": "SageMaker asks it of who names a key",
    "kms:Encrypt": "SageMaker asks it of who names a key",
    "kms:GenerateDataKey": "objects of the lake",
    "kms:ListAliases": _FEATURES_KEY,
    "kms:ListGrants": _FEATURES_KEY,
    "kms:ReEncryptFrom": _FEATURES_KEY,
    "kms:ReEncryptTo": _FEATURES_KEY,
    "kms:RetireGrant": _FEATURES_KEY,
    "kms:RevokeGrant": _FEATURES_KEY,
    "lakeformation:GetDataAccess": "Athena asks it as its caller, for a governed table",
    "redshift-serverless:GetCredentials": _REDSHIFT,
    "redshift:GetClusterCredentials": _REDSHIFT,
    "s3:AbortMultipartUpload": _PARTS,
    "s3:GetBucketLocation": "pyarrow asks for the bucket's region",
    "s3:ListBucketMultipartUploads": _PARTS,
    "s3:ListMultipartUploadParts": _PARTS,
    # Held against the plugin's own requests by test_managed_mlflow.
    "sagemaker-mlflow:CreateExperiment": _MLFLOW,
    "sagemaker-mlflow:CreateRun": _MLFLOW,
    "sagemaker-mlflow:GetExperimentByName": _MLFLOW,
    "sagemaker-mlflow:GetRun": _MLFLOW,
    "sagemaker-mlflow:LogBatch": _MLFLOW,
    "sagemaker-mlflow:RestoreExperiment": _MLFLOW,
    "sagemaker-mlflow:SearchRuns": _MLFLOW,
    "sagemaker-mlflow:SetTag": _MLFLOW,
    "sagemaker-mlflow:UpdateRun": _MLFLOW,
    "sagemaker:AddTags": "the tags in every request that makes something",
    "sagemaker:UpdateEndpointWeightsAndCapacities": "asked of who registers a scalable target",
}


def _policy(template: Template, names: list[str]) -> list[Statement]:
    return iam.statements(
        template,
        names,
        SigningKeyArn=SIGNING_KEY,
        AlertTopicArn=TOPIC,
        EventsQueueArn=QUEUE,
        TrackingServerArn=TRACKING,
        EmrApplicationId="00f0",
    )


@pytest.fixture(scope="module")
def needed() -> dict[str, str]:
    """What Dagster's process and the commands call: everything but this machine's own API,
    MLflow's client, whose methods are called as some of SageMaker's, and what removes environments.
    """
    others = {PACKAGE / "sagemaker_local", PACKAGE / "resources" / "experiments", ENVIRONMENTS}
    return needed_actions(file for file in PACKAGE.rglob("*.py") if others.isdisjoint(file.parents))


def _missing(needed: Mapping[str, str], template: Template) -> list[str]:
    allowed = iam.actions(_policy(template, WORKER))
    return [
        f"{action}, called at {place}" for action, place in needed.items() if action not in allowed
    ]


def _unneeded(needed: Mapping[str, str], template: Template) -> set[str]:
    return iam.actions(_policy(template, WORKER)) - needed.keys() - INDIRECT.keys()


def test_what_is_called_is_allowed(needed: Mapping[str, str]) -> None:
    """A call that works against the local API and is refused in AWS."""
    assert {"sagemaker:CreateModel", "cloudwatch:PutMetricAlarm", "kms:Sign"} <= needed.keys()
    assert _missing(needed, FULL) == []


def test_what_removes_an_environment_is_allowed_to_who_does_and_to_no_worker() -> None:
    """`mlops env delete` that stops half-way; or a run that could delete endpoints' models."""
    session = PACKAGE / "resources" / "sagemaker" / "session.py"
    called = needed_actions([*ENVIRONMENTS.glob("*.py"), session]).keys()
    assert "sagemaker:DeleteModel" in called
    assert called <= iam.actions(_policy(FULL, ["EnvironmentsPolicy"]))
    assert "sagemaker:DeleteModel" not in iam.actions(_policy(FULL, WORKER))


def test_the_branchs_role_may_what_its_workflow_does_and_no_more() -> None:
    """`mlops env delete` that stops half-way in CI; or a role that grows beyond the command."""
    session = PACKAGE / "resources" / "sagemaker" / "session.py"
    called = set(needed_actions([*ENVIRONMENTS.glob("*.py"), session]))
    role = iam.actions(
        iam.statements(FULL, ["BranchThingsPolicy", "BranchLakePolicy"], GitHubRepository="o/n")
    )
    # The rest of what people may who make environments by hand; and what the stacks put out.
    people = iam.actions(_policy(FULL, ["EnvironmentsPolicy"]))
    assert called <= role
    assert role == people | {"cloudformation:DescribeStacks"}


def test_what_is_allowed_is_called(needed: Mapping[str, str]) -> None:
    """A permission that stays after the call that it was for went."""
    assert _unneeded(needed, FULL) == set()


def test_every_reason_is_needed(needed: Mapping[str, str]) -> None:
    """A reason for something that is called by name now, or is not allowed any more."""
    allowed = iam.actions(_policy(FULL, WORKER))
    assert [action for action in INDIRECT if action in needed or action not in allowed] == []


def test_a_missing_permission_is_found(needed: Mapping[str, str]) -> None:
    """A collector that sees no calls finds nothing missing."""
    template = copy.deepcopy(FULL)
    serving = template["Resources"]["ServingPolicy"]["Properties"]["PolicyDocument"]
    serving["Statement"] = [s for s in serving["Statement"] if "Alarms" not in s["Sid"]]
    found = " ".join(_missing(needed, template))
    assert "cloudwatch:PutMetricAlarm, called at monitor_metrics.py" in found
    assert "cloudwatch:DeleteAlarms" in found


def test_an_unneeded_permission_is_found(needed: Mapping[str, str]) -> None:
    """An allow-list that excuses whatever is allowed."""
    template = copy.deepcopy(FULL)
    serving = template["Resources"]["ServingPolicy"]["Properties"]["PolicyDocument"]
    serving["Statement"][0]["Action"].append("sagemaker:DeleteModel")
    assert _unneeded(needed, template) == {"sagemaker:DeleteModel"}


def test_calls_are_told_from_other_methods(tmp_path: Path) -> None:
    """``re.search`` taken for SageMaker's Search; ``partial(client.stop_training_job)`` missed."""
    source = tmp_path / "source.py"
    source.write_text(
        """
import re
sagemaker, logs, kms = client("sagemaker"), session.client("logs"), boto3.client("kms")
re.compile("x").search("x")
key.verify(signature, message)
partial(sagemaker.stop_training_job, TrainingJobName="x")
logs.get_paginator("describe_log_streams")
kms.sign(KeyId="x")
"""
    )
    assert set(needed_actions([source])) == {
        "kms:Sign",
        "logs:DescribeLogStreams",
        "sagemaker:StopTrainingJob",
    }


def test_every_operation_is_called_by_a_whole_name(tmp_path: Path) -> None:
    """``getattr(client, f"list_{kind}")``: a call that the tests above do not see."""
    assert computed_names(PACKAGE.rglob("*.py")) == []
    source = tmp_path / "source.py"
    source.write_text("""
getattr(client, f"list_{kind}")()
client.get_paginator("list_" + kind)
getattr(client, kind.lists)()
getattr(self, f"{kind}_image")
""")
    assert set(computed_names([source])) == {"source.py:2", "source.py:3"}


def test_the_container_gets_what_it_calls_and_no_more_of_sagemaker() -> None:
    """An endpoint that cannot read its features, or that could deploy."""
    needed = needed_actions((PACKAGE / "containers").rglob("*.py"))
    allowed = iam.actions(_policy(FULL, CONTAINER))
    assert needed.keys() <= allowed
    of_sagemaker = {action for action in allowed if action.startswith("sagemaker:")}
    assert of_sagemaker == {"sagemaker:BatchGetRecord"}


def test_alerts_go_to_the_named_topic_and_to_no_other() -> None:
    """A worker that could write to every topic of the account, or to one that nobody named."""
    named = _policy(FULL, WORKER)
    assert iam.allowed(named, "sns:Publish", TOPIC)
    assert not iam.allowed(named, "sns:Publish", TOPIC.replace("alerts", "payments"))
    unnamed = iam.statements(FULL, WORKER)
    assert "sns:Publish" not in iam.actions(unnamed)
