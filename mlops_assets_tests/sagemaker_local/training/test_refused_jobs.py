"""Training jobs that are wrong, or that this machine cannot do, are refused and cost nothing."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from mlops_assets.sagemaker_local.store import read_ledger
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.raw_requests import REMOVED, changed, post

pytestmark = pytest.mark.integration

CHANNEL = "InputDataConfig.0"
SOURCE = f"{CHANNEL}.DataSource.S3DataSource"
ALGORITHM, RESOURCES = "AlgorithmSpecification", "ResourceConfig"
ARN = "arn:aws:sagemaker:us-east-1:000000000000"
EFS = {"FileSystemId": "fs-12345678", "FileSystemType": "EFS", "DirectoryPath": "/d"}
RULE = {"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}
REFUSED = [
    ("TrainingJobName", REMOVED, "trainingJobName"),
    ("TrainingJobName", "a" * 64, "length less than or equal to 63"),
    ("TrainingJobName", "under_score", "regular expression"),
    ("TrainingJobName", "-dash-first", "regular expression"),
    ("TrainingJobName", "../../etc", "regular expression"),
    ("TrainingJobName", "new\nline", "regular expression"),
    ("TrainingJobName", 7, "must be a string"),
    ("RoleArn", "not-an-arn", "roleArn"),
    ("Unknown", 1, "no member of CreateTrainingJobRequest"),
    ("Environment", {"A": "x" * 513}, "512"),
    ("HyperParameters", {"a": "x" * 2501}, "2500"),
    ("HyperParameters", {"a": 1}, "must be a string"),
    ("HyperParameters", {str(n): "" for n in range(101)}, "100"),
    ("OutputDataConfig", REMOVED, "outputDataConfig"),
    ("OutputDataConfig.S3OutputPath", "file:///tmp", "s3OutputPath"),
    ("OutputDataConfig.S3OutputPath", "s3://out/../../etc", "segment"),
    ("OutputDataConfig.S3OutputPath", "https://host/out", "S3OutputPath"),
    ("OutputDataConfig.CompressionType", "NONE", "does not support uncompressed output"),
    ("InputDataConfig", [], "length greater than or equal to 1"),
    (f"{SOURCE}.S3Uri", "s3://data/../secret", "segment"),
    (f"{SOURCE}.S3Uri", "/etc/passwd", "s3Uri|S3"),
    (f"{SOURCE}.S3DataType", "Nonsense", "enum value set"),
    (f"{SOURCE}.S3DataType", "AugmentedManifestFile", "only allowed in Pipe mode"),
    (f"{SOURCE}.S3DataType", "Converse", "does not support S3DataType Converse"),
    (f"{SOURCE}.S3DataDistributionType", "Half", "enum value set"),
    (f"{SOURCE}.AttributeNames", ["a"], "needs AugmentedManifestFile"),
    (f"{SOURCE}.InstanceGroupNames", ["none"], "instance groups that are not there"),
    (f"{SOURCE}.ModelAccessConfig", {"AcceptEula": True}, "does not support ModelAccessConfig"),
    (f"{CHANNEL}.InputMode", "Pipe", "does not support Pipe mode"),
    (f"{CHANNEL}.InputMode", "Slow", "enum value set"),
    (f"{CHANNEL}.CompressionType", "Gzip", "only allowed in Pipe mode"),
    (f"{CHANNEL}.RecordWrapperType", "RecordIO", "only allowed in Pipe mode"),
    (f"{CHANNEL}.ChannelName", "../../x", "regular expression"),
    (f"{CHANNEL}.ChannelName", "..", "no name of a folder"),
    (f"{CHANNEL}.DataSource", {}, "must have one source"),
    (
        f"{CHANNEL}.DataSource",
        {"FileSystemDataSource": EFS | {"FileSystemAccessMode": "ro"}},
        "does not support a source other than S3",
    ),
    (f"{RESOURCES}.InstanceType", "ml.enormous", "enum value set"),
    (f"{RESOURCES}.InstanceType", REMOVED, "InstanceType or InstanceGroups is required"),
    (f"{RESOURCES}.InstanceCount", 0, "InstanceCount 0"),
    (f"{RESOURCES}.InstanceCount", 9, "limit"),
    (f"{RESOURCES}.KeepAlivePeriodInSeconds", 21601, "21600"),
    (
        f"{RESOURCES}.InstanceGroups",
        [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "g"}],
        "either InstanceGroups or InstanceType",
    ),
    (f"{RESOURCES}.TrainingPlanArn", f"{ARN}:training-plan/plan", "does not support"),
    (RESOURCES, REMOVED, "ResourceConfig is required"),
    ("StoppingCondition.MaxRuntimeInSeconds", 0, "greater than or equal to 1"),
    ("StoppingCondition.MaxRuntimeInSeconds", 28 * 86400 + 1, "28 days"),
    ("StoppingCondition.MaxWaitTimeInSeconds", 7200, "EnableManagedSpotTraining"),
    ("StoppingCondition", REMOVED, "StoppingCondition is required"),
    ("EnableManagedSpotTraining", True, "MaxWaitTimeInSeconds"),
    ("RetryStrategy", {"MaximumRetryAttempts": 0}, "greater than or equal to 1"),
    ("RetryStrategy", {"MaximumRetryAttempts": 31}, "less than or equal to 30"),
    ("VpcConfig", {"Subnets": ["subnet-1"]}, "securityGroupIds"),
    (ALGORITHM, REMOVED, "AlgorithmSpecification is required"),
    (f"{ALGORITHM}.TrainingInputMode", "Pipe", "does not support Pipe mode"),
    (f"{ALGORITHM}.TrainingInputMode", REMOVED, "trainingInputMode"),
    (f"{ALGORITHM}.ContainerEntrypoint", REMOVED, "images.json"),
    (f"{ALGORITHM}.TrainingImage", REMOVED, "TrainingImage"),
    (f"{ALGORITHM}.AlgorithmName", "own", "not both"),
    (f"{ALGORITHM}.MetricDefinitions", [{"Name": "m", "Regex": "("}], "not valid"),
    (f"{ALGORITHM}.MetricDefinitions", [{"Name": "m", "Regex": "x" * 501}], "500"),
    (f"{ALGORITHM}.MetricDefinitions", [{"Name": "m", "Regex": "x"}] * 2, "more than once"),
    ("CheckpointConfig", {"S3Uri": "s3://c/../x"}, "CheckpointConfig"),
    ("CheckpointConfig", {"S3Uri": "s3://kept/x", "LocalPath": "/data"}, "below /opt/ml"),
    (
        "CheckpointConfig",
        {"S3Uri": "s3://c/x", "LocalPath": "/opt/ml/input/data"},
        "no|not a folder",
    ),
    ("DebugRuleConfigurations", [RULE], "does not support DebugRuleConfigurations"),
    ("ModelPackageConfig", {"ModelPackageGroupArn": f"{ARN}:model-package-group/g"}, "support"),
    ("Tags", [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "more than once"),
    ("Tags", [{"Key": "aws:own", "Value": "1"}], "reserved"),
    ("Tags", [{"Key": f"k{n}", "Value": ""} for n in range(51)], "50"),
    ("Tags", [{"Key": "mlops-fault:nonsense", "Value": "1"}], "there is no fault"),
    ("Tags", [{"Key": "mlops-fault:slow-start", "Value": "soon"}], "the amount is: seconds"),
    ("Tags", [{"Key": "mlops-fault:spot-interruption", "Value": "1"}], "EnableManagedSpot"),
]
SPOT = {"EnableManagedSpotTraining": True}
TOGETHER = [
    (
        SPOT | {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59}},
        "greater than or equal to MaxRuntimeInSeconds",
    ),
    (
        SPOT
        | {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}}
        | {
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
                "KeepAlivePeriodInSeconds": 60,
            }
        },
        "not allowed with EnableManagedSpotTraining",
    ),
]


@pytest.mark.parametrize(("path", "value", "words"), REFUSED)
def test_a_wrong_training_job_is_refused(api: LocalApi, path, value, words):
    """What works here but is refused by AWS is found in production, on the bill."""
    _refused(api, changed(api.request("correct"), path, value), words)


@pytest.mark.parametrize(("members", "words"), TOGETHER)
def test_members_that_do_not_go_together_are_refused(api: LocalApi, members, words):
    """The service's rules between members are in no description of its shapes."""
    _refused(api, api.request("correct") | members, words)


def test_two_channels_of_one_name_are_refused(api: LocalApi):
    """One would silently replace the other's files."""
    request = api.request("correct")
    request["InputDataConfig"] *= 2
    with pytest.raises(ClientError, match="more than once"):
        api.sm.create_training_job(**request)


def test_the_right_request_is_accepted(api: LocalApi):
    """The negative control: all of the above start from a request that works."""
    status, _ = post(
        api, "SageMaker.CreateTrainingJob", json.dumps(api.request("correct", "pass")).encode()
    )
    assert status == 200
    assert api.wait("correct")["TrainingJobStatus"] == "Completed"


def _refused(api: LocalApi, request: dict, words: str) -> None:
    before = read_ledger(api.home)
    status, body = post(api, "SageMaker.CreateTrainingJob", json.dumps(request).encode())
    assert status == 400, body
    assert any(word in body["message"] for word in words.split("|")), body
    codes = ("ValidationException", "SerializationException", "ResourceLimitExceeded")
    assert body["__type"] in codes
    assert read_ledger(api.home) == before
