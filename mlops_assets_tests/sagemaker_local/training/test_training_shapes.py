"""Every reply about training jobs is one that botocore's description allows, at every stage."""

from __future__ import annotations

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.raw_requests import raw
from mlops_assets_tests.sagemaker_local.training.job_parts import WAIT, fault_tags

pytestmark = pytest.mark.integration

EVERYTHING = {
    "HyperParameters": {"depth": "6"},
    "Environment": {"A": "1"},
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
    "CheckpointConfig": {"S3Uri": "s3://data/shapes", "LocalPath": "/opt/ml/kept"},
    "RetryStrategy": {"MaximumRetryAttempts": 2},
    "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "EnableNetworkIsolation": True,
    "EnableInterContainerTrafficEncryption": True,
    "ExperimentConfig": {"ExperimentName": "e", "TrialName": "t"},
    "DebugHookConfig": {"S3OutputPath": "s3://data/hook"},
    "ProfilerConfig": {"DisableProfiler": True},
    "ResourceConfig": {
        "VolumeSizeInGB": 1,
        "VolumeKmsKeyId": "key",
        "InstanceGroups": [
            {"InstanceGroupName": "g", "InstanceType": "ml.m5.large", "InstanceCount": 2}
        ],
    },
}


def test_a_job_with_every_member_at_every_stage(api: LocalApi):
    """A member that SageMaker never sends breaks the first client that trusts the description."""
    script = WAIT.replace("time.sleep(600)", "print('loss=1.5'); time.sleep(600)")
    tags = fault_tags(spot_interruption="0.6 wait=0.6", slow_start="0.3")
    request = api.request("shapes", script, Tags=tags, **EVERYTHING)
    definitions = [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]
    request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    raw(api, "sagemaker", "CreateTrainingJob", **request)
    seen: dict[str, str] = {}

    def until(status: str, times: int = 1) -> bool:
        found = raw(api, "sagemaker", "DescribeTrainingJob", TrainingJobName="shapes")
        seen[found["SecondaryStatus"]] = found["TrainingJobStatus"]
        steps = [step["Status"] for step in found["SecondaryStatusTransitions"]]
        return steps.count(status) >= times

    eventually(lambda: until("Interrupted"))
    eventually(lambda: until("Training", 2))
    raw(api, "sagemaker", "ListTrainingJobs", NameContains="shapes")
    raw(api, "sagemaker", "StopTrainingJob", TrainingJobName="shapes")
    eventually(lambda: until("Stopped"))
    assert seen["Starting"] == seen["Training"] == "InProgress"
    assert seen["Stopped"] == "Stopped"
    found = raw(api, "sagemaker", "DescribeTrainingJob", TrainingJobName="shapes")
    for member, value in EVERYTHING.items():
        assert found[member] == value, member
    assert found["FinalMetricDataList"][0]["Value"] == 1.5
    raw(api, "sagemaker", "ListTags", ResourceArn=found["TrainingJobArn"])


def test_the_logs_of_a_job(api: LocalApi):
    """The same for CloudWatch Logs, which a log tailer reads."""
    api.train("shape-logs", "print('said')")
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    found = raw(api, "logs", "DescribeLogStreams", logStreamNamePrefix="shape-logs", **group)
    (stream,) = found["logStreams"]
    raw(api, "logs", "GetLogEvents", logStreamName=stream["logStreamName"], **group)
    raw(api, "logs", "FilterLogEvents", logStreamNamePrefix="shape-logs", **group)
    raw(api, "logs", "DescribeLogGroups")
