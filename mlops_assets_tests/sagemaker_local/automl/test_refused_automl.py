"""AutoML jobs that are wrong, or of a kind that this machine does not search, are refused."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from mlops_assets.objects import open_objects
from mlops_assets.sagemaker_local.automl.data_look import problem_type
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.automl.automl_api import request
from mlops_assets_tests.sagemaker_local.raw_requests import REMOVED, changed, post

TABULAR = "AutoMLProblemTypeConfig.TabularJobConfig"
INPUT = "AutoMLJobInputDataConfig"
TEXT = {"TextClassificationJobConfig": {"ContentColumn": "a", "TargetLabelColumn": "b"}}
FORESTS = {"AlgorithmsConfig": [{"AutoMLAlgorithms": ["randomforest"]}]}
TWICE = {"AlgorithmsConfig": [{"AutoMLAlgorithms": ["mlp", "mlp"]}]}
SOURCE = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/x"}}

REFUSED = [
    ("AutoMLJobName", "a" * 33, "length less than or equal to 32"),
    ("AutoMLProblemTypeConfig", {}, "exactly one member"),
    ("AutoMLProblemTypeConfig", TEXT, "does not support TextClassificationJobConfig"),
    ("AutoMLProblemTypeConfig.ImageClassificationJobConfig", {}, "exactly one member"),
    (f"{TABULAR}.TargetAttributeName", REMOVED, "targetAttributeName"),
    (f"{TABULAR}.ProblemType", "Regression", "both ProblemType and AutoMLJobObjective"),
    (f"{TABULAR}.ProblemType", "Ranking", "enum value set"),
    (f"{TABULAR}.Mode", "ENSEMBLING", "does not support Mode ENSEMBLING"),
    (f"{TABULAR}.CandidateGenerationConfig", FORESTS, "AutoMLAlgorithms randomforest"),
    (f"{TABULAR}.CandidateGenerationConfig", TWICE, "each once"),
    (f"{TABULAR}.FeatureSpecificationS3Uri", "s3://a/b", "FeatureSpecificationS3Uri"),
    (f"{TABULAR}.SampleWeightAttributeName", "w", "ENSEMBLING only"),
    (f"{TABULAR}.GenerateCandidateDefinitionsOnly", True, "GenerateCandidateDefinitionsOnly"),
    (f"{TABULAR}.CompletionCriteria.MaxCandidates", 751, "less than or equal to 750"),
    ("AutoMLJobObjective", {"MetricName": "AUC"}, "both ProblemType and AutoMLJobObjective"),
    ("DataSplitConfig", {"ValidationFraction": 0}, "greater than 0 and less than 1"),
    ("ModelDeployConfig", {"EndpointName": "e"}, "does not support ModelDeployConfig"),
    (f"{INPUT}.0.DataSource", REMOVED, "needs a DataSource"),
    (f"{INPUT}.0.ChannelType", "validation", "one training channel"),
    (f"{INPUT}.0.ContentType", "x-application/vnd.amazon+parquet", "use text/csv;header=present"),
    (f"{INPUT}.0.DataSource.S3DataSource.S3DataType", "ManifestFile", "ManifestFile"),
    (f"{INPUT}.0.DataSource.S3DataSource.S3Uri", "s3://data/../etc", "segment"),
    ("OutputDataConfig.S3OutputPath", "s3://out/../etc", "segment"),
    ("Tags", [{"Key": "a", "Value": "1"}] * 2, "more than once"),
]


@pytest.mark.integration
@pytest.mark.parametrize(("path", "value", "words"), REFUSED)
def test_a_wrong_automl_job_is_refused(api: LocalApi, path, value, words):
    """A job of another kind that is accepted and never searched costs more than an error."""
    asked = changed(request(api, "wrong"), path, value)
    status, reply = post(api, "SageMaker.CreateAutoMLJobV2", json.dumps(asked).encode())
    assert (status, words in reply["message"]) == (400, True), reply
    listed = api.sm.list_auto_ml_jobs(NameContains="wrong")
    assert listed["AutoMLJobSummaries"] == []


@pytest.mark.integration
def test_members_that_do_not_go_together_are_refused(api: LocalApi):
    """Each alone is right."""
    asked = request(api, "wrong", ProblemType="Regression")
    with pytest.raises(ClientError, match="F1 is not one of Regression: MSE"):
        api.sm.create_auto_ml_job_v2(**asked, AutoMLJobObjective={"MetricName": "F1"})
    asked = request(api, "wrong") | {"DataSplitConfig": {"ValidationFraction": 0.3}}
    asked[INPUT].append({"ChannelType": "validation", "DataSource": SOURCE})
    with pytest.raises(ClientError, match="there is a validation channel already"):
        api.sm.create_auto_ml_job_v2(**asked)
    for operation in ("describe_auto_ml_job_v2", "stop_auto_ml_job"):
        with pytest.raises(ClientError, match="Could not find AutoML job") as caught:
            getattr(api.sm, operation)(AutoMLJobName="nobody")
        assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (["yes", "no", "yes"], "BinaryClassification"),
        (["0", "1", "1"], "BinaryClassification"),
        (["a", "b", "c"], "MulticlassClassification"),
        (["1", "2", "3"], "MulticlassClassification"),
        ([str(number) for number in range(30)], "Regression"),
        (["0.5", "1.5", "2.5"], "Regression"),
    ],
)
def test_the_problem_is_read_from_the_targets_values(tmp_path, values, problem):
    """A regression over two classes, or a class for every price, would waste the whole search."""
    objects = open_objects(f"dir:{tmp_path}")
    text = "\n".join(["a,late", *(f"1,{value}" for value in values), "2,"])
    objects.write("s3://data/x/part.csv", text.encode())
    automl = {
        "AutoMLJobInputDataConfig": [{"DataSource": SOURCE}],
        "AutoMLProblemTypeConfig": {"TabularJobConfig": {"TargetAttributeName": "late"}},
    }
    assert problem_type(automl, objects) == problem
