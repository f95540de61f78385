"""What the stack `firehose` delivers is what FirehoseSource reads, and what it could not is not."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from mlops_assets.partitions import Partitions
from mlops_assets.permissions.catalogue import ROLES
from mlops_assets.permissions.policy import as_policy, statements
from mlops_assets.permissions.statement import Names
from mlops_assets.resources.ingestion.firehose import FirehoseSource
from mlops_assets_tests.deploy import iam
from mlops_assets_tests.deploy.template import FOLDER, GIVEN, parse

STACK = parse(FOLDER / "firehose.yaml")
TO_S3 = STACK["Resources"]["Rows"]["Properties"]["ExtendedS3DestinationConfiguration"]
AT = dt.datetime(2024, 3, 1, 10, 30, tzinfo=dt.UTC)
_JAVA = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}


def _key(prefix: dict[str, str]) -> str:
    """The key of an object, as Firehose names it at `AT`."""
    text = prefix["Fn::Sub"].replace("${Pipeline}", "flight_delays")
    text = text.replace("!{firehose:error-output-type}", "processing-failed")
    form = re.sub(r"yyyy|MM|dd|HH", lambda found: _JAVA[found[0]], text)
    return (
        AT.strftime(re.sub(r"!\{timestamp:([^}]+)\}", r"\1", form)) + "mlops-flight-delays-1-x.gz"
    )


@pytest.fixture
def source() -> FirehoseSource:
    location = STACK["Outputs"]["RowsLocation"]["Value"]["Fn::Sub"]
    location = location.replace("${Bucket}", "lake").replace("${Pipeline}", "flight_delays")
    return FirehoseSource(location=location, windows=Partitions(kind="daily", start="2024-01-01"))


def test_the_folders_are_the_hours_that_the_source_reads(source: FirehoseSource) -> None:
    """Rows that arrive and that no partition ever has."""
    assert source._hour(f"s3://lake/{_key(TO_S3['Prefix'])}") == AT.replace(minute=0)


def test_what_failed_lies_elsewhere(source: FirehoseSource) -> None:
    """Firehose's reports of failures, read as rows."""
    failed = f"s3://lake/{_key(TO_S3['ErrorOutputPrefix'])}"
    assert not failed.startswith(source.location)
    assert source._hour(failed) is None


def test_the_worker_may_read_what_is_delivered_and_not_change_it() -> None:
    """A source that is declared, and that only a hand-written policy lets one read."""
    place = {"s3_location": "lake/deliveries/flight_delays", "s3_bucket": "lake"}
    names = Names(name="flight_delays", slug="flight-delays", source=place)
    found = [
        as_policy(each, {**iam.PSEUDO, **GIVEN})
        for policy in ROLES["DagsterRole"]
        for each in statements(policy, [(names, {"s3_source", "ingestion"})])
        if not each.given
    ]
    key = f"arn:aws:s3:::{_key(TO_S3['Prefix'])}".replace(":::", ":::lake/")
    assert iam.allowed(found, "s3:GetObject", key)
    assert not iam.allowed(found, "s3:PutObject", key)


def test_it_delivers_to_two_folders_of_one_pipeline() -> None:
    """A stream that could write another pipeline's rows, or over the lake's tables."""
    given = {"Pipeline": "flight_delays", "Slug": "flight-delays"}
    policy = iam.statements(STACK, ["RowsPolicy"], **given)
    for key, may in {
        "deliveries/flight_delays/2024/03/01/10/x": True,
        "undelivered/flight_delays/x": True,
        "deliveries/digits/2024/03/01/10/x": False,
        "lake/flight_delays.db/x": False,
    }.items():
        assert iam.allowed(policy, "s3:PutObject", f"arn:aws:s3:::lake/{key}") is may, key
