"""Redshift's Data API over HTTP, with SQLite behind it: moto's runs nothing and lists nothing.

Here: the five operations that are called, statements that run until they are let go on, UNLOAD to
S3 with its manifest. Not here: Redshift's SQL beyond what the source writes, which SQLite can run.
"""

import json
import re
import sqlite3
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pandas as pd

from mlops_assets_tests.resources.ingestion.conftest import put_parquet

_UNLOAD = re.compile(r"UNLOAD \('(.*)'\) TO '([^']+)' IAM_ROLE '[^']+' FORMAT AS PARQUET MANIFEST "
                     r"VERBOSE", re.S)  # fmt: skip


class DataApi:
    """The service; ``statements`` are all that were ever asked for, in their order."""

    def __init__(self) -> None:
        self.statements: list[dict[str, Any]] = []
        self.tokens: dict[str, str] = {}
        self.hold = False  # statements stay STARTED
        self.fail = ""  # the next statements end with this error
        self.lose_rows = 0
        self.lock = threading.RLock()
        self.sql = sqlite3.connect(":memory:", check_same_thread=False)
        self.sql.execute("ATTACH ':memory:' AS shop")
        self.sql.create_function("DATE_TRUNC", 2, lambda _, t: f"{t[:13]}:00:00")
        handler = type("Handler", (_Handler,), {"api": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            return getattr(self, f"_{operation}")(asked)

    def _ExecuteStatement(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if token := asked.get("ClientToken"):
            if token in self.tokens:
                return {"Id": self.tokens[token]}
            self.tokens[token] = str(uuid.uuid4())
        made = {**asked, "Id": self.tokens.get(token or "", str(uuid.uuid4())), "Status": "STARTED"}
        self.statements.append(made)
        return {"Id": made["Id"]}

    def _DescribeStatement(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = self._find(asked)
        if found["Status"] == "STARTED" and not self.hold:
            self._finish(found)
        return {key: found[key] for key in ("Id", "Status", "Error") if key in found}

    def _ListStatements(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        wanted = asked.get("StatementName", "")
        found = [s for s in reversed(self.statements)
                 if s.get("StatementName", "").startswith(wanted)]  # fmt: skip
        return {"Statements": [{k: s[k] for k in ("Id", "Status", "StatementName") if k in s}
                               for s in found]}  # fmt: skip

    def _CancelStatement(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._find(asked)["Status"] = "ABORTED"
        return {"Status": True}

    def _GetStatementResult(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        rows = self._find(asked)["rows"]
        return {"ColumnMetadata": [], "Records": [
            [{"longValue": v} if isinstance(v, int) else {"stringValue": str(v)} for v in row]
            for row in rows
        ]}  # fmt: skip

    def _find(self, asked: dict[str, Any]) -> dict[str, Any]:
        return next(s for s in self.statements if s["Id"] == asked["Id"])

    def _finish(self, statement: dict[str, Any]) -> None:
        if self.fail:
            statement |= {"Status": "FAILED", "Error": self.fail}
            return
        given = {p["name"]: p["value"] for p in statement.get("Parameters", [])}
        if unload := _UNLOAD.match(statement["Sql"]):
            frame = pd.read_sql_query(unload[1].replace("''", "'"), self.sql)
            self._unload(frame, unload[2])
        else:
            statement["rows"] = self.sql.execute(statement["Sql"], given).fetchall()
        statement["Status"] = "FINISHED"

    def _unload(self, frame: pd.DataFrame, place: str) -> None:
        """Two files, and the manifest last."""
        entries = []
        for number, start in enumerate(range(0, len(frame), max(1, -(-len(frame) // 2)))):
            part = frame.iloc[start : start + max(1, -(-len(frame) // 2))]
            uri = f"{place}{number:04}_part_00.parquet"
            kept = part.iloc[: len(part) - (self.lose_rows if number == 0 else 0)]
            size = put_parquet(uri, kept)
            entries.append({"url": uri, "meta": {"content_length": size,
                                                 "record_count": len(part)}})  # fmt: skip
        bucket, _, key = f"{place}manifest".removeprefix("s3://").partition("/")
        body = json.dumps({"entries": entries}).encode()
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


class _Handler(BaseHTTPRequestHandler):
    api: DataApi

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(self.api.answer(self.headers["X-Amz-Target"].split(".")[1], asked))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing: a line for every request."""
