"""AWS's XGBoost as an algorithm, by the request that AWS takes: an image, two channels, numbers."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.training.job_parts import channel, members

pytestmark = pytest.mark.integration

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
ROWS = "".join(f"{n % 2},{n % 2 + n / 100},{'' if n % 7 else n}\n" for n in range(60))


def request(api: LocalApi, name: str, **hyperparameters: str) -> dict:
    for part in ("train", "validation"):
        api.objects.write(f"s3://data/algorithm/{part}/rows.csv", ROWS.encode())
    asked = api.request(name, EnableNetworkIsolation=True)
    asked["AlgorithmSpecification"] = {"TrainingImage": IMAGE, "TrainingInputMode": "File"}
    asked["InputDataConfig"] = [
        channel(part, f"s3://data/algorithm/{part}") | {"ContentType": "text/csv"}
        for part in ("train", "validation")
    ]
    told = {"num_round": "4", "objective": "binary:logistic", "eval_metric": "logloss,auc"}
    asked["HyperParameters"] = told | hyperparameters
    return asked


def test_an_algorithm_job_leaves_a_booster_and_the_metrics_that_aws_knows(api: LocalApi):
    """Who asks for no metric definitions gets the algorithm's own, as in AWS."""
    api.sm.create_training_job(**request(api, "algorithm"))
    job = api.wait("algorithm")
    assert job["TrainingJobStatus"] == "Completed", api.lines("algorithm")
    found = {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}
    assert found.keys() == {"train:logloss", "train:auc", "validation:logloss", "validation:auc"}
    assert found["validation:auc"] > 0.9
    assert list(members(api, job["ModelArtifacts"]["S3ModelArtifacts"])) == ["xgboost-model"]


def test_what_it_refuses_is_the_failure_reason(api: LocalApi):
    api.sm.create_training_job(**request(api, "algorithm-refuses", learning_rate="0.1"))
    job = api.wait("algorithm-refuses")
    assert job["TrainingJobStatus"] == "Failed"
    assert "Extraneous hyperparameter found: learning_rate" in job["FailureReason"]


def test_metrics_of_ones_own_are_refused_at_once(api: LocalApi):
    """AWS refuses them; here they would be read, and the job be missed there."""
    asked = request(api, "algorithm-metrics")
    asked["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "mine", "Regex": "auc:([0-9.]+)"}
    ]
    with pytest.raises(ClientError, match="can't override the metric definitions"):
        api.sm.create_training_job(**asked)
    # With a script the same image is a framework, and its metrics are the script's.
    asked["HyperParameters"]["sagemaker_program"] = "train.py"
    api.sm.create_training_job(**asked)
    assert api.wait("algorithm-metrics")["TrainingJobStatus"] == "Failed"  # there is no script
