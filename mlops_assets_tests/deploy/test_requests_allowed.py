"""What the platform asks of AWS passes the policies as it is asked, and nothing weaker does.

The requests come from the code that makes them; a model of IAM (`iam`) decides about them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.assets import online_features
from mlops_assets.resources.sagemaker.hosting import scaling
from mlops_assets.resources.sagemaker.rollout import alarms
from mlops_assets.serving import Autoscaling
from mlops_assets_tests.deploy import iam
from mlops_assets_tests.deploy.requests_made import (
    PACKAGE,
    PLACEMENT,
    arn,
    endpoint,
    group,
    model,
    processing,
    training,
    transform,
    tuning,
)
from mlops_assets_tests.deploy.template import CONTAINER as OF_CONTAINERS
from mlops_assets_tests.deploy.template import WORKER as OF_WORKERS
from mlops_assets_tests.deploy.template import full

FULL = full()
WORKER = iam.statements(FULL, OF_WORKERS)
APPROVER = [*WORKER, *iam.statements(FULL, ["ApproverPolicy"])]
CONTAINER = iam.statements(FULL, OF_CONTAINERS)
MAKING = {
    "sagemaker:CreateTrainingJob": (training, arn("training-job", "x")),
    "sagemaker:CreateProcessingJob": (processing, arn("processing-job", "x")),
    "sagemaker:CreateHyperParameterTuningJob": (tuning, arn("hyper-parameter-tuning-job", "x")),
    "sagemaker:CreateModel": (model, arn("model", "x")),
    "sagemaker:CreateEndpointConfig": (endpoint, arn("endpoint-config", "x")),
    "sagemaker:CreateTransformJob": (transform, arn("transform-job", "x")),
    "sagemaker:CreateFeatureGroup": (group, arn("feature-group", "x")),
}


@pytest.mark.parametrize("action", MAKING)
def test_requests_as_they_are_made_pass(action: str) -> None:
    """A denial that the platform's own requests run into, seen only in AWS."""
    make, resource = MAKING[action]
    assert iam.allowed(WORKER, action, resource, make(PLACEMENT))


@pytest.mark.parametrize(
    ("action", "weaker"),
    [
        ("sagemaker:CreateTrainingJob", {"subnets": (), "security_groups": ()}),
        ("sagemaker:CreateTrainingJob", {"subnets": ("subnet-1", "subnet-of-others")}),
        ("sagemaker:CreateTrainingJob", {"kms_key_arn": None}),
        ("sagemaker:CreateTrainingJob", {"network_isolation": False}),
        ("sagemaker:CreateProcessingJob", {"subnets": (), "security_groups": ()}),
        ("sagemaker:CreateProcessingJob", {"subnets": ("subnet-1", "subnet-of-others")}),
        ("sagemaker:CreateProcessingJob", {"kms_key_arn": None}),
        ("sagemaker:CreateProcessingJob", {"network_isolation": False}),
        ("sagemaker:CreateHyperParameterTuningJob", {"subnets": (), "security_groups": ()}),
        ("sagemaker:CreateHyperParameterTuningJob", {"kms_key_arn": None}),
        ("sagemaker:CreateHyperParameterTuningJob", {"network_isolation": False}),
        ("sagemaker:CreateModel", {"subnets": (), "security_groups": ()}),
        ("sagemaker:CreateModel", {"subnets": ("subnet-of-others",)}),
        ("sagemaker:CreateEndpointConfig", {"kms_key_arn": None}),
        ("sagemaker:CreateTransformJob", {"kms_key_arn": None}),
        ("sagemaker:CreateFeatureGroup", {"kms_key_arn": None}),
    ],
)
def test_weaker_requests_are_denied(action: str, weaker: dict[str, Any]) -> None:
    """A job, model or store outside the network, or with data that no key of ours encrypts."""
    make, resource = MAKING[action]
    assert not iam.allowed(WORKER, action, resource, make(replace(PLACEMENT, **weaker)))


@pytest.mark.parametrize("lost", sorted(training(PLACEMENT).keys() - {"sagemaker:InstanceTypes"}))
def test_every_protection_of_a_job_is_demanded(lost: str) -> None:
    """A protection that the builder forgets one day and nothing else asks for."""
    context = {key: value for key, value in training(PLACEMENT).items() if key != lost}
    assert not iam.allowed(WORKER, "sagemaker:CreateTrainingJob", arn("training-job", "x"), context)


@pytest.mark.parametrize("make", [training, processing, endpoint, transform])
@pytest.mark.parametrize(
    "instance",
    ["ml.g5.xlarge", "ml.g4dn.xlarge", "ml.p5en.48xlarge", "ml.m5d.large", "ml.c6gd.xlarge",
     "ml.r7gd.large", "ml.trn1.2xlarge", "ml.m5.large", "ml.c7i.large", "ml.p3.2xlarge"],
)  # fmt: skip
def test_only_volumes_that_encrypt_themselves_have_no_key(make: Any, instance: str) -> None:
    """Instances with storage of their own refuse a key; a policy that demands one bars them all."""
    keyless = PLACEMENT.volume_key(instance) is None
    context = make(PLACEMENT, instance)
    assert ("sagemaker:VolumeKmsKey" not in context) == keyless
    action, resource = next((a, r) for a, (m, r) in MAKING.items() if m is make)
    assert iam.allowed(WORKER, action, resource, context)
    context.pop("sagemaker:VolumeKmsKey", None)
    assert iam.allowed(WORKER, action, resource, context) == keyless


