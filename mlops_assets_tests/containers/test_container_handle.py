"""The core without HTTP: statuses, and what a caller never gets to see."""

from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np
import pytest

from mlops_assets.containers.handle import ArtifactHandler
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
    """An artifact whose model went wrong."""

    def __init__(self, spec: Any, answer: Any) -> None:
        self.spec = spec
        self._answer = answer

    def predict(self, columns: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return np.array(self._answer)


def test_a_nan_is_an_error_and_not_an_answer(artifact: Artifact) -> None:
    """Guards against {"predictions": [null]} with a 200."""
    handler = ArtifactHandler(Broken(artifact.spec, [0.5, np.nan]))  # type: ignore[arg-type]
    reply = handler.handle("application/json", "", json.dumps([ROW, ROW]).encode())
    assert reply.status == 500
    assert json.loads(reply.body)["error"] == "row 2: the model's answer is not a finite number"


def test_a_failure_is_in_the_log_and_not_in_the_reply(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against a traceback or a path in a reply, and against a payload in the log."""
    broken = Broken(artifact.spec, RuntimeError("cannot open /opt/ml/secret"))
    with caplog.at_level(logging.DEBUG):
        reply = ArtifactHandler(broken).handle("application/json", "", BODY)  # type: ignore[arg-type]
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert b"Traceback" not in reply.body
    assert "cannot open /opt/ml/secret" in caplog.text
    assert "1000000" not in caplog.text
