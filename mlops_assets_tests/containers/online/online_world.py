"""Records in a real feature store, and requests with and without what they hold."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow as pa

from mlops_assets.containers.handle import ArtifactHandler
from mlops_assets.containers.online_features.online import OnlineHandler, OnlineSettings
from mlops_assets.containers.online_features.online_store import OnlineStore
from mlops_assets.containers.reply import ARROW
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.feature_record import EVENT_TIME, entity_id, value_text
from mlops_assets_tests.ml.artifact import trained
from mlops_assets_tests.sagemaker_local.api import LocalApi

GROUP = "flights"
KEY = ("flight", "day")
COLUMNS = ("delay", "wind", "origin")
KNOWN = [name for name in trained.FEATURES if name not in COLUMNS]
ROWS = 250
NOW = 1_704_110_400.0  # when the records are written, 2024-01-01T12:00:00Z
TIME = "2024-01-01T12:00:00.000Z"


def record(row: dict[str, Any], moment: str = TIME) -> list[dict[str, str]]:
    texts = {name: value_text(row[name]) for name in COLUMNS}
    key = {"entity": entity_id([row[name] for name in KEY]), EVENT_TIME: moment}
    return [
        {"FeatureName": name, "ValueAsString": text}
        for name, text in {**key, **texts}.items()
        if text is not None
    ]


class Reads:
    """The API's client, which counts what is read through it."""

    def __init__(self, api: LocalApi) -> None:
        self.asked: list[int] = []
        self.client = api.client("sagemaker-featurestore-runtime")
        self.client.meta.events.register("provide-client-params.*.BatchGetRecord", self._count)

    def _count(self, params: dict[str, Any], **_: Any) -> None:
        self.asked.append(len(params["Identifiers"][0]["RecordIdentifiersValueAsString"]))


def online(
    artifact: Artifact,
    client: Any,
    clock: float = NOW,
    *,
    refuses_extra: bool = False,
    **settings: Any,
) -> OnlineHandler:
    """Completes requests by a client's reads; the time is ``clock``."""
    numeric = {column.name: column.type == "number" for column in artifact.manifest.columns}
    store = OnlineStore(GROUP, [EVENT_TIME, *COLUMNS], client=client, timeout=0.5, patience=1)
    return OnlineHandler(
        ArtifactHandler(artifact, refuses_extra=refuses_extra),
        OnlineSettings(GROUP, KEY, COLUMNS, **settings),
        numeric,
        store,
        clock=lambda: clock,
    )


def only(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


BODIES = {
    "application/json": json.dumps,
    "application/json; charset=utf-8": lambda rows: json.dumps({"instances": rows}),
    "application/json;frame": lambda rows: json.dumps(
        {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
    ),
    "application/jsonlines": lambda rows: "\n".join(map(json.dumps, rows)),
    "text/csv": as_csv,
    ARROW: lambda rows: as_arrow(pa.Table.from_pylist(rows)),
}


def ask(handler: Any, content_type: str, rows: list[dict[str, Any]]) -> Any:
    body = BODIES[content_type](rows)
    data = body if isinstance(body, bytes) else body.encode()
    return handler.handle(content_type.replace(";frame", ""), "application/json", data)


def answers(reply: Any) -> list[float]:
    assert reply.status == 200, reply.body
    return json.loads(reply.body)["predictions"]
