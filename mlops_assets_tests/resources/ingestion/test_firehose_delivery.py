"""From a delivery stream to partitions: moto's Firehose writes to moto's S3 as Firehose does."""

import datetime as dt
import json

import boto3
import pytest

from mlops_assets.partitions import Partitions
from mlops_assets.resources.ingestion.firehose import FirehoseSource
from mlops_assets_tests.resources.ingestion.conftest import BUCKET

pytestmark = pytest.mark.integration


def test_what_a_stream_delivers_comes_in_by_its_own_time(
    aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders of now, rows of three days: the prefix and gzip are the service's own."""
    for name in ("ROLE_ARN", "IMAGE_URI", "SUBNETS", "SECURITY_GROUPS", "KMS_KEY_ARN"):
        monkeypatch.setenv(f"MLOPS_{name}", "any")
    monkeypatch.setenv("MLOPS_ENV", "aws")
    firehose = boto3.client("firehose")
    firehose.create_delivery_stream(
        DeliveryStreamName="orders",
        ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/firehose",
            "BucketARN": f"arn:aws:s3:::{BUCKET}",
            "Prefix": "landing/orders/",
            "CompressionFormat": "GZIP",
        },
    )
    today = dt.datetime.now(dt.UTC)
    yesterday, before = (today - dt.timedelta(days=days) for days in (1, 2))
    sent = [(1, yesterday), (2, before), (3, yesterday), (4, today)]
    firehose.put_record_batch(
        DeliveryStreamName="orders",
        Records=[
            {"Data": json.dumps({"order": number, "at": at.isoformat()}).encode()}
            for number, at in sent
        ],
    )
    found = FirehoseSource(
        location=f"s3://{BUCKET}/landing/orders", event_time="at",
        windows=Partitions(kind="daily", start=f"{today - dt.timedelta(days=9):%Y-%m-%d}"),
    )  # fmt: skip
    # Today's day is a partition tomorrow.
    days = {f"{before:%Y-%m-%d}": [2], f"{yesterday:%Y-%m-%d}": [1, 3]}
    assert {p: found.read(p)["order"].tolist() for p in found.partitions()} == days
    keys = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="ingestion/firehose/")
    assert any("/days/" in each["Key"] for each in keys["Contents"]), "looked up once, and kept"
