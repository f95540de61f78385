"""Features read by entity key: the same answers as full rows, or an error, never a wrong answer."""

from __future__ import annotations

import csv
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_assets.containers.handle import ArtifactHandler
from mlops_assets.containers.online import (
    OnlineHandler,
    OnlineSettings,
    with_online_features,
)
from mlops_assets.containers.online_store import OnlineStore
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.feature_record import EVENT_TIME, entity_id, value_text
from mlops_assets_tests.ml.artifact import trained
from mlops_assets_tests.sagemaker_local.api import LocalApi, clean_environment

pytestmark = pytest.mark.integration

GROUP = "flights"
KEY = ("flight", "day")
COLUMNS = ("delay", "wind", "origin")
KNOWN = [name for name in trained.FEATURES if name not in COLUMNS]
ROWS = 250
NOW = 1_704_110_400.0  # when the records are written, 2024-01-01T12:00:00Z
TIME = "2024-01-01T12:00:00.000Z"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        server = LocalApi(tmp_path_factory.mktemp("online") / "sagemaker")
        features = {"entity": "String", EVENT_TIME: "String", "delay": "Fractional"}
        features |= {"wind": "Fractional", "origin": "String"}
        server.sm.create_feature_group(
            FeatureGroupName=GROUP,
            RecordIdentifierFeatureName="entity",
            EventTimeFeatureName=EVENT_TIME,
            FeatureDefinitions=[
                {"FeatureName": name, "FeatureType": kind} for name, kind in features.items()
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
        )
        yield server
        server.end()


@pytest.fixture(scope="module")
def rows(api: LocalApi) -> list[dict[str, Any]]:
    """Full rows with their keys, whose features are in the store; some values are missing."""
    frame = trained.frame(ROWS, seed=3)
    frame.loc[::9, "wind"] = np.nan
    frame.loc[::13, "origin"] = None
    frame["delay"] += 0.1  # no short decimal
    rows = [
        {
            "flight": f"AA|{n}%",
            "day": n,
            **{k: None if v is None or v != v else v for k, v in row.items()},
        }
        for n, row in enumerate(frame.to_dict("records"))
    ]
    client = api.client("sagemaker-featurestore-runtime")
    for at in range(0, ROWS, 25):
        entries = [{"FeatureGroupName": GROUP, "Record": record(row)} for row in rows[at : at + 25]]
        reply = client.batch_write_record(Entries=entries)
        assert not reply["Errors"]
    return rows


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


def online(artifact: Artifact, client: Any, clock: float = NOW, **settings: Any) -> OnlineHandler:
    numeric = {column.name: column.type == "number" for column in artifact.manifest.columns}
    store = OnlineStore(GROUP, [EVENT_TIME, *COLUMNS], client=client, timeout=0.5, patience=1)
    return OnlineHandler(
        ArtifactHandler(artifact),
        OnlineSettings(GROUP, KEY, COLUMNS, **settings),
        numeric,
        store,
        clock=lambda: clock,
    )


@pytest.fixture
def reads(api: LocalApi) -> Reads:
    return Reads(api)


@pytest.fixture
def handler(artifact: Artifact, reads: Reads, rows: list[dict[str, Any]]) -> OnlineHandler:
    return online(artifact, reads.client)


def only(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


BODIES = {
    "application/json": json.dumps,
    "application/json; charset=utf-8": lambda rows: json.dumps({"instances": rows}),
    "application/json;frame": lambda rows: json.dumps(
        {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
    ),
    "application/jsonlines": lambda rows: "\n".join(map(json.dumps, rows)),
    "text/csv": as_csv,
}


def ask(handler: Any, content_type: str, rows: list[dict[str, Any]]) -> Any:
    body = BODIES[content_type](rows)
    data = body if isinstance(body, bytes) else body.encode()
    return handler.handle(content_type.replace(";frame", ""), "application/json", data)


def answers(reply: Any) -> list[float]:
    assert reply.status == 200, reply.body
    return json.loads(reply.body)["predictions"]


@pytest.mark.parametrize("content_type", BODIES)
def test_keys_alone_give_exactly_the_answers_of_full_rows(handler, reads, rows, content_type):
    """Train/serve skew by a rounded float, a lost digit, or one entity's features for another."""
    full = answers(ask(handler, content_type, [only(r, *trained.FEATURES) for r in rows]))
    assert reads.asked == [], "full rows must cost no read"
    keyed = answers(ask(handler, content_type, [only(r, *KEY, *KNOWN) for r in rows]))
    assert keyed == full
    assert reads.asked == [100, 100, 50], "one batch for each hundred rows"
    assert len(set(full)) > ROWS // 2, "the rows must be told apart by their answers"


def test_one_batch_a_request_and_each_entity_once(handler, reads, rows):
    answers(ask(handler, "application/json", [only(r, *KEY, *KNOWN) for r in rows[:7] * 10]))
    assert reads.asked == [7]


def test_full_rows_may_bring_their_keys_along(handler, reads, rows):
    full = ask(handler, "text/csv", [only(r, *trained.FEATURES) for r in rows[:3]])
    assert ask(handler, "text/csv", rows[:3]).body == full.body
    assert reads.asked == []


def test_a_caller_that_knows_better_is_believed_column_by_column(handler, reads, rows):
    """What the caller sends wins over the store, a null included; the rest is read."""
    some = {**only(rows[1], *KEY, *KNOWN), "delay": 300.0, "wind": None}
    other = only(rows[2], *trained.FEATURES)
    got = answers(ask(handler, "application/json", [some, other]))
    whole = {**only(rows[1], *trained.FEATURES), "delay": 300.0, "wind": None}
    assert got == answers(ask(handler, "application/json", [whole, other]))
    assert reads.asked == [1]


def test_an_unknown_entity_has_missing_features_and_is_counted(handler, rows):
    stranger = {**only(rows[0], *KNOWN), "flight": "nobody", "day": 1}
    reply = ask(handler, "application/json", [stranger])
    nothing = {**only(rows[0], *KNOWN), **dict.fromkeys(COLUMNS)}
    assert answers(reply) == answers(ask(handler, "application/json", [nothing]))
    assert reply.cause == "online_missing"
    assert ask(handler, "application/json", [only(rows[0], *KEY, *KNOWN)]).cause == ""


@pytest.mark.parametrize(("age", "cause"), [(60, ""), (61, "online_stale")])
def test_old_records_count_as_missing(artifact, reads, rows, age, cause):
    handler = online(artifact, reads.client, clock=NOW + age, max_age_s=60)
    keyed = ask(handler, "application/json", [only(rows[1], *KEY, *KNOWN)])
    assert keyed.cause == cause
    full = only(rows[1], *trained.FEATURES) | (dict.fromkeys(COLUMNS) if cause else {})
    assert answers(keyed) == answers(ask(handler, "application/json", [full]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flight": None}, "row 2, key column 'flight': must be a text or a whole number"),
        ({"flight": ""}, "row 2, key column 'flight': must not be empty"),
        ({"day": 1.5}, "row 2, key column 'day': must be a text or a whole number"),
        ({"day": True}, "row 2, key column 'day'"),
        ({"day": [1]}, "row 2, key column 'day'"),
        ({"distance": "far"}, "row 2, column 'distance': must be a number"),
    ],
)
def test_wrong_input_is_named_by_row_and_column(handler, rows, change, message):
    wrong = only(rows[1], *KEY, *KNOWN) | change
    reply = ask(handler, "application/json", [only(rows[0], *KEY, *KNOWN), wrong])
    assert reply.status == 400
    assert message in json.loads(reply.body)["error"]


@pytest.mark.parametrize("content_type", ["application/json", "application/jsonlines"])
def test_a_row_without_its_key_says_what_to_send(handler, rows, content_type):
    reply = ask(handler, content_type, [only(rows[0], "flight", *KNOWN)])
    assert reply.status == 400
    error = json.loads(reply.body)["error"]
    assert error.startswith("row 1: send column 'delay', or the key column 'day'")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b"17"),
        ("application/json", b'{"instances": []}'),
        ("application/json", b'[{"flight": NaN}]'),
        ("application/json", b'{"columns": ["flight", "flight"], "data": [[1, 2]]}'),
        ("application/jsonlines", b'{"flight": 1}\n{'),
        ("text/csv", b""),
        ("text/csv", b"\xff\xfe"),
        ("text/csv", b"flight,day\n"),
        ("text/csv", b'flight,day,distance\nAA,1,"2\n'),
        ("text/csv", b"flight,day,distance\nAA,1\n"),
        ("text/csv", b"flight,day,distance\n\nAA,1,2\n"),
        ("text/csv", b"1,2,3\n"),
    ],
)
def test_what_is_not_understood_is_refused_by_the_engine(handler, content_type, body):
    reply = handler.handle(content_type, "application/json", body)
    assert reply.status == 400
    assert json.loads(reply.body)["error"]


