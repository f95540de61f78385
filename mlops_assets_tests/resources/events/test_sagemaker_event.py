"""What is read of SageMaker's events: all that the documentation shows, and nothing of anything
else."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.resources.events.sagemaker_event import NotAnEvent, parse

ENDPOINT = {
    "version": "0",
    "id": "d2921b5a-b0ea-cace-a8e3-0f159d018e06",
    "detail-type": "SageMaker Endpoint State Change",
    "source": "aws.sagemaker",
    "account": "123456789012",
    "time": "1583831889050",
    "region": "us-west-2",
    "resources": ["arn:aws:sagemaker:us-west-2:123456789012:endpoint/myendpoint"],
    "detail": {
        "EndpointName": "MyEndpoint",
        "EndpointArn": "arn:aws:sagemaker:us-west-2:123456789012:endpoint/myendpoint",
        "EndpointConfigName": "MyEndpointConfig",
        "EndpointStatus": "IN_SERVICE",
        "LastModifiedTime": 1592411994287.0,
        "Tags": {},
    },
}


def event(kind: str, **detail: object) -> str:
    return json.dumps({**ENDPOINT, "detail-type": f"SageMaker {kind} State Change",
                       "detail": detail})  # fmt: skip


@pytest.mark.parametrize(
    ("body", "subject", "name", "status"),
    [
        (json.dumps(ENDPOINT), "endpoint", "MyEndpoint", "IN_SERVICE"),
        (event("Training Job", TrainingJobName="t", TrainingJobStatus="Failed"),
         "job", "t", "Failed"),
        (event("Processing Job", ProcessingJobName="p", ProcessingJobStatus="Stopped"),
         "job", "p", "Stopped"),
        (event("Transform Job", TransformJobName="x", TransformJobStatus="Failed"),
         "job", "x", "Failed"),
        (event("HyperParameter Tuning Job", HyperParameterTuningJobName="h",
               HyperParameterTuningJobStatus="Failed"), "job", "h", "Failed"),
        (event("Endpoint Deployment", EndpointName="e", EndpointStatus="UPDATING"),
         "endpoint", "e", "UPDATING"),
        (event("Model Package", ModelPackageGroupName="g", ModelApprovalStatus="Approved"),
         "package", "g", "Approved"),
        (event("Pipeline Execution"), "other", "", ""),
        (json.dumps({**ENDPOINT, "source": "aws.ecs"}), "other", "", ""),
    ],
)  # fmt: skip
def test_each_documented_kind_is_read(body, subject, name, status):
    found = parse(body)
    assert (found.subject, found.name, found.status) == (subject, name, status)


@pytest.mark.parametrize(
    "tags", [{"mlops:pipeline": "x"}, [{"Key": "mlops:pipeline", "Value": "x"}]]
)
def test_tags_come_as_a_map_or_as_a_list(tags):
    """The documentation's examples have an empty map; the API has a list."""
    body = event("Training Job", TrainingJobName="t", Tags=tags)
    assert parse(body).tags == {"mlops:pipeline": "x"}


@given(st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), lambda inner:
       st.lists(inner) | st.dictionaries(st.sampled_from(["id", "detail-type", "detail", "source",
       "Tags", "x"]), inner)).map(json.dumps)))  # fmt: skip
def test_anything_else_is_refused_by_name_and_never_crashes(body):
    """A poison message that raised anything else would be taken for a bug of ours."""
    with suppress(NotAnEvent):
        assert parse(body).subject == "other"


def test_what_was_refused_is_not_quoted():
    """Anybody may have written it, and the log is read by many."""
    with pytest.raises(NotAnEvent) as refused:
        parse('{"id": "canary"}')
    assert "canary" not in str(refused.value)
