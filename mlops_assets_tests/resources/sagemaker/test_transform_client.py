"""Batch transforms from Dagster's side: asked for once, adopted, and failed with a reason."""

import dataclasses
import threading

import dagster as dg
import pytest

from mlops_assets.resources.sagemaker.jobs.attempts import Wanted
from mlops_assets.resources.sagemaker.jobs.driver import Driver
from mlops_assets.resources.sagemaker.jobs.kinds import TRANSFORM
from mlops_assets.resources.sagemaker.jobs.patience import Patience
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.transform import PipesSageMakerTransformClient
from mlops_assets.resources.sagemaker.transform_request import TransformSpec, transform_request
from mlops_assets_tests.resources.sagemaker.botocore_shapes import accepted
from mlops_assets_tests.resources.sagemaker.conftest import BUCKET, Ended, Lab
from mlops_assets_tests.resources.sagemaker.record_models import RecordModels


@pytest.fixture(scope="module")
def model_name(lab: Lab) -> RecordModels:
    return RecordModels(lab)


def spec(name: str, model_name: str = "m", **fields) -> TransformSpec:
    right = {"input_uri": f"s3://lake/in/{name}", "output_uri": f"s3://lake/predictions/{name}"}
    return TransformSpec(**{"name": name, "model_name": model_name} | right | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"by_line": False, "content_type": "application/json", "accept": "application/json"},
        {"content_type": "application/json", "accept": "application/json"},
        {"content_type": "application/jsonlines", "accept": "application/jsonlines"},
        {"input_filter": "$[1:]", "output_filter": "$[0,-1]", "join_input": True},
        {"max_payload_mb": 10, "max_concurrent": 10, "environment": {"A": "b"}},
        {"placement": Placement(kms_key_arn="arn:aws:kms:us-east-1:000000000000:key/k")},
    ],
)
def test_requests_are_what_the_service_takes(fields):
    """A request that only the local API took would fail on the first night in AWS."""
    request = accepted("CreateTransformJob", transform_request(spec("shape", **fields)))
    single = fields.get("content_type") == "application/json" and "by_line" not in fields
    if "by_line" in fields:
        assert "BatchStrategy" not in request
    else:
        assert request["BatchStrategy"] == ("SingleRecord" if single else "MultiRecord")


def test_the_name_follows_from_what_is_asked():
    """Two runs of a partition must find each other; another model must not be mistaken for it."""
    one = transform_request(spec("daily"))
    tagged = transform_request(spec("daily", tags={"run": "2"}))
    assert one["TransformJobName"] == tagged["TransformJobName"]
    other = transform_request(spec("daily", model_name="other"))
    assert one["TransformJobName"] != other["TransformJobName"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_payload_mb": 50, "max_concurrent": 3}, "more than 100"),
        ({"input_filter": "$" + ".x" * 40}, "input_filter is longer"),
        ({"environment": {str(n): "" for n in range(17)}}, "more than 16"),
    ],
)
def test_limits_that_no_client_checks_are_checked(fields, words):
    with pytest.raises(ValueError, match=words):
        spec("limits", **fields)


def jobs(lab: Lab, name: str) -> list[str]:
    client = lab.sagemaker.client()
    found = client.list_transform_jobs(NameContains=name, SortBy="Name", SortOrder="Ascending")
    return [job["TransformJobStatus"] for job in found["TransformJobSummaries"]]


def transform(lab: Lab, job: TransformSpec) -> Ended:
    """Materialize an asset that is this job."""
    client = PipesSageMakerTransformClient(lab.sagemaker, lab.objects, BUCKET, poll_interval=0.1)

    @dg.asset
    def model(context: dg.AssetExecutionContext):
        return client.run_spec(context=context, spec=job).get_materialize_result()

    with dg.DagsterInstance.ephemeral() as instance:
        return Ended(dg.materialize([model], instance=instance, raise_on_error=False))


