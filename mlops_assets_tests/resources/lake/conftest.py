"""Lakes for tests: the same tests on a SQLite catalog with a directory, and on Glue with S3."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.lake.resource import open_lake
from mlops_assets_tests.aws_server import KEY, REGION, aws_server, glue_catalog


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    with aws_server() as url:
        yield url


@pytest.fixture
def local_catalog(tmp_path: Path) -> dict[str, str]:
    """Properties of a fresh catalog in a directory."""
    return {
        "type": "sql",
        "uri": f"sqlite:///{tmp_path}/catalog.db",
        "warehouse": f"file://{tmp_path}/lake",
    }


@pytest.fixture(scope="session")
def aws_catalog(aws_url: str) -> dict[str, str]:
    """Properties of a catalog on AWS, shared by the tests: use unique namespaces."""
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    boto3.client(
        "s3",
        endpoint_url=aws_url,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
    ).create_bucket(Bucket=bucket)
    return glue_catalog(aws_url, bucket)


@pytest.fixture(params=["local", pytest.param("aws", marks=pytest.mark.integration)])
def catalog(request: pytest.FixtureRequest) -> dict[str, str]:
    found: dict[str, str] = request.getfixturevalue(f"{request.param}_catalog")
    return found


@pytest.fixture
def lake(catalog: dict[str, str]) -> Lake:
    return open_lake(catalog)


@pytest.fixture
def local_lake(local_catalog: dict[str, str]) -> Lake:
    return Lake.open(local_catalog)


@pytest.fixture
def table() -> str:
    """A table of a namespace that no other test uses."""
    return f"test_{uuid.uuid4().hex[:12]}.rows"
