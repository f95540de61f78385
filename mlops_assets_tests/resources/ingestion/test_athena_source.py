"""Tables of Glue by Athena: what is asked of Athena, and what is read of its result.

Glue, S3 and Athena's state are moto's over HTTP. moto runs no query: what UNLOAD would write is put
where the query says, so that types and files are real and the SQL itself is not run anywhere.
"""

import datetime as dt
import json
import urllib.request
from typing import Any

import boto3
import pandas as pd
import pytest

from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import Source
from mlops_assets.resources.ingestion import athena_query
from mlops_assets.resources.ingestion.athena import AthenaSource
from mlops_assets.resources.ingestion.glue_partitions import column_type, literal
from mlops_assets.resources.sources import SourceError
from mlops_assets_tests.resources.ingestion.conftest import BUCKET, put_parquet

pytestmark = pytest.mark.integration

DAYS = Partitions(kind="daily", start="2024-03-01", end="2024-03-04")
MONTHS = Partitions(kind="monthly", start="2024-03-01", end="2024-05-01")
GB = 10**9


class Table:
    """A table of Glue, its objects, and the queries that Athena was asked for."""

    def __init__(self, name: str, kind: str = "string", cutoff: int | None = 10 * GB) -> None:
        self.name, self.glue, self.athena = name, boto3.client("glue"), boto3.client("athena")
        self.root = f"s3://{BUCKET}/tables/{name}"
        if "sales" not in [d["Name"] for d in self.glue.get_databases()["DatabaseList"]]:
            self.glue.create_database(DatabaseInput={"Name": "sales"})
        self.glue.create_table(
            DatabaseName="sales",
            TableInput={"Name": name, "PartitionKeys": [{"Name": "dt", "Type": kind}],
                        "StorageDescriptor": {"Location": self.root}},
        )  # fmt: skip
        configuration = {"BytesScannedCutoffPerQuery": cutoff} if cutoff else {}
        self.athena.create_work_group(Name=name, Configuration=configuration)

    def add(self, value: str, *orders: int, part: str = "a") -> None:
        place = f"{self.root}/dt={value}"
        put_parquet(f"{place}/{part}.parquet", pd.DataFrame({"order": list(orders)}))
        known = self.glue.get_partitions(DatabaseName="sales", TableName=self.name)["Partitions"]
        if value not in [each["Values"][0] for each in known]:
            self.glue.create_partition(
                DatabaseName="sales", TableName=self.name,
                PartitionInput={"Values": [value], "StorageDescriptor": {"Location": place}},
            )  # fmt: skip

    def source(self, **fields: Any) -> AthenaSource:
        given = {"database": "sales", "table": self.name, "windows": DAYS, "poll_s": 0.01,
                 "partition_column": "dt", "workgroup": self.name, **fields}  # fmt: skip
        return AthenaSource(**given)

    def queries(self) -> list[dict[str, Any]]:
        ids = self.athena.list_query_executions(WorkGroup=self.name)["QueryExecutionIds"]
        return [
            self.athena.get_query_execution(QueryExecutionId=each)["QueryExecution"] for each in ids
        ]


@pytest.fixture
def table(aws: str, request: pytest.FixtureRequest) -> Table:
    column_type.cache_clear()
    return Table(request.node.name.partition("[")[0][5:35])


def test_a_partition_is_unloaded_with_bound_values_and_read_once(table):
    """Written into the query's text, a value of Glue's could say anything."""
    for value in ("2024-03-01", "2024-03-02", "2023-12-31"):
        table.add(value, 1, 2)
    source = table.source(columns=("order",))
    assert isinstance(source, Source)
    assert source.partitions() == ["2024-03-01", "2024-03-02"], "declared ones only"
    place = source.unload_uri("2024-03-01")
    put_parquet(f"{place}/0.parquet", pd.DataFrame({"order": [1, 2]}))
    assert source.read("2024-03-01")["order"].tolist() == [1, 2]
    (query,) = table.queries()
    assert query["Query"] == (
        f'UNLOAD (SELECT "order" FROM "sales"."{table.name}" WHERE "dt" IN (?)) TO \'{place}/\' '  # noqa: S608
        "WITH (format = 'PARQUET', compression = 'SNAPPY')"
    )
    assert query["ExecutionParameters"] == ["'2024-03-01'"]
    assert query["WorkGroup"] == table.name
    source.read("2024-03-01")
    assert len(table.queries()) == 1, "what is there is not paid for again"


def test_one_partition_of_ours_takes_all_of_glues_that_begin_in_it(table):
    for value in ("2024-03-31", "2024-03-01", "2024-04-01"):
        table.add(value, 1)
    source = table.source(windows=MONTHS)
    source.read("2024-03-01")
    (query,) = table.queries()
    assert query["ExecutionParameters"] == ["'2024-03-01'", "'2024-03-31'"]
    assert query["Query"].startswith("UNLOAD (SELECT * FROM ")