@pytest.mark.integration
def test_a_transform_runs_once_and_is_adopted(lab: Lab, model_name):
    """A retry that scores a month of records again pays twice for the same predictions."""
    lab.objects().write("s3://lake/in/once/rows.csv", b"a,1\nb,2\n")
    job = spec("once", model_name("once"), input_filter="$[1:]", join_input=True)
    first = transform(lab, job)
    assert lab.objects().read("s3://lake/predictions/once/rows.csv.out") == b"a,1,10\nb,2,20\n"
    second = transform(lab, job)
    assert (first.metadata["adopted"], second.metadata["adopted"]) == (False, True)
    assert first.metadata["job_arn"] == second.metadata["job_arn"]
    seconds = first.metadata["transform_seconds"]
    assert first.metadata["cost_usd"] == pytest.approx(seconds * 0.115 / 3600, abs=1e-6)
    assert jobs(lab, "once") == ["Completed"]


@pytest.mark.integration
def test_two_runs_at_a_time_share_one_job(lab: Lab, model_name):
    lab.objects().write("s3://lake/in/race/rows.csv", b"1\n")
    job, results = spec("race", model_name("race", "lag=0.5")), []
    threads = [
        threading.Thread(target=lambda: results.append(transform(lab, job))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.metadata["adopted"] for result in results) == [False, True, True]
    assert jobs(lab, "race") == ["Completed"]


@pytest.mark.integration
def test_a_failure_says_why_and_the_next_run_tries_again(lab: Lab, model_name):
    """A wrong record is wrong each time: an automatic retry would only pay for it again."""
    lab.objects().write("s3://lake/in/broken/rows.csv", b"1\nbad\n")
    job = spec("broken", model_name("broken"))
    failed = transform(lab, job).failure
    said = str(failed.error) + str(failed.error.cause or "")
    assert "s3://lake/in/broken/rows.csv" in said
    assert "400: no number" in said
    assert not transform(lab, job).success
    assert jobs(lab, "broken") == ["Failed", "Failed"]


@pytest.mark.integration
def test_an_alternate_answers_where_the_first_instances_are_not_to_be_had(lab: Lab, model_name):
    lab.objects().write("s3://lake/in/full/rows.csv", b"1\n")
    job = spec(
        "full",
        model_name("full"),
        alternates=("ml.c5.xlarge",),
        tags={"mlops-fault:resource-limit-exceeded": "99 instance=ml.m5"},
    )
    client = PipesSageMakerTransformClient(
        lab.sagemaker, lab.objects, BUCKET, poll_interval=0.1, patience=Patience(0.2, 0.1)
    )

    @dg.asset
    def model(context: dg.AssetExecutionContext):
        return client.run_spec(context=context, spec=job).get_materialize_result()

    with dg.DagsterInstance.ephemeral() as instance:
        ended = Ended(dg.materialize([model], instance=instance))
    assert ended.metadata["instance"] == "1 × ml.c5.xlarge"


@pytest.mark.integration
def test_an_interrupted_run_stops_its_job(lab: Lab, model_name):
    """A job that goes on after its run was cancelled is paid for and wanted by nobody."""
    lab.objects().write("s3://lake/in/cut/rows.csv", b"1\n" * 50)
    request = transform_request(spec("cut", model_name("cut", "lag=30")))
    driver = Driver(lab.sagemaker.client, TRANSFORM, 0.1)
    assert not driver.start(Wanted(request, "hash"))
    assert "Stopped" in driver.terminate(request["TransformJobName"])
    assert jobs(lab, "cut") == ["Stopped"]
    assert not list(lab.objects().list("s3://lake/predictions/cut"))


@pytest.mark.integration
def test_anothers_job_of_the_name_is_not_adopted(lab: Lab, model_name):
    """Predictions of another model under this name would pass for this one's."""
    lab.objects().write("s3://lake/in/taken/rows.csv", b"1\n")
    job = spec("taken", model_name("taken"))
    elsewhere = dataclasses.replace(job, output_uri="s3://lake/elsewhere")
    request = transform_request(elsewhere)
    name = transform_request(job)["TransformJobName"]
    lab.sagemaker.client().create_transform_job(**request | {"TransformJobName": name})
    failed = transform(lab, job).failure
    assert "TransformOutput" in str(failed.error) + str(failed.error.cause or "")
