"""Training input from FSx for Lustre: asked for where it is declared and there, nowhere else."""

import dataclasses
from pathlib import Path

import pytest

from mlops_assets.assets.model import training_spec
from mlops_assets.definitions import build_placement
from mlops_assets.pipeline import DeclarationError
from mlops_assets.resources.sagemaker.file_systems import Lustre
from mlops_assets.resources.sagemaker.requests import Placement, training_request
from mlops_assets.settings import Settings, SettingsError
from mlops_assets_tests import deliveries
from mlops_assets_tests.resources.sagemaker.botocore_shapes import accepted

LINKED = Placement(
    subnets=("subnet-1",), security_groups=("sg-1",),
    lustre=Lustre.parse("fs-0123456789abcdef0:/abcdefgh/lake"),
)  # fmt: skip
DATA = "s3://bucket/datasets/deliveries/0123/train"


def request(placement: Placement, wanted: str = "lustre") -> dict:
    pipeline = deliveries.declare()
    training = dataclasses.replace(pipeline.training, input=wanted)  # type: ignore[arg-type]
    spec = training_spec(
        dataclasses.replace(pipeline, training=training), "2024-03-01",
        dataset_uri="s3://bucket/datasets/deliveries/0123", searched={},
    )  # fmt: skip
    return training_request(spec, placement, bucket="bucket", code_uri="s3://bucket/code/x.tar.gz")


def sources(made: dict) -> dict[str, dict]:
    return {channel["ChannelName"]: channel["DataSource"] for channel in made["InputDataConfig"]}


def test_data_is_mounted_and_code_is_copied() -> None:
    made = accepted("CreateTrainingJob", request(LINKED))
    found = sources(made)
    assert found["train"] == {"FileSystemDataSource": {
        "FileSystemId": "fs-0123456789abcdef0", "FileSystemType": "FSxLustre",
        "FileSystemAccessMode": "ro",
        "DirectoryPath": "/abcdefgh/lake/datasets/deliveries/0123/train",
    }}  # fmt: skip
    assert "S3DataSource" in found["code"]
    assert made["VpcConfig"]["Subnets"] == ["subnet-1"], "SageMaker mounts it through the VPC"


def test_where_it_is_not_declared_nothing_is_mounted() -> None:
    """Negative control: the placement alone changes no job's name."""
    plain = dataclasses.replace(LINKED, lustre=None)
    assert request(LINKED, "s3") == request(plain, "s3")
    assert sources(request(LINKED, "s3"))["train"]["S3DataSource"]["S3Uri"] == DATA


def test_on_this_machine_the_same_objects_come_from_s3() -> None:
    """A declaration for AWS that runs nowhere else could not be tried."""
    assert sources(request(Placement()))["train"]["S3DataSource"]["S3Uri"] == DATA


def test_declared_without_a_file_system_is_one_clear_error() -> None:
    with pytest.raises(ValueError, match=r"MLOPS_LUSTRE is not set: training\.input='lustre'"):
        request(dataclasses.replace(LINKED, lustre=None))


def test_the_setting_is_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ENV": "aws", "BUCKET": "b", "ROLE_ARN": "r", "IMAGE_URI": "i", "SUBNETS": "s",
        "SECURITY_GROUPS": "g", "KMS_KEY_ARN": "k", "LUSTRE": "fs-0123456789abcdef0:/abcdefgh",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"MLOPS_{name}", value)
    assert build_placement(Settings.load()).lustre == Lustre("fs-0123456789abcdef0", "/abcdefgh")
    for wrong in ("fs-1:/x", "fs-0123456789abcdef0", "fs-0123456789abcdef0:/../x y"):
        monkeypatch.setenv("MLOPS_LUSTRE", wrong)
        with pytest.raises(SettingsError, match="MLOPS_LUSTRE"):
            Settings.load()


def test_another_way_of_reading_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"training\.input: 'efs' is unknown"):
        dataclasses.replace(deliveries.declare().training, input="efs")  # type: ignore[arg-type]
