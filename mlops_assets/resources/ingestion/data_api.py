"""Redshift's Data API: a statement seen to its end, once.

Here: starting or adopting a statement by its name, waiting, stopping, its rows. Not here: which
statements (`redshift`).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.resources.ingestion.unloading import client
from mlops_assets.resources.sagemaker.errors import patiently
from mlops_assets.resources.sagemaker.jobs.driver import INTERRUPTIONS
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sources import SourceError

_FAILED = ("FAILED", "ABORTED")
_VALUES = ("stringValue", "longValue", "doubleValue", "booleanValue")


class StatementFailed(SourceError):
    """Redshift ended the statement without a result; the message has its reason."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database, and as whom one asks: by the caller's own role, or a secret.

    Args:
        workgroup: of Redshift Serverless; else ``cluster``.
        secret_arn: of Secrets Manager; by default temporary credentials are used, of ``user``
            where it is a cluster.
        patience: a statement that takes longer is stopped.
    """

    database: str
    workgroup: str = ""
    cluster: str = ""
    user: str = ""
    secret_arn: str = ""
    patience: dt.timedelta = dt.timedelta(minutes=30)
    poll_s: float = 2.0

    def __post_init__(self) -> None:
        if bool(self.workgroup) == bool(self.cluster):
            raise SourceError("a Redshift database needs exactly one of workgroup and cluster")

    def describe(self) -> str:
        return f"{self.workgroup or self.cluster}/{self.database}"

    def run(self, sql: str, parameters: Mapping[str, str] | None = None, *, name: str = "") -> str:
        """The id of the statement, once it has finished.

        Args:
            name: a statement of this name that runs, or has finished, is adopted: a run that was
                killed and started again does not pay twice. Redshift remembers them for a day.

        Raises:
            StatementFailed: with Redshift's reason.
        """
        found = (self._named(name) if name else None) or self._start(sql, parameters or {}, name)
        try:
            self._until_finished(found)
        except INTERRUPTIONS:
            client("redshift-data").cancel_statement(Id=found)
            raise
        return found

    def rows(self, sql: str, parameters: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
        """The rows of a query, each value as text."""
        ended = self.run(sql, parameters)
        pages = client("redshift-data").get_paginator("get_statement_result")
        for record in patiently(lambda: pages.paginate(Id=ended).build_full_result())["Records"]:
            yield tuple(_text(value) for value in record)

    def _start(self, sql: str, parameters: Mapping[str, str], name: str) -> str:
        target = {
            "Database": self.database,
            "WorkgroupName": self.workgroup,
            "ClusterIdentifier": self.cluster,
            "DbUser": "" if self.secret_arn else self.user,
            "SecretArn": self.secret_arn,
            "StatementName": name,
            # Asked twice because the first answer was lost, it is one statement.
            "ClientToken": digest_of([name, sql])[:64] if name else "",
        }
        request: dict[str, Any] = {key: value for key, value in target.items() if value}
        if parameters:
            request["Parameters"] = [{"name": k, "value": v} for k, v in parameters.items()]
        return str(
            patiently(lambda: client("redshift-data").execute_statement(Sql=sql, **request))["Id"]
        )

    def _named(self, name: str) -> str | None:
        """The newest statement of exactly this name that did not fail."""
        listed = patiently(
            lambda: client("redshift-data").list_statements(StatementName=name, Status="ALL")
        )["Statements"]
        going = [s for s in listed if s.get("StatementName") == name and s["Status"] not in _FAILED]
        return str(going[0]["Id"]) if going else None

    def _until_finished(self, statement: str) -> None:
        deadline = time.monotonic() + self.patience.total_seconds()
        data = client("redshift-data")
        while True:
            found = patiently(lambda: data.describe_statement(Id=statement))
            if found["Status"] == "FINISHED":
                return
            if found["Status"] in _FAILED:
                reason = found.get("Error") or "no reason was given"
                raise StatementFailed(
                    f"Redshift's statement {statement} {found['Status']}: {reason}"
                )
            if time.monotonic() > deadline:
                data.cancel_statement(Id=statement)
                raise StatementFailed(
                    f"Redshift's statement {statement} took over {self.patience}: stopped"
                )
            time.sleep(self.poll_s)


def _text(value: Mapping[str, Any]) -> str:
    return next((str(value[kind]) for kind in _VALUES if kind in value), "")
