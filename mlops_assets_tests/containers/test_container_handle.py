"""The core without HTTP: statuses, and what a caller never gets to see."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from mlops_assets.containers.handle import ArtifactHandler, Request
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets_tests.ml.artifact import trained

ROW = [1_000_000.0, 1013.25, 3, 4.5, "UA", "JFK"]
BODY = json.dumps([ROW]).encode()


def test_an_answer(artifact: Artifact) -> None:
    """The control of the failures below."""
    reply = ArtifactHandler(artifact).handle("application/json", "", BODY)
    columns = {name: [value] for name, value in zip(trained.FEATURES, ROW, strict=True)}
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert json.loads(reply.body) == {"predictions": artifact.predict(columns).tolist()}


@pytest.mark.parametrize(
    ("content_type", "accept", "body", "status"),
    [
        ("application/json", "text/html", BODY, 406),
        ("text/plain", "", BODY, 415),
        ("application/json", "", b"[[1]]", 400),
        ("application/json", "", b'[[1e300, 1, 1, 1, "UA", "JFK"]]', 400),
    ],
)
def test_a_refusal_is_json_with_a_reason(
    artifact: Artifact, content_type: str, accept: str, body: bytes, status: int
) -> None:
    """Guards against an empty reply, or one in another shape."""
    reply = ArtifactHandler(artifact).handle(content_type, accept, body)
    assert (reply.status, reply.content_type) == (status, "application/json")
    assert list(json.loads(reply.body)) == ["error"]


class Broken:
    """An artifact whose model went wrong: every row is answered alike, or with an exception."""

    def __init__(self, artifact: Artifact, answer: Any) -> None:
        self.encoder = artifact.encoder
        self.cells = artifact.one_row().cells
        self._answer = answer

    def one_row(self) -> Broken:
        return self

    def run(self) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def answer(self, matrix: Any) -> Any:
        """NaN where the first cell is not finite, as a model without a guard has it."""
        self.run()
        return matrix[:, 2] * 0.0 + self._answer


@pytest.mark.parametrize("rows", [1, 2])
def test_a_nan_is_an_error_and_not_an_answer(artifact: Artifact, rows: int) -> None:
    """Guards against {"predictions": [null]} with a 200, and one that nobody counts."""
    handler = ArtifactHandler(Broken(artifact, np.nan))
    reply = handler.handle("application/json", "", json.dumps([ROW] * rows).encode())
    assert (reply.status, reply.cause, reply.rows) == (500, "nan", 0)
    assert json.loads(reply.body)["error"] == "row 1: the model's answer is not a finite number"


@pytest.mark.parametrize("rows", [1, 2])
def test_a_failure_is_in_the_log_and_not_in_the_reply(
    artifact: Artifact, caplog: pytest.LogCaptureFixture, rows: int
) -> None:
    """Guards against a traceback or a path in a reply, and against a payload in the log."""
    broken = Broken(artifact, RuntimeError("cannot open /opt/ml/secret"))
    with caplog.at_level(logging.DEBUG):
        handler = ArtifactHandler(broken)
        reply = handler.handle("application/json", "", json.dumps([ROW] * rows).encode())
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert b"Traceback" not in reply.body
    assert "cannot open /opt/ml/secret" in caplog.text
    assert "1000000" not in caplog.text


GAP = [1_000_000.0, 1013.25, None, 4.5, "UA", "JFK"]


def request(*rows: Any, accept: str = "", kind: str = "application/json") -> Request:
    """A request with rows as JSON."""
    return Request(kind, accept, json.dumps(rows).encode())


def test_requests_answered_together_are_answered_as_alone(artifact: Artifact) -> None:
    """Guards against rows that are mixed up between callers, or shifted by a refused request."""
    handler = ArtifactHandler(artifact)
    requests = [
        request(ROW),
        request(GAP, ROW, accept="text/csv"),
        request([1]),
        request(ROW, kind="text/plain"),
        request(ROW, GAP, ROW, accept="application/jsonlines"),
        request(ROW, accept="text/html"),
        request(GAP),
    ]
    together = handler.handle_many(requests)
    assert together == [handler.handle(*each) for each in requests]
    assert [reply.status for reply in together] == [200, 200, 400, 415, 200, 406, 200]
    assert [reply.rows for reply in together] == [1, 2, 0, 0, 3, 0, 1]
    assert handler.handle_many([]) == []
    assert handler.handle_many(requests[2:4]) == together[2:4]


def test_of_requests_answered_together_only_the_one_with_a_nan_fails(artifact: Artifact) -> None:
    """Guards against one caller's row spoiling everybody's answer."""
    handler = ArtifactHandler(Broken(artifact, 0.5))
    replies = handler.handle_many([request(ROW), request(ROW, GAP), request(ROW)])
    assert [(reply.status, reply.cause) for reply in replies] == [
        (200, ""),
        (500, "nan"),
        (200, ""),
    ]
    assert json.loads(replies[1].body)["error"].startswith("row 2:")


def test_when_the_model_fails_all_that_asked_it_are_told(artifact: Artifact) -> None:
    """Guards against callers that wait for ever, and against a refusal that turns into a 500."""
    handler = ArtifactHandler(Broken(artifact, RuntimeError("no")))
    replies = handler.handle_many([request(ROW), request([1]), request(ROW)])
    assert [reply.status for reply in replies] == [500, 400, 500]


def test_many_threads_at_once_get_their_own_answers(artifact: Artifact) -> None:
    """Guards against a buffer that two threads write into."""
    handler = ArtifactHandler(artifact)
    frame = trained.with_gaps(trained.frame(256, seed=9))
    plain = frame.astype(object).where(frame.notna(), None)
    requests = [request(row) for row in plain.to_numpy().tolist()] * 4
    expected = [handler.handle(*each).body for each in requests]
    assert len(set(expected)) > 200
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda each: handler.handle(*each).body, requests))
    assert got == expected


def test_headers_of_callers_are_not_kept_without_bound(artifact: Artifact) -> None:
    """Guards against memory that grows with every Accept and Content-Type that someone makes up."""
    handler = ArtifactHandler(artifact)
    for index in range(600):
        kind = f"application/json; a={index}"
        assert handler.handle(kind, f"application/json, x/{index}", BODY).status == 200
    assert len(handler._accepted) <= 256
    assert len(handler._bodies._forms) <= 256
