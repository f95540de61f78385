"""What is asked of SageMaker for a processing job, and what is refused before it is asked."""

from dataclasses import replace
from pathlib import Path

import pytest
from dagster_pipes import encode_param

from mlops_assets.objects import open_objects
from mlops_assets.resources.sagemaker.pipes import PROCESSING_CONTEXT_PATH
from mlops_assets.resources.sagemaker.processing_request import ProcessingSpec, processing_request
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.source import upload_files
from mlops_assets_tests.resources.sagemaker.botocore_shapes import accepted

CODE = "s3://lake/code/0/files"
AWS = Placement(
    subnets=("subnet-1",),
    security_groups=("sg-1",),
    kms_key_arn="arn:aws:kms:us-east-1:000000000000:key/k",
    tags={"team": "a"},
)
SPEC = ProcessingSpec(
    name="flight_delays report",
    source=Path(),
    program="report.py",
    inputs={"rows": "s3://lake/rows", "zones": "s3://lake/zones"},
    outputs={"report": "s3://lake/report", "live": "s3://lake/live"},
    arguments=("--month", "2013-04"),
    continuous=frozenset({"live"}),
    sharded=frozenset({"rows"}),
    instance_count=2,
    environment={"A": "b"},
)


@pytest.mark.parametrize("placement", [Placement(), AWS], ids=["local", "aws"])
def test_requests_are_what_the_service_takes(placement: Placement) -> None:
    """A request that only the local API took would fail on the first night in AWS."""
    request = accepted("CreateProcessingJob", processing_request(SPEC, placement, code_uri=CODE))
    assert request["AppSpecification"]["ContainerEntrypoint"] == [
        "python3",
        "/opt/ml/processing/input/code/report.py",
    ]
    distributed = {
        each["InputName"]: each["S3Input"]["S3DataDistributionType"]
        for each in request["ProcessingInputs"]
    }
    assert distributed == {
        "code": "FullyReplicated",
        "rows": "ShardedByS3Key",
        "zones": "FullyReplicated",
    }
    modes = {
        each["OutputName"]: each["S3Output"]["S3UploadMode"]
        for each in request["ProcessingOutputConfig"]["Outputs"]
    }
    assert modes == {"live": "Continuous", "report": "EndOfJob"}


def test_every_protection_is_asked_for() -> None:
    """Data on volumes and in outputs under our key, in our network, without a way out of it."""
    request = processing_request(SPEC, AWS, code_uri=CODE)
    network = request["NetworkConfig"]
    assert network["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert network["EnableNetworkIsolation"] is True
    assert network["EnableInterContainerTrafficEncryption"] is True
    assert request["ProcessingOutputConfig"]["KmsKeyId"] == AWS.kms_key_arn
    assert request["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == AWS.kms_key_arn
    nvme = processing_request(replace(SPEC, instance_type="ml.g5.xlarge"), AWS, code_uri=CODE)
    assert "VolumeKmsKeyId" not in nvme["ProcessingResources"]["ClusterConfig"]


def test_the_name_follows_from_what_is_asked() -> None:
    """Two runs of a partition must find each other; other arguments must not be mistaken."""
    name = processing_request(SPEC, AWS, code_uri=CODE)["ProcessingJobName"]
    assert name.startswith("flight-delays-report-")
    tagged = replace(SPEC, tags={"run": "2"})
    assert processing_request(tagged, AWS, code_uri=CODE)["ProcessingJobName"] == name
    other = replace(SPEC, arguments=("--month", "2013-05"))
    assert processing_request(other, AWS, code_uri=CODE)["ProcessingJobName"] != name


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"inputs": {"code": "s3://lake/x"}}, "reserved"),
        ({"inputs": {"dagster": "s3://lake/x"}}, "reserved"),
        ({"inputs": {"../up": "s3://lake/x"}}, "use letters"),
        ({"outputs": {"a/b": "s3://lake/x"}, "continuous": frozenset()}, "use letters"),
        ({"inputs": {f"i{n}": "s3://lake/x" for n in range(9)}}, "9 inputs"),
        ({"outputs": {f"o{n}": "s3://lake/x" for n in range(11)}}, "11 outputs"),
        ({"continuous": frozenset({"rows"})}, r"continuous names \['rows'\]"),
        ({"sharded": frozenset({"report"})}, r"sharded names \['report'\]"),
        ({"environment": {"LONG": "x" * 257}}, "SageMaker takes 256"),
        ({"arguments": ("x" * 257,)}, "257 characters"),
        ({"arguments": ("",)}, "0 characters"),
    ],
)
def test_limits_that_no_client_checks_are_checked(fields: dict, words: str) -> None:
    """The service would say it, after the upload and in its own words."""
    with pytest.raises(ValueError, match=words):
        replace(SPEC, **{"continuous": frozenset(), "sharded": frozenset()} | fields)


def test_the_way_to_the_context_fits_an_environment_value() -> None:
    """SageMaker takes 256 characters of a processing job."""
    assert len(encode_param({"path": PROCESSING_CONTEXT_PATH})) <= 256


def test_files_travel_one_by_one_to_where_their_contents_say(tmp_path: Path) -> None:
    """Another version of the code behind the same URI would be adopted as this one."""
    source, objects = tmp_path / "source", open_objects(f"dir:{tmp_path / 'buckets'}")
    (source / "deep").mkdir(parents=True)
    (source / "report.py").write_text("print(1)")
    (source / "deep" / "part.py").write_text("x = 1")
    first = upload_files(objects, "lake", source)
    found = [info.uri.removeprefix(first) for info in objects.list(first)]
    assert found == ["/deep/part.py", "/report.py"]
    assert upload_files(objects, "lake", source) == first
    (source / "report.py").write_text("print(2)")
    assert upload_files(objects, "lake", source) != first
