"""The partitions of a table in Glue's catalog, and how their values are written in SQL.

Here: Glue's calls. Not here: which of them make up one of ours (`athena`).
"""

from __future__ import annotations

from functools import lru_cache

from mlops_assets.resources.ingestion.unloading import client
from mlops_assets.resources.sagemaker.errors import patiently
from mlops_assets.resources.sources import SourceError

_WHOLE = ("tinyint", "smallint", "int", "integer", "bigint")


def places(database: str, table: str) -> dict[str, str]:
    """{value of the partition column: where the partition's objects lie}.

    Raises:
        SourceError: the table has partitions that Glue does not know, or none: nothing would ever
            be read of it.
    """
    pages = client("glue").get_paginator("get_partitions")
    listed = patiently(
        lambda: pages.paginate(
            DatabaseName=database, TableName=table, ExcludeColumnSchema=True
        ).build_full_result()
    )
    if not listed["Partitions"]:
        _require_partitions(database, table)
    return {
        str(each["Values"][0]): str(each.get("StorageDescriptor", {}).get("Location", ""))
        for each in listed["Partitions"]
    }


def _require_partitions(database: str, table: str) -> None:
    """Pass only where partitions can come yet."""
    found = patiently(lambda: client("glue").get_table(DatabaseName=database, Name=table))["Table"]
    kind = found.get("Parameters", {}).get("table_type", "")
    if kind.upper() == "ICEBERG":
        raise SourceError(
            f"table {database}.{table} is Iceberg's, whose partitions Glue does not know: read it "
            "by IcebergSource (mlops_assets.resources.iceberg_source)"
        )
    if not found.get("PartitionKeys"):
        raise SourceError(
            f"table {database}.{table} has no partition column: partition it, or read it by a "
            "source of your own"
        )


@lru_cache
def column_type(database: str, table: str, column: str) -> str:
    """The type of the table's partition column, which must be its only one."""
    found = patiently(lambda: client("glue").get_table(DatabaseName=database, Name=table))
    keys = found["Table"].get("PartitionKeys", [])
    if [key["Name"] for key in keys] != [column]:
        names = ", ".join(key["Name"] for key in keys) or "nothing"
        raise SourceError(
            f"table {database}.{table} is partitioned by {names}, not by {column} alone: name its "
            "one partition column, or read it by a source of your own"
        )
    return str(keys[0].get("Type", "string")).lower()


def marked(kind: str) -> str:
    """Where a bound value of this type goes.

    >>> marked("date"), marked("string")
    ('CAST(? AS date)', '?')
    """
    return "CAST(? AS date)" if kind == "date" else "?"


def literal(value: str, kind: str) -> str:
    """A value as Athena's ExecutionParameters take it: a literal of SQL.

    >>> literal("2024-03-01", "string"), literal("20240301", "int")
    ("'2024-03-01'", '20240301')

    Raises:
        SourceError: the value has a character that ends or extends a literal.
    """
    if kind in _WHOLE and value.isdecimal() and value.isascii():
        return value
    if kind in _WHOLE or not value or set(value) & set("'\\\";") or not value.isprintable():
        raise SourceError(f"partition {value!r} of type {kind} is no value to ask for")
    return f"'{value}'"