def test_a_model_with_online_features_runs_inside_the_network() -> None:
    """A container that may call the feature store, and with it everybody else."""
    connected = model(PLACEMENT, online={"group": "flights", "key": ["tail"], "columns": ["x"]})
    assert connected["sagemaker:NetworkIsolation"] == "false"
    resource = arn("model", "x")
    assert iam.allowed(WORKER, "sagemaker:CreateModel", resource, connected)
    del connected["sagemaker:VpcSubnets"]
    assert not iam.allowed(WORKER, "sagemaker:CreateModel", resource, connected)


def test_only_people_approve() -> None:
    """Whoever trains a model approves it, too: the second person is a habit, not a rule."""
    update = ("sagemaker:UpdateModelPackage", PACKAGE)
    approval = {"sagemaker:ModelApprovalStatus": "Approved"}
    assert not iam.allowed(WORKER, *update, approval)
    assert iam.allowed(APPROVER, *update, approval)
    assert iam.allowed(WORKER, *update)  # champion, previous
    assert iam.allowed(WORKER, *update, {"sagemaker:ModelApprovalStatus": "Rejected"})
    assert not iam.allowed(CONTAINER, *update)


@pytest.mark.parametrize(("stack", "passes"), [("declared", True), ("manual", False)])
def test_approval_by_declaration_can_be_forbidden(stack: str, passes: bool) -> None:
    """A pipeline whose declaration is changed to approve what it makes."""
    worker = iam.statements(FULL, ["PlatformPolicy"], Approval=stack)
    approved = {"sagemaker:ModelApprovalStatus": "Approved"}
    waiting = {"sagemaker:ModelApprovalStatus": "PendingManualApproval"}
    assert iam.allowed(worker, "sagemaker:CreateModelPackage", PACKAGE, approved) == passes
    assert iam.allowed(worker, "sagemaker:CreateModelPackage", PACKAGE, waiting)


def test_alarms_are_ours_and_seen_by_sagemaker() -> None:
    """A rollout without its alarms, or one that could take a stranger's alarm down."""
    ours = arn("alarm", alarms.alarm_name("flights-0123456789ab", "latency"), "cloudwatch")
    for action in ("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"):
        assert iam.allowed(WORKER, action, ours)
        assert not iam.allowed(WORKER, action, arn("alarm", "billing", "cloudwatch"))
    assert iam.allowed(CONTAINER, "cloudwatch:DescribeAlarms", ours)


def test_probes_are_counted_in_our_namespace_alone() -> None:
    """Metrics of other programs, written by whoever runs Dagster."""
    sent = alarms.wrong_answers_request("flights", "flights-1", "live", 1)["Namespace"]
    action = "cloudwatch:PutMetricData"
    assert iam.allowed(WORKER, action, "*", {"cloudwatch:namespace": sent})
    assert not iam.allowed(WORKER, action, "*", {"cloudwatch:namespace": "AWS/Billing"})


def test_autoscaling_is_of_variants_alone() -> None:
    """The right to scale endpoints used to scale the account's databases."""
    request = scaling.target_request(
        "flights", Autoscaling(at_least=1, at_most=2, requests_per_minute=60)
    )
    context = {
        "application-autoscaling:scalable-dimension": request["ScalableDimension"],
        "application-autoscaling:service-namespace": request["ServiceNamespace"],
    }
    target = arn("scalable-target", "1a2b", "application-autoscaling")
    action = "application-autoscaling:RegisterScalableTarget"
    assert iam.allowed(WORKER, action, target, context)
    others = {**context, "application-autoscaling:service-namespace": "rds"}
    assert not iam.allowed(WORKER, action, target, others)


def test_the_offline_copy_of_features_can_be_written() -> None:
    """A feature group that AWS refuses to make, because the role cannot write where it is to."""
    station = Path(online_features.__file__).read_text()
    (prefix,) = re.findall(r'offline_uri=store\.uri\("([^"]+)"\)', station)
    action = "s3:PutObjectAcl"
    assert iam.allowed(CONTAINER, action, f"arn:aws:s3:::lake/{prefix}/flights/part-0.parquet")
    assert not iam.allowed(CONTAINER, action, "arn:aws:s3:::lake/models/model.tar.gz")
    assert iam.allowed(CONTAINER, "s3:GetBucketAcl", "arn:aws:s3:::lake")


@pytest.mark.parametrize("store", ["Online", "Offline"])
def test_each_store_of_features_has_a_key(store: str) -> None:
    """Features that only a key of AWS encrypts, which no policy of ours can withhold."""
    context = group(PLACEMENT)
    del context[f"sagemaker:FeatureGroup{store}StoreKmsKey"]
    assert not iam.allowed(
        WORKER, "sagemaker:CreateFeatureGroup", arn("feature-group", "x"), context
    )
