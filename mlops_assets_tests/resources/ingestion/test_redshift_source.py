"""Tables of Redshift: one statement a partition, whoever asks how often, and never half of it.

The SQL that is sent runs: on SQLite behind a Data API of our own, UNLOAD to moto's S3.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import Source
from mlops_assets.resources.ingestion import redshift
from mlops_assets.resources.ingestion.data_api import Database
from mlops_assets.resources.ingestion.redshift import RedshiftSource
from mlops_assets.resources.ingestion.unloading import _opened, s3
from mlops_assets.resources.sources import SourceError
from mlops_assets_tests.resources.ingestion.conftest import BUCKET
from mlops_assets_tests.resources.ingestion.data_api_server import DataApi

pytestmark = pytest.mark.integration

DAYS = Partitions(kind="daily", start="2024-03-01", end="2024-03-04")
ROLE = "arn:aws:iam::123456789012:role/unload"


@pytest.fixture
def api(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataApi]:
    made = DataApi()
    monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_DATA", made.url)
    _opened.cache_clear()
    redshift._seen.clear()
    s3().delete_tree(f"s3://{BUCKET}/ingestion")  # of the test before
    made.sql.execute('CREATE TABLE shop.orders ("order" INT, at TEXT, changed TEXT)')
    made.sql.executemany("INSERT INTO shop.orders VALUES (?, ?, ?)", [
        (1, "2024-02-29 23:59:59", "a"), (2, "2024-03-01 00:00:00", "a"),
        (3, "2024-03-01 23:59:59", "a"), (4, "2024-03-02 00:00:00", "a"),
        (5, "2024-03-04 00:00:00", "a"),
    ])  # fmt: skip
    yield made
    made.close()
    _opened.cache_clear()


def source(**fields: Any) -> RedshiftSource:
    given = {"database": Database(database="prod", workgroup="analytics", poll_s=0.01),
             "schema": "shop", "table": "orders", "time_column": "at", "windows": DAYS,
             "role_arn": ROLE, "watermark": "changed", "look_every": dt.timedelta(0),
             **fields}  # fmt: skip
    return RedshiftSource(**given)


def unloads(api: DataApi) -> list[dict[str, Any]]:
    return [s for s in api.statements if s["Sql"].startswith("UNLOAD")]


def test_a_partition_is_its_window_of_time_and_is_unloaded_once(api):
    found = source()
    assert isinstance(found, Source)
    assert found.partitions() == ["2024-03-01", "2024-03-02"]
    assert found.read("2024-03-01")["order"].tolist() == [2, 3]
    (asked,) = unloads(api)
    assert asked["WorkgroupName"] == "analytics"
    assert asked["StatementName"].startswith("mlops-")
    found.read("2024-03-01")
    assert len(unloads(api)) == 1, "its result is there"


def test_the_version_follows_rows_and_changes_of_its_own_partition(api):
    found = source()
    before = {p: found.version(p) for p in found.partitions()}
    assert before == {p: found.version(p) for p in found.partitions()}
    api.sql.execute("UPDATE shop.orders SET changed = 'b' WHERE \"order\" = 4")
    assert found.version("2024-03-02") != before["2024-03-02"]
    assert found.version("2024-03-01") == before["2024-03-01"]
    api.sql.execute("INSERT INTO shop.orders VALUES (6, '2024-03-01 05:00:00', 'a')")
    assert found.version("2024-03-01") != before["2024-03-01"]
    assert sorted(found.read("2024-03-01")["order"]) == [2, 3, 6], "of the version now"


def test_versions_are_asked_for_in_one_statement_and_not_at_every_tick(api):
    found = source(look_every=dt.timedelta(hours=1))
    for partition in found.partitions():
        found.version(partition)
    assert len(api.statements) == 1
    assert api.statements[0]["Parameters"] == [{"name": "start", "value": "2024-03-01 00:00:00"}]


def test_a_statement_that_runs_is_adopted(api, monkeypatch):
    """The run was killed in mid-UNLOAD and started again: the cluster is not asked twice."""
    found = source()
    found.partitions()
    with monkeypatch.context() as patched:
        patched.setattr(Database, "_until_finished", interrupted(api))
        patched.setattr(api, "_CancelStatement", lambda _: {"Status": False})  # no time for that
        with pytest.raises(dg.DagsterExecutionInterruptedError):
            found.read("2024-03-01")
    assert [s["Status"] for s in unloads(api)] == ["STARTED"]
    assert found.read("2024-03-01")["order"].tolist() == [2, 3]
    assert len(unloads(api)) == 1


def test_an_interrupted_run_stops_its_statement(api, monkeypatch):
    found = source()
    found.partitions()
    with monkeypatch.context() as patched:
        patched.setattr(Database, "_until_finished", interrupted(api))
        with pytest.raises(dg.DagsterExecutionInterruptedError):
            found.read("2024-03-01")
    assert [s["Status"] for s in unloads(api)] == ["ABORTED"]


def interrupted(api: DataApi) -> Any:
    """Waits as it should, but for UNLOADs: those are interrupted."""
    waits = Database._until_finished

    def wait(database: Database, statement: str) -> None:
        if "UNLOAD" in api.statements[-1]["Sql"]:
            raise dg.DagsterExecutionInterruptedError
        waits(database, statement)

    return wait


def test_a_failed_statement_says_why_and_the_next_goes_elsewhere(api):
    found = source()
    version = found.version("2024-03-01")
    api_fail_on_unload(api, "S3ServiceException: Access Denied")
    with pytest.raises(SourceError, match="FAILED: S3ServiceException: Access Denied"):
        found.read("2024-03-01")
    api_fail_on_unload(api, "")
    assert found.version("2024-03-01") == version
    assert found.read("2024-03-01")["order"].tolist() == [2, 3]
    first, second = unloads(api)
    assert first["StatementName"] != second["StatementName"]
    assert first["Sql"] != second["Sql"], "another folder: the first may hold half of it"


def api_fail_on_unload(api: DataApi, error: str) -> None:
    finish = type(api)._finish

    def failing(statement: dict[str, Any]) -> None:
        api.fail = error if statement["Sql"].startswith("UNLOAD") else ""
        finish(api, statement)
        api.fail = ""

    api._finish = failing  # type: ignore[method-assign]


def test_fewer_rows_than_the_manifest_promises_are_refused(api):
    """Row 11: never a short frame. Negative control: with all rows it reads."""
    api.lose_rows = 1
    with pytest.raises(SourceError, match="has 1 rows, its manifest says 2"):
        source().read("2024-03-01")
    api.lose_rows = 0
    assert len(source().read("2024-03-02")) == 1


@pytest.mark.parametrize("field", ["schema", "table", "time_column", "columns", "watermark"])
def test_names_must_be_plain(field):
    with pytest.raises(SourceError, match="is no name of a column, table or database"):
        source(**{field: "x'; DROP TABLE orders; --"})


def test_a_role_and_a_key_of_a_partition_are_what_they_say(api):
    with pytest.raises(SourceError, match="is no ARN of a role"):
        source(role_arn="arn:aws:iam::123456789012:role/x' FORMAT")
    with pytest.raises(SourceError, match="is none of the declared partitions"):
        source().read("2024-03-01' OR 1=1 --")
    assert unloads(api) == []


def test_exactly_one_of_workgroup_and_cluster():
    with pytest.raises(SourceError, match="exactly one of workgroup and cluster"):
        Database(database="prod")
