"""Features that cannot be read by entity key: an error that says why, never a wrong answer."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlops_assets.containers.handle import ArtifactHandler
from mlops_assets.containers.online_features.online import with_online_features
from mlops_assets.containers.online_features.online_store import OnlineStore
from mlops_assets.containers.reply import ARROW
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets_tests.containers.online.online_world import (
    GROUP,
    KEY,
    KNOWN,
    answers,
    as_arrow,
    ask,
    online,
    only,
)
from mlops_assets_tests.ml.artifact import trained

pytestmark = pytest.mark.integration


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


@pytest.mark.parametrize("content_type", ["application/json", ARROW])
def test_more_records_than_can_be_read_in_time_are_refused(
    handler, rows, content_type, monkeypatch
):
    monkeypatch.setattr("mlops_assets.containers.online_features.online.MOST_RECORDS", 9)
    asked = [only(r, *KEY, *KNOWN) for r in rows[:10]]
    reply = ask(handler, content_type, asked)
    assert (reply.status, reply.cause) == (413, "too_large")
    assert ask(handler, content_type, asked[:9]).status == 200


def test_keys_in_a_table_are_texts_or_integers(handler, rows):
    table = pa.Table.from_pylist([only(r, *KEY, *KNOWN) for r in rows[:3]])
    coded = table.set_column(0, "flight", table["flight"].dictionary_encode())
    reply = handler.handle(ARROW, "", as_arrow(coded))
    assert reply.status == 400
    assert "key column 'flight' must hold texts or integers" in json.loads(reply.body)["error"]
    assert handler.handle(ARROW, "", as_arrow(table)[:-40]).status == 400
    assert handler.handle(ARROW, "", as_arrow(table.drop_columns("day"))).status == 400


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
