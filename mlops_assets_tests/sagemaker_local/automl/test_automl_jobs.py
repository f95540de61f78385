"""AutoML jobs: real candidates, an honest leaderboard, and a best one that can be served."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import ROLE, LocalApi, eventually
from mlops_assets_tests.sagemaker_local.automl.automl_api import (
    candidates,
    describe,
    over,
    request,
    value,
)
from mlops_assets_tests.sagemaker_local.test_reply_shapes import raw

pytestmark = pytest.mark.integration


def test_candidates_are_trained_compared_and_the_best_is_served(api: LocalApi):
    """From a table to an endpoint, without a word about algorithms."""
    asked = request(api, "late") | {"Tags": [{"Key": "team", "Value": "flights"}]}
    asked["AutoMLJobInputDataConfig"][0]["ContentType"] = "text/csv;header=present"
    created = api.sm.create_auto_ml_job_v2(**asked)
    assert describe(api, "late")["AutoMLJobStatus"] == "InProgress"
    found = over(api, "late")
    assert found["AutoMLJobStatus"] == "Completed", found
    assert found["AutoMLJobArn"] == created["AutoMLJobArn"]
    known = found["ResolvedAttributes"]["AutoMLProblemTypeResolvedAttributes"]
    assert known == {"TabularResolvedAttributes": {"ProblemType": "BinaryClassification"}}
    shown = candidates(api, "late", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    assert len(shown) == 2
    assert [value(one) for one in shown] == sorted(map(value, shown), reverse=True)
    assert {one["CandidateStatus"] for one in shown} == {"Completed"}
    best = found["BestCandidate"]
    assert best == shown[0]
    wanted = best["FinalAutoMLJobObjectiveMetric"]
    assert (wanted["MetricName"], wanted["Type"]) == ("F1", "Maximize")
    assert 0.7 < wanted["Value"] < 1, "of the labels one in ten is wrong"
    held = {
        datum["StandardMetricName"]: datum["Value"]
        for datum in best["CandidateProperties"]["CandidateMetrics"]
        if datum["Set"] == "Validation"
    }
    assert held["F1"] == wanted["Value"]
    algorithms = set()
    for one in shown:
        (step,) = one["CandidateSteps"]
        job = api.describe(step["CandidateStepName"])
        final = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
        assert value(one) == final["validation:F1"]
        algorithms.add(job["HyperParameters"]["algorithm"])
    assert algorithms == {'"xgboost"', '"linear-learner"'}

    container = best["InferenceContainers"][0]
    api.sm.create_model(ModelName="late", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variants = [api.variant("late")]
    api.sm.create_endpoint_config(EndpointConfigName="late", ProductionVariants=variants)
    assert api.deploy("late", "late")["EndpointStatus"] == "InService"
    late, in_time = (
        float(api.invoke("late", row, Accept="text/csv")) for row in (b"2900,AA", b"200,AA")
    )
    assert late > 0.5 > in_time

    raw(api, "sagemaker", "DescribeAutoMLJobV2", AutoMLJobName="late")
    raw(api, "sagemaker", "ListCandidatesForAutoMLJob", AutoMLJobName="late")
    listed = raw(api, "sagemaker", "ListAutoMLJobs", StatusEquals="Completed")
    assert [one["AutoMLJobName"] for one in listed["AutoMLJobSummaries"]] == ["late"]
    tuning = api.describe(best["CandidateName"])["TuningJobArn"].rpartition("/")[2]
    with pytest.raises(ClientError, match="belongs to arn:aws:sagemaker"):
        api.sm.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)
    arn = found["AutoMLJobArn"]
    assert api.sm.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "flights"}]


def test_candidates_that_all_fail_fail_the_job_and_say_why(api: LocalApi):
    """The data fit no problem of this kind: that is what the user must read."""
    asked = request(api, "failing", ProblemType="Regression")
    text = api.objects.read("s3://data/failing/part.csv").replace(b",1\n", b",yes\n")
    api.objects.write("s3://data/failing/part.csv", text)
    asked["AutoMLJobObjective"] = {"MetricName": "RMSE"}
    chosen = [{"AutoMLAlgorithms": ["linear-learner"]}]
    tabular = asked["AutoMLProblemTypeConfig"]["TabularJobConfig"]
    tabular |= {"CandidateGenerationConfig": {"AlgorithmsConfig": chosen}}
    tabular["CompletionCriteria"]["MaxCandidates"] = 1
    api.sm.create_auto_ml_job_v2(**asked)
    found = over(api, "failing")
    assert found["AutoMLJobStatus"] == "Failed"
    assert "No training job succeeded after 1 attempts" in found["FailureReason"]
    (reason,) = found["PartialFailureReasons"]
    assert "'late' holds what is no number" in reason["PartialFailureMessage"]
    assert "BestCandidate" not in found
    (failed,) = candidates(api, "failing", StatusEquals="Failed")
    assert "InferenceContainers" not in failed


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,b\n1,2\n", "has no column 'late': its header is a, b"),
        (b"a,late\n1,2\n3,2\n", "has 1 different values"),
        (b"\xff\xfe\x00late", "is no CSV file"),
    ],
)
def test_data_that_cannot_be_searched_fail_the_job_before_anything_is_trained(api, data, words):
    """Each candidate would fail of it, one after the other."""
    name = f"unfit-{len(data)}"
    api.sm.create_auto_ml_job_v2(**request(api, name, data))
    found = over(api, name)
    assert (found["AutoMLJobStatus"], candidates(api, name)) == ("Failed", [])
    assert words in found["FailureReason"]


def test_stop_stops_the_candidates(api: LocalApi):
    """A stopped job whose candidates run on is paid for until somebody notices."""
    api.sm.create_auto_ml_job_v2(**request(api, "stopped"))
    eventually(lambda: candidates(api, "stopped"))
    api.sm.stop_auto_ml_job(AutoMLJobName="stopped")
    found = over(api, "stopped")
    assert (found["AutoMLJobStatus"], found["AutoMLJobSecondaryStatus"]) == ("Stopped", "Stopped")
    for one in candidates(api, "stopped"):
        assert one["CandidateStatus"] in ("Stopped", "Completed")
    with pytest.raises(ClientError, match="is in status Stopped"):
        api.sm.stop_auto_ml_job(AutoMLJobName="stopped")
