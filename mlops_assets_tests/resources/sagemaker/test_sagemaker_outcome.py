"""How an ended job is shown, and which ends may be tried again."""

import dagster as dg
import pytest

from mlops_assets.resources.sagemaker.outcome import failure_of, job_metadata

JOB = {
    "TrainingJobName": "flight-delays-model-abc",
    "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/flight-delays-model",
    "TrainingJobStatus": "Completed",
    "SecondaryStatus": "Completed",
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
    "TrainingTimeInSeconds": 200,
    "BillableTimeInSeconds": 60,
    "EnableManagedSpotTraining": True,
    "ModelArtifacts": {"S3ModelArtifacts": "s3://lake/training/x/output/model.tar.gz"},
    "FinalMetricDataList": [{"MetricName": "auc", "Value": 0.74}],
}


def test_metadata_says_what_the_job_cost_and_reached() -> None:
    metadata = {k: v.value for k, v in job_metadata(JOB, adopted=True, region="eu-west-1").items()}
    assert metadata["instance"] == "2 × ml.m5.xlarge"
    assert metadata["billable_seconds"] == 60
    assert metadata["spot_savings"] == pytest.approx(0.7)
    assert metadata["metric_auc"] == 0.74
    assert metadata["adopted"] is True
    assert str(metadata["console_url"]).endswith("#/jobs/flight-delays-model-abc")


def test_this_machine_has_no_console_and_full_price_no_savings() -> None:
    plain = {k: v for k, v in JOB.items() if k != "EnableManagedSpotTraining"}
    assert (
        not {"console_url", "spot_savings"} & job_metadata(plain, adopted=False, region=None).keys()
    )


@pytest.mark.parametrize(
    ("change", "retried", "message"),
    [
        (
            {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: ValueError: no rows"},
            False,
            "AlgorithmError: ValueError: no rows",
        ),
        (
            {"TrainingJobStatus": "Failed", "FailureReason": "CapacityError: no ml.p5 left"},
            True,
            "CapacityError",
        ),
        ({"TrainingJobStatus": "Stopped", "SecondaryStatus": "Stopped"}, False, "was stopped"),
        ({}, False, "missing or empty"),
    ],
)
def test_only_what_aws_blames_on_itself_is_retried(
    change: dict, retried: bool, message: str
) -> None:
    """Guards against a RetryPolicy that pays for the same script error again and again."""
    failure = failure_of({**JOB, **change}, {}, ["line 1", "line 2"], has_model=False)
    assert failure is not None
    assert failure.allow_retries is retried
    assert message in (failure.description or "")
    assert "line 2" in str(failure.metadata["log_tail"].value)


def test_a_completed_job_with_its_model_is_no_failure() -> None:
    metadata: dict[str, dg.MetadataValue] = {}
    assert failure_of(JOB, metadata, [], has_model=True) is None
