"""Tuning jobs that are wrong are refused when they are asked for, as the service does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.raw_requests import REMOVED, changed, post
from mlops_assets_tests.sagemaker_local.tuning.tuning_api import WAITS, over, request

pytestmark = pytest.mark.integration

CONFIG = "HyperParameterTuningJobConfig"
RANGES = f"{CONFIG}.ParameterRanges"
LIMITS = f"{CONFIG}.ResourceLimits"
JOB = "TrainingJobDefinition"
CHOICES = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["0.1", "0.2", "0.3", "0.4"]}]}
BAND = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
NONE = {"ContinuousParameterRanges": []}
HINTS = {"AutoParameters": [{"Name": "x", "ValueHint": "0.3"}]}
RESERVED = {"IntegerParameterRanges": [{"Name": "_tuning_objective_metric"}]}
RESERVED["IntegerParameterRanges"][0] |= {"MinValue": "1", "MaxValue": "99"}
WIDER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
BOTH = WIDER | {"InstanceConfigs": [WIDER]}

REFUSED = [
    ("HyperParameterTuningJobName", "a" * 33, "length less than or equal to 32"),
    ("HyperParameterTuningJobName", "under_score", "regular expression"),
    (JOB, REMOVED, "Exactly one of TrainingJobDefinition"),
    ("TrainingJobDefinitions", [], "length greater than or equal to 1"),
    (f"{CONFIG}.Strategy", "Annealing", "enum value set"),
    (f"{CONFIG}.Strategy", "Grid", "Only categorical parameters are supported"),
    (f"{CONFIG}.Strategy", "Hyperband", "Hyperband needs MaxResource"),
    (f"{CONFIG}.StrategyConfig", BAND, "is for Hyperband only"),
    (f"{CONFIG}.HyperParameterTuningJobObjective", REMOVED, "Objective is required"),
    (f"{CONFIG}.HyperParameterTuningJobObjective.MetricName", "auc", "A metric is required"),
    (f"{CONFIG}.HyperParameterTuningJobObjective.Type", "Best", "enum value set"),
    (f"{CONFIG}.RandomSeed", -1, "greater than or equal to 0"),
    (f"{LIMITS}.MaxParallelTrainingJobs", REMOVED, "maxParallelTrainingJobs"),
    (f"{LIMITS}.MaxParallelTrainingJobs", 0, "greater than or equal to 1"),
    (f"{LIMITS}.MaxParallelTrainingJobs", 5, "must not be greater than MaxNumberOfTraining"),
    (f"{LIMITS}.MaxParallelTrainingJobs", 101, "account-level service limits"),
    (f"{LIMITS}.MaxNumberOfTrainingJobs", 751, "account-level service limits"),
    (f"{LIMITS}.MaxNumberOfTrainingJobs", REMOVED, "nothing would end the tuning job"),
    (f"{LIMITS}.MaxRuntimeInSeconds", 60, "greater than or equal to 120"),
    (RANGES, REMOVED, "At least one hyperparameter range"),
    (RANGES, NONE, "At least one hyperparameter range"),
    (RANGES, HINTS, "AutoParameters need Autotune"),
    (RANGES, RESERVED, "set by the tuning job itself"),
    (f"{RANGES}.ContinuousParameterRanges.0.MinValue", "2", "must not be greater than MaxValue"),
    (f"{RANGES}.ContinuousParameterRanges.0.MinValue", 0, "must be a string"),
    (f"{RANGES}.ContinuousParameterRanges.0.ScalingType", "Logarithmic", "greater than 0"),
    (f"{RANGES}.ContinuousParameterRanges.0.ScalingType", "ReverseLogarithmic", "0<=x<1.0"),
    (f"{RANGES}.ContinuousParameterRanges.0.ScalingType", "Square", "enum value set"),
    (f"{JOB}.StaticHyperParameters", {"x": "1"}, "both static and tuned"),
    (f"{JOB}.StaticHyperParameters", {str(n): "" for n in range(99)}, "more than 100"),
    (f"{JOB}.StaticHyperParameters", {"a": "x" * 2501}, "2500"),
    (f"{JOB}.AlgorithmSpecification.ContainerEntrypoint", ["python"], "no member of"),
    (f"{JOB}.AlgorithmSpecification.MetricDefinitions", REMOVED, "A metric is required"),
    (f"{JOB}.AlgorithmSpecification.TrainingImage", "any/unknown:1", "images.json"),
    (f"{JOB}.AlgorithmSpecification.TrainingInputMode", "Tape", "enum value set"),
    (f"{JOB}.ResourceConfig", REMOVED, "Exactly one of ResourceConfig"),
    (f"{JOB}.ResourceConfig.KeepAlivePeriodInSeconds", 60, "KeepAlivePeriodInSeconds is not"),
    (f"{JOB}.ResourceConfig.InstanceType", "ml.enormous", "enum value set"),
    (f"{JOB}.HyperParameterTuningResourceConfig", WIDER, "Exactly one of ResourceConfig"),
    (f"{JOB}.OutputDataConfig.S3OutputPath", "s3://out/../../etc", "segment"),
    (f"{JOB}.StoppingCondition", REMOVED, "stoppingCondition"),
    (f"{JOB}.EnableManagedSpotTraining", True, "MaxWaitTimeInSeconds"),
    ("Autotune", {"Mode": "Perhaps"}, "enum value set"),
    ("Tags", [{"Key": "a", "Value": "1"}] * 2, "more than once"),
    ("WarmStartConfig", {"WarmStartType": "TransferLearning"}, "parentHyperParameterTuningJobs"),
    ("Unknown", 1, "no member of CreateHyperParameterTuningJobRequest"),
]


@pytest.mark.parametrize(("path", "value", "words"), REFUSED)
def test_a_wrong_tuning_job_is_refused(api: LocalApi, path, value, words):
    """What is accepted here and refused by AWS is found in production."""
    refused(api, changed(right(api), path, value), words)


def right(api: LocalApi) -> dict:
    return request(api, "right")


def refused(api: LocalApi, asked: dict, words: str) -> None:
    body = json.dumps(asked).encode()
    status, reply = post(api, "SageMaker.CreateHyperParameterTuningJob", body)
    assert (status, words in reply["message"]) == (400, True), reply
    codes = ("ValidationException", "SerializationException", "ResourceLimitExceeded")
    assert reply["__type"] in codes
    listed = api.sm.list_hyper_parameter_tuning_jobs(NameContains="right")
    assert listed["HyperParameterTuningJobSummaries"] == []


def several() -> Iterator[tuple[dict, str]]:
    """Changes of two members at once, and what is wrong with them."""
    yield {"Strategy": "Grid", "ParameterRanges": CHOICES, "jobs": 3}, "leave it out"
    yield {"ParameterRanges": CHOICES, "jobs": 5}, "enough combinations of hyperparameter ranges"
    band = {"Strategy": "Hyperband", "StrategyConfig": BAND}
    yield band | {"TrainingJobEarlyStoppingType": "Auto"}, "must be Off with the Hyperband"
    low = {"HyperbandStrategyConfig": {"MinResource": 5, "MaxResource": 4}}
    yield {"Strategy": "Hyperband", "StrategyConfig": low}, "MinResource <= MaxResource"
    high = {"HyperbandStrategyConfig": {"MaxResource": 20_001}}
    yield {"Strategy": "Hyperband", "StrategyConfig": high}, "20000"


@pytest.mark.parametrize(("changes", "words"), list(several()))
def test_members_that_do_not_go_together_are_refused(api: LocalApi, changes, words):
    """Each alone is right."""
    refused(api, request(api, "right", **changes), words)


def test_several_definitions_need_names_objectives_and_ranges(api: LocalApi):
    """Without them it is not known which of them a training job belongs to."""
    asked = right(api)
    own = asked.pop(JOB)
    asked["TrainingJobDefinitions"] = [own, own]
    refused(api, asked, "needs a DefinitionName of its own")
    asked["TrainingJobDefinitions"] = [own | {"DefinitionName": name} for name in "ab"]
    refused(api, asked, "needs a TuningObjective")
    wanted = asked[CONFIG]["HyperParameterTuningJobObjective"]
    ranges = {"TuningObjective": wanted, "HyperParameterRanges": asked[CONFIG]["ParameterRanges"]}
    whole = [one | ranges for one in asked["TrainingJobDefinitions"]]
    asked["TrainingJobDefinitions"] = whole
    refused(api, asked, "is not allowed with TrainingJobDefinitions")
    other = whole[1] | {"TuningObjective": wanted | {"Type": "Maximize"}}
    asked["TrainingJobDefinitions"] = [whole[0], other]
    for member in ("ParameterRanges", "HyperParameterTuningJobObjective"):
        del asked[CONFIG][member]
    refused(api, asked, "must have the same TuningObjective Type")
    narrow = own | {"HyperParameterTuningResourceConfig": BOTH}
    del narrow["ResourceConfig"]
    refused(api, right(api) | {JOB: narrow}, "InstanceConfigs is given")


def test_a_name_is_used_once_whatever_its_letters(api: LocalApi):
    """The name is the prefix of its training jobs' names, and is not case sensitive."""
    api.sm.create_hyper_parameter_tuning_job(**request(api, "taken", WAITS, jobs=1, parallel=1))
    with pytest.raises(ClientError, match="already exists") as caught:
        api.sm.create_hyper_parameter_tuning_job(**request(api, "TAKEN"))
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    api.sm.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="taken")
    over(api, "taken")


@pytest.mark.parametrize("verb", ["describe", "stop", "delete"])
def test_a_tuning_job_that_is_not_there_is_said_as_the_service_says_it(api: LocalApi, verb):
    """Clients tell "missing" from "wrong" by the code."""
    call = getattr(api.sm, f"{verb}_hyper_parameter_tuning_job")
    with pytest.raises(ClientError, match="can't find a tuning job") as caught:
        call(HyperParameterTuningJobName="nobody")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"