def test_the_version_follows_the_objects_of_its_own_partition(table):
    table.add("2024-03-01", 1)
    table.add("2024-03-02", 2)
    source = table.source()
    before = {p: source.version(p) for p in source.partitions()}
    assert before == {p: source.version(p) for p in source.partitions()}
    table.add("2024-03-01", 3, part="b")
    assert source.version("2024-03-01") != before["2024-03-01"]
    assert source.version("2024-03-02") == before["2024-03-02"]


def test_values_that_say_no_time_never_get_into_a_query(table):
    for value in ("__HIVE_DEFAULT_PARTITION__", "2024-03-01' OR '1'='1", "2024-3-1", "2024-03-02"):
        table.add(value, 1)
    assert table.source().partitions() == ["2024-03-02"]


@pytest.mark.parametrize("value", ["' OR 1=1", "a\\b", "a;b", "", "a\nb", "a\u2028b"])
def test_what_ends_a_literal_is_refused(value):
    """Beside the format of the value: two locks on one door."""
    with pytest.raises(SourceError):
        literal(value, "string")
    with pytest.raises(SourceError):
        literal(value or "1 OR 1", "int")


@pytest.mark.parametrize("field", ["database", "table", "partition_column", "columns"])
def test_names_cannot_be_bound_and_so_must_be_plain(field):
    given: dict[str, Any] = {"database": "d", "table": "t", "partition_column": "dt"}
    with pytest.raises(SourceError, match="is no name of a column, table or database"):
        AthenaSource(**{**given, field: 'x" --'}, windows=DAYS)


def test_without_a_cutoff_nothing_is_asked(aws, table):
    """A forgotten filter on a table of petabytes, at 5 USD a TB."""
    column_type.cache_clear()
    for name, cutoff, words in (("never", None, "never"), ("late", 200 * GB, "at 200 GB")):
        open_ended = Table(f"cutoff_{name}", cutoff=cutoff)
        open_ended.add("2024-03-01", 1)
        with pytest.raises(SourceError, match=f"cuts queries off {words}: set its Bytes"):
            open_ended.source().read("2024-03-01")
        assert open_ended.queries() == []


def test_a_failed_query_says_why_and_the_next_goes_elsewhere(table, monkeypatch):
    """Its token would answer with the old failure, and UNLOAD wants an empty folder."""
    table.add("2024-03-01", 1)
    source = table.source()
    first = source.unload_uri("2024-03-01")
    failing = {"Status": {"State": "FAILED", "StateChangeReason": "scanned too much"}}
    with monkeypatch.context() as patched:
        patched.setattr(athena_query.Query, "_ended", lambda *_: failing)
        with pytest.raises(SourceError, match="FAILED: scanned too much"):
            source.read("2024-03-01")
    second = source.unload_uri("2024-03-01")
    assert second != first
    put_parquet(f"{second}/0.parquet", pd.DataFrame({"order": [7]}))
    assert source.read("2024-03-01")["order"].tolist() == [7]


def test_what_takes_too_long_is_stopped(aws_url, table):
    table.add("2024-03-01", 1)
    body = {"model_name": "athena::execution", "transition": {"progression": "manual", "times": 99}}
    _post(f"{aws_url}/moto-api/state-manager/set-transition", body)
    try:
        with pytest.raises(SourceError, match="took over 0:00:00: stopped"):
            table.source(patience=dt.timedelta(0)).read("2024-03-01")
        assert [query["Status"]["State"] for query in table.queries()] == ["CANCELLED"]
    finally:
        body = {"model_name": "athena::execution", "transition": {"progression": "immediate"}}
        _post(f"{aws_url}/moto-api/state-manager/set-transition", body)


def test_no_rows_are_an_empty_partition_with_its_columns(table):
    table.add("2024-03-01")
    frame = table.source(columns=("order",)).read("2024-03-01")
    assert (len(frame), list(frame.columns)) == (0, ["order"])


def test_whole_numbers_and_dates_are_bound_as_what_they_are(aws):
    column_type.cache_clear()
    for kind, value, form, mark, bound in (
        ("int", "20240301", "%Y%m%d", "?", "20240301"),
        ("date", "2024-03-01", "%Y-%m-%d", "CAST(? AS date)", "'2024-03-01'"),
    ):
        table = Table(f"typed_{kind}", kind)
        table.add(value, 1)
        table.source(partition_format=form).read("2024-03-01")
        (query,) = table.queries()
        assert f'"dt" IN ({mark})' in query["Query"]
        assert query["ExecutionParameters"] == [bound]


def _post(url: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(  # noqa: S310 - moto's own address
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        reply.read()