def test_another_type_is_for_the_engine_to_refuse(handler):
    assert handler.handle("text/html", "", b"flight").status == 415


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def silence() -> Iterator[str]:
    """A server that takes every request and answers none."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for connection in kept:
            connection.close()


@pytest.mark.parametrize("where", ["nowhere", "silence"])
def test_a_store_that_cannot_be_reached_is_a_503_in_time(
    artifact, rows, where, request, monkeypatch
):
    """A guess at the features would be a wrong answer that looks right."""
    url = request.getfixturevalue(where)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME", url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    handler = online(artifact, None)
    started = time.monotonic()
    reply = ask(handler, "application/json", [only(rows[0], *KEY, *KNOWN)])
    assert reply.status == 503
    assert reply.cause == "online_unavailable"
    assert reply.header == ("retry-after", "1")
    assert url.encode() not in reply.body
    assert time.monotonic() - started < 30, "well within SageMaker's 60 s"
    full = ask(handler, "application/json", [only(rows[0], *trained.FEATURES)])
    assert full.status == 200, "who sends full rows must not care"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Errors", [{"ErrorCode": "InternalFailure"}]),
        (
            "UnprocessedIdentifiers",
            [{"FeatureGroupName": GROUP, "RecordIdentifiersValueAsString": ["x"]}],
        ),
    ],
)
def test_a_batch_that_is_read_in_part_is_no_answer(artifact, reads, rows, member, value):
    """A record that could not be read is not a record that is missing."""

    def spoil(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Records"] = []
        parsed[member] = value

    reads.client.meta.events.register("after-call.*.BatchGetRecord", spoil)
    reply = ask(online(artifact, reads.client), "application/json", [only(rows[0], *KEY, *KNOWN)])
    assert (reply.status, reply.cause) == (503, "online_unavailable")


def test_a_store_that_answers_nothing_instead_of_failing_would_change_answers(
    artifact, reads, rows, monkeypatch
):
    """The negative control: with the failure taken for missing records, a 200 would be wrong."""
    handler = online(artifact, reads.client)
    asked = [only(r, *KEY, *KNOWN) for r in rows[:20]]
    right = answers(ask(handler, "application/json", asked))
    monkeypatch.setattr(OnlineStore, "read", lambda self, identifiers: {})
    assert answers(ask(handler, "application/json", asked)) != right


def test_what_the_service_leaves_unprocessed_is_asked_for_again(artifact, reads, rows):
    left_out = []

    def postpone(parsed: dict[str, Any], **_: Any) -> None:
        if not left_out:
            left_out.append(parsed["Records"].pop()["RecordIdentifierValueAsString"])
            parsed["UnprocessedIdentifiers"] = [
                {"FeatureGroupName": GROUP, "RecordIdentifiersValueAsString": left_out}
            ]

    reads.client.meta.events.register("after-call.*.BatchGetRecord", postpone)
    handler = online(artifact, reads.client)
    keyed = answers(ask(handler, "application/json", [only(r, *KEY, *KNOWN) for r in rows[:9]]))
    assert reads.asked == [9, 1]
    full = [only(r, *trained.FEATURES) for r in rows[:9]]
    assert keyed == answers(ask(handler, "application/json", full))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "MLOPS_ONLINE must be"),
        ("[]", "MLOPS_ONLINE must be"),
        ('{"group": "g", "key": ["k"]}', "MLOPS_ONLINE must be"),
        ('{"group": "g", "key": ["k"], "columns": ["late"]}', "has no columns \\['late'\\]"),
    ],
)
def test_settings_that_do_not_fit_the_model_end_the_start(model: Path, text: str, message: str):
    with pytest.raises(ValueError, match=message):
        with_online_features(ArtifactHandler(Artifact.load(model)), text, model)


def test_the_served_process_reads_from_the_store(api, rows, model, servers):
    """The whole way: environment, threads of the front, metrics."""
    settings = {"group": GROUP, "key": KEY, "columns": COLUMNS, "max_age_s": None}
    server = servers.start(
        model,
        MLOPS_ONLINE=json.dumps(settings),
        AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME=api.url,
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",
        AWS_REGION="us-east-1",
    )
    keyed, full = (
        server.post(
            json.dumps([only(r, *names, *KNOWN) for r in rows[:20]]).encode(), "application/json"
        )
        for names in (KEY, COLUMNS)
    )
    assert keyed.status_code == full.status_code == 200
    assert keyed.content == full.content
