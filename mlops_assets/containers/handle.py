"""One request, whatever brought it: `handle(content_type, accept, body)` → Reply.

Belongs here: the order of parse, predict and render, and what an error becomes. Does not: HTTP
(asgi.py is a front, and another can stand beside it), or threads. Nothing of a payload is logged.
"""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np

from mlops_assets.containers.parse import Parser
from mlops_assets.containers.reply import JSON, Refused, Reply, error, negotiate, render
from mlops_assets.ml.artifact.errors import EncodingError
from mlops_assets.ml.artifact.load import Artifact

log = logging.getLogger(__name__)


class Handler(Protocol):
    """What a front needs of an engine."""

    def handle(self, content_type: str, accept: str, body: bytes) -> Reply:
        """Answer a request; never raises."""


class ArtifactHandler:
    """Answers with a sealed artifact. Safe to call from several threads at once."""

    def __init__(self, artifact: Artifact, default_accept: str = JSON) -> None:
        self._artifact = artifact
        self._parse = Parser(artifact.spec)
        self._default = default_accept

    def handle(self, content_type: str, accept: str, body: bytes) -> Reply:
        """Answer a request: 200, 400, 406, 415 or 500, errors as {"error": …}."""
        try:
            kind = negotiate(accept, self._default)
            answers = self._artifact.predict(self._parse(content_type, body))
            if not np.isfinite(answers).all():
                row = int(np.argwhere(~np.isfinite(answers))[0][0]) + 1
                log.error("the model's answer is not a finite number")
                return error(500, f"row {row}: the model's answer is not a finite number")
            return Reply(200, kind, render(answers, kind))
        except Refused as refused:
            return error(refused.status, refused.message)
        except EncodingError as wrong:
            return error(400, str(wrong))
        except Exception:  # the last line of defence: the log gets it, the caller does not
            log.exception("a request failed")
            return error(500, "the model server failed; its log says why")
