"""The function of the stack `search`, as its template has it, against a server that answers as
OpenSearch does; and what the stack says of who reads and who writes."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from mlops_assets_tests.deploy.template import FOLDER, parse

RESOURCES = parse(FOLDER / "search.yaml")["Resources"]
CODE = RESOURCES["Copier"]["Properties"]["Code"]["ZipFile"]
TAKEN = 201
Answers = Callable[[Sequence[dict[str, Any]]], list[int]]


class Collection:
    """Takes documents; ``answers`` says with which status each."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.answers: Answers = lambda documents: [TAKEN] * len(documents)

    def bulk(self, body: bytes) -> dict[str, Any]:
        self.requests += 1
        lines = [json.loads(line) for line in body.splitlines()]
        assert lines[::2] == [{"index": {"_index": "tasks"}}] * (len(lines) // 2)
        statuses = self.answers(lines[1::2])
        told = list(zip(lines[1::2], statuses, strict=True))
        self.taken += [document for document, status in told if status == TAKEN]
        return {"items": [{"index": {"status": each}} for each in statuses]}


@pytest.fixture
def collection(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    made = Collection()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/_bulk"
            made.headers = {name.lower(): value for name, value in self.headers.items()}
            answer = json.dumps(made.bulk(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        for name, value in {
            "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t",
            "AWS_REGION": "eu-central-1", "COLLECTION": f"http://127.0.0.1:{server.server_port}",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        yield made
        server.shutdown()
        thread.join()


def _function() -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "index"}
    exec(compile(CODE, "search.yaml", "exec"), found)  # noqa: S102 - our own template
    found["time"] = type("time", (), {"sleep": staticmethod(lambda seconds: None)})
    return found


def _call(*messages: str, kind: str = "DATA_MESSAGE") -> Any:
    events = [
        {"id": str(n), "timestamp": 1700000000000 + n, "message": m} for n, m in enumerate(messages)
    ]
    batch = {"messageType": kind, "logStream": "run/run/1", "logEvents": events}
    data = base64.b64encode(gzip.compress(json.dumps(batch).encode())).decode()
    return _function()["handler"]({"awslogs": {"data": data}}, None)


def test_each_event_is_a_document_with_the_fields_of_its_line(collection: Collection) -> None:
    """Several events in one document, which nobody finds by their run or their level."""
    line = {
        "level": "ERROR",
        "run": "r1",
        "partition": "2013-01",
        "message": "no rows",
        "secret": 1,
    }
    assert _call(json.dumps(line), "Traceback (most recent call last):", "[1, 2]") == 3
    first, second, third = collection.taken
    assert first == {
        "level": "ERROR", "run": "r1", "partition": "2013-01", "message": "no rows",
        "id": "0", "stream": "run/run/1", "@timestamp": 1700000000000,
    }  # fmt: skip
    assert second["message"].startswith("Traceback")
    assert third["message"] == "[1, 2]"


def test_fields_are_those_of_our_lines() -> None:
    """A field that is renamed in the log and never found again."""
    from mlops_assets.logs.json_lines import _of_run

    step = type("Event", (), {"asset_key": None, "partition": "p", "event_type_value": "X"})
    meta = {"dagster_event": step, "run_id": "r", "job_name": "j", "step_key": "s",
            "job_tags": {"pipeline": "f"}}  # fmt: skip
    assert _function()["FIELDS"] == {*_of_run(meta), "error", "level", "logger", "message", "time"}


def test_requests_are_signed_for_serverless(collection: Collection) -> None:
    """OpenSearch Serverless refuses a signature that does not cover the body's digest."""
    _call("x")
    signed = collection.headers["authorization"]
    assert "/eu-central-1/aoss/aws4_request" in signed
    assert "x-amz-content-sha256" in signed
    assert len(collection.headers["x-amz-content-sha256"]) == 64


def test_only_what_was_not_taken_goes_again(collection: Collection) -> None:
    """A busy collection: events that are lost, or that are there twice."""
    collection.answers = lambda documents: (
        [TAKEN, 429, 503] if len(documents) == 3 else [TAKEN] * len(documents)
    )
    assert _call("a", "b", "c") == 3
    assert sorted(each["id"] for each in collection.taken) == ["0", "1", "2"]
    assert collection.requests == 2


def test_what_is_never_taken_does_not_hold_the_others_up(
    collection: Collection, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line of a wrong form, for which the whole batch is tried again and again."""
    collection.answers = lambda documents: [400, TAKEN]
    assert _call("a", "b") == 2
    assert [each["id"] for each in collection.taken] == ["1"]
    assert json.loads(capsys.readouterr().out)["refused"] == "0"


def test_a_collection_that_is_down_is_an_error(collection: Collection) -> None:
    """Negative control: batches that vanish, with a function that says all is well."""
    collection.answers = lambda documents: [503] * len(documents)
    with pytest.raises(RuntimeError, match="1 of 1 events were not taken"):
        _call("a")
    assert collection.requests == 4


def test_cloudwatchs_own_messages_are_none(collection: Collection) -> None:
    assert _call("CWL CONTROL MESSAGE", kind="CONTROL_MESSAGE") == 0
    assert collection.requests == 0


def _policy(name: str) -> Any:
    given = RESOURCES[name]["Properties"]["Policy"]
    return json.loads(given["Fn::Sub"])


def test_who_reads_does_not_write_and_nobody_deletes() -> None:
    """A searcher who can change what was logged; a function that could read it all."""
    function, people = _policy("SearchAccess")
    assert function["Principal"] == ["${CopierRole.Arn}"]
    rights = {p for rule in function["Rules"] for p in rule["Permission"]}
    assert "aoss:ReadDocument" not in rights
    on_logs = [rule for rule in people["Rules"] if rule["Resource"] == ["index/mlops-logs/tasks"]]
    assert {p for rule in on_logs for p in rule["Permission"]} == {
        "aoss:DescribeIndex", "aoss:ReadDocument",
    }  # fmt: skip
    assert "Delete" not in json.dumps([function, people])
    assert "aoss:*" not in json.dumps([function, people])


def test_the_collection_is_encrypted_by_our_key_and_closed_to_the_internet() -> None:
    """A policy of JSON inside YAML, which no linter looks into."""
    encryption = _policy("SearchEncryption")
    assert (encryption["AWSOwnedKey"], encryption["KmsARN"]) == (False, "${OperationsKeyArn}")
    _, anywhere, in_the_vpc = RESOURCES["SearchNetwork"]["Properties"]["Policy"]["Fn::If"]
    for policy in (anywhere, in_the_vpc):
        for part in json.loads(policy["Fn::Sub"]):
            kinds = {rule["ResourceType"] for rule in part["Rules"]}
            assert part["AllowFromPublic"] is False or kinds == {"dashboard"}
    assert _policy("SearchRetention")["Rules"][0]["MinIndexRetention"] == "${Days}d"
