"""One query of Athena seen to its end: started or adopted, waited for, stopped with its run.

Here: Athena's calls. Not here: what is asked (`athena`).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.resources.ingestion.unloading import client
from mlops_assets.resources.sagemaker.errors import patiently
from mlops_assets.resources.sagemaker.jobs.driver import INTERRUPTIONS
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sources import SourceError

_GB = 10**9
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


class QueryFailed(SourceError):
    """Athena ended the query without a result; the message has its reason."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query, and where it is run.

    Args:
        values: literals of SQL for its ``?``, bound by Athena.
        log_uri: folder of what Athena itself writes about the query.
    """

    sql: str
    values: Sequence[str]
    database: str
    workgroup: str
    log_uri: str
    patience: dt.timedelta
    poll_s: float

    def run(self) -> dict[str, Any]:
        """What it cost, once it succeeded. Asked twice, by whomever, it runs once: its token is its
        content.

        Raises:
            QueryFailed: with Athena's reason.
            SourceError: it took longer than the patience, and was stopped.
        """
        athena = client("athena")
        bound = {"ExecutionParameters": list(self.values)} if self.values else {}
        name = patiently(
            lambda: athena.start_query_execution(
                QueryString=self.sql,
                QueryExecutionContext={"Database": self.database},
                WorkGroup=self.workgroup,
                ResultConfiguration={"OutputLocation": self.log_uri},
                ClientRequestToken=digest_of([self.sql, list(self.values), self.workgroup]),
                **bound,
            )
        )["QueryExecutionId"]
        try:
            ended = self._ended(name)
        except (*INTERRUPTIONS, SourceError):
            athena.stop_query_execution(QueryExecutionId=name)
            raise
        status = ended["Status"]
        if status["State"] != "SUCCEEDED":
            reason = status.get("StateChangeReason", "no reason was given")
            raise QueryFailed(f"Athena's query {name} {status['State']}: {reason}")
        scanned = ended.get("Statistics", {}).get("DataScannedInBytes", 0)
        return {"query": name, "scanned_bytes": scanned}

    def _ended(self, name: str) -> Mapping[str, Any]:
        deadline = time.monotonic() + self.patience.total_seconds()
        while True:
            found: Mapping[str, Any] = patiently(
                lambda: client("athena").get_query_execution(QueryExecutionId=name)
            )["QueryExecution"]
            if found["Status"]["State"] in _ENDED:
                return found
            if time.monotonic() > deadline:
                raise SourceError(f"Athena's query {name} took over {self.patience}: stopped")
            time.sleep(self.poll_s)


def require_cutoff(workgroup: str, most_gb: float) -> None:
    """Pass only where the workgroup bounds what one query may scan, which is what it costs."""
    found = patiently(lambda: client("athena").get_work_group(WorkGroup=workgroup))
    cutoff = found["WorkGroup"].get("Configuration", {}).get("BytesScannedCutoffPerQuery")
    if not cutoff or cutoff > most_gb * _GB:
        now = f"at {cutoff / _GB:g} GB" if cutoff else "never"
        raise SourceError(
            f"workgroup {workgroup} cuts queries off {now}: set its BytesScannedCutoffPerQuery to "
            f"{most_gb:g} GB or less"
        )
