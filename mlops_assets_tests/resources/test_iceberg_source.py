"""Somebody's table of Iceberg in Glue's catalog as a source: windows, versions, one snapshot.

Glue and S3 are moto's over HTTP; the table is a real one, written by pyiceberg.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from mlops_assets.partitions import Partitions
from mlops_assets.permissions.needs import features, names
from mlops_assets.pipeline import Source
from mlops_assets.resources.iceberg_source import IcebergSource
from mlops_assets.resources.ingestion.athena import AthenaSource
from mlops_assets.resources.sources import SourceError
from mlops_assets_tests import deliveries
from mlops_assets_tests.aws_server import aws_server, environment, glue_catalog

if TYPE_CHECKING:
    from pyiceberg.table import Table

BUCKET = "theirs"
ROOT = f"s3://{BUCKET}/warehouse"
DAYS = Partitions(kind="daily", start="2024-03-01", end="2024-03-06")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with aws_server() as started, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(started).items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        boto3.client("glue").create_database(
            DatabaseInput={"Name": "sales", "LocationUri": f"{ROOT}/sales.db"}
        )
        yield started


def orders(*times: str, kind: str = "timestamptz") -> Any:
    import pyarrow as pa

    types = {
        "timestamptz": pa.timestamp("us", tz="UTC"),
        "timestamp": pa.timestamp("us"),
        "date": pa.date32(),
    }
    moments = [dt.datetime.fromisoformat(each) for each in times]
    column = pa.array(moments, pa.timestamp("us")).cast(types[kind], safe=False)
    return pa.table({"order": pa.array(range(len(times)), pa.int64()), "at": column})


def create(url: str, name: str, rows: Any) -> Table:
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog("theirs", **{**glue_catalog(url, BUCKET), "warehouse": ROOT})
    table = catalog.create_table(("sales", name), rows.schema)
    table.append(rows)
    return table


def source(name: str, **fields: Any) -> IcebergSource:
    given = {"database": "sales", "table": name, "location": f"{ROOT}/sales.db/{name}",
             "time_column": "at", "windows": DAYS, **fields}  # fmt: skip
    return IcebergSource(**given)


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_a_window_is_read_and_nothing_beside_it(url: str, kind: str) -> None:
    """Bounds that take a row into two windows, or into none."""
    times = "2024-02-28", "2024-03-01", "2024-03-01T23:59:59.999999", "2024-03-02", "2024-03-04"
    create(url, f"read_{kind}", orders(*times, kind=kind))
    made = source(f"read_{kind}")
    assert isinstance(made, Source)
    read = {day: made.read(day)["order"].tolist() for day in DAYS.definition.get_partition_keys()}
    assert read == {
        "2024-03-01": [1, 2], "2024-03-02": [3], "2024-03-03": [], "2024-03-04": [4],
        "2024-03-05": [],
    }  # fmt: skip
    # One file of them all: that the third has no row is not known before it is read.
    assert made.partitions() == ["2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"]
    assert source(f"read_{kind}", columns=("order",)).read("2024-03-02").columns.tolist() == [
        "order"
    ]


@pytest.mark.integration
def test_only_what_changed_has_another_version(url: str) -> None:
    """Each commit is news of every partition: all of them read, cleaned and trained on again."""
    table = create(url, "versions", orders("2024-03-01T10:00", "2024-03-01T11:00"))
    made = source("versions")
    assert made.partitions() == ["2024-03-01"]
    before = made.version("2024-03-01")
    table.append(orders("2024-03-03T10:00"))
    assert made.partitions() == ["2024-03-01", "2024-03-03"]
    assert made.version("2024-03-01") == before
    table.append(orders("2024-03-01T12:00"))
    late = made.version("2024-03-01")
    assert late != before
    assert len(made.read("2024-03-01")) == 3
    table.delete("order = 0")
    assert made.version("2024-03-01") not in (before, late)
    assert len(made.read("2024-03-01")) == 1


@pytest.mark.integration
def test_what_is_declared_wrongly_is_named(url: str) -> None:
    create(url, "wrong", orders("2024-03-01"))
    with pytest.raises(SourceError, match=r"sales\.nowhere is not there"):
        source("nowhere", location=ROOT).partitions()
    with pytest.raises(SourceError, match=r"lies in s3://theirs/.*/wrong, not in s3://theirs/x"):
        source("wrong", location=f"s3://{BUCKET}/x").read("2024-03-01")
    with pytest.raises(SourceError, match=r"has no column 'when'\. It has: order, at"):
        source("wrong", time_column="when").partitions()
    with pytest.raises(SourceError, match=r"'order' .* is of type long: windows are cut by"):
        source("wrong", time_column="order").read("2024-03-01")
    with pytest.raises(SourceError, match="none of the declared partitions"):
        source("wrong").read("2024-04-01")
    with pytest.raises(SourceError, match=r"time_column='a\"b' is no name"):
        source("wrong", time_column='a"b')
    with pytest.raises(SourceError, match="give the table's folder"):
        source("wrong", location="/tmp")  # noqa: S108 (no file is made)


@pytest.mark.integration
def test_what_pyiceberg_cannot_apply_is_no_row_too_many(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deletes by equality, as Flink writes them and nothing here can: the rows would come back."""
    from pyiceberg.table import DataScan

    create(url, "flinks", orders("2024-03-01"))

    def refuse(_: DataScan) -> None:
        raise ValueError("PyIceberg does not yet support equality deletes")

    monkeypatch.setattr(DataScan, "plan_files", refuse)
    for ask in (source("flinks").partitions, lambda: source("flinks").read("2024-03-01")):
        with pytest.raises(SourceError, match=r"sales\.flinks cannot be read: .* equality deletes"):
            ask()


@pytest.mark.integration
def test_athena_does_not_see_nothing_in_a_table_of_iceberg(url: str) -> None:
    """Its partitions are not Glue's: a source that is empty for ever, and nobody is told."""
    create(url, "not_athenas", orders("2024-03-01"))
    theirs = AthenaSource(
        database="sales", table="not_athenas", windows=DAYS, partition_column="at"
    )
    with pytest.raises(SourceError, match=r"is Iceberg's, .* read it by IcebergSource"):
        theirs.partitions()


def test_its_policy_is_of_this_table_and_folder() -> None:
    """Objects of other tables of the same bucket, or the right to write."""
    declared = dataclasses.replace(deliveries.declare(), source=source("orders"))
    assert {"iceberg", "s3_source"} <= features(declared)
    assert not features(declared) & {"athena", "ingestion", "redshift"}
    assert names(declared).source == {
        "s3_location": f"{BUCKET}/warehouse/sales.db/orders", "s3_bucket": BUCKET,
        "iceberg_database": "sales", "iceberg_table": "orders", "aws_framework": "",
    }  # fmt: skip
