"""One request, whatever brought it: `handle(content_type, accept, body)` → Reply.

Belongs here: the order of parse, predict and render, the engine of sealed artifacts, and what an
error becomes. Does not: HTTP, or threads (front.py, service.py). Nothing of a payload is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mlops_assets.containers.bodies import Bodies
from mlops_assets.containers.quick import GIVES_UP
from mlops_assets.containers.reply import (
    JSON,
    Refused,
    Reply,
    error,
    negotiate,
    render,
    render_one,
)
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.errors import EncodingError

# Below this a request is answered in less time than handing it to a thread takes.
INLINE_BYTES = 8 * 1024

# Accept headers come from callers: no more than so many are remembered.
_KEPT = 256

log = logging.getLogger(__name__)


class Request(NamedTuple):
    """What a front has of a request when its body is complete."""

    content_type: str
    accept: str
    body: bytes


class Handler(Protocol):
    """What a front needs of an engine.

    Bodies of up to `inline_bytes` may be answered on the event loop (-1: none, the engine blocks).
    Where `batches`, the requests that wait together are best answered by one `handle_many`.
    """

    inline_bytes: int
    batches: bool

    def handle(self, content_type: str, accept: str, body: bytes) -> Reply:
        """Answer a request; never raises. Safe to call from several threads at once."""

    def handle_many(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer several requests, each as `handle` would."""


class Place(Protocol):
    """Where a single row is put to be answered."""

    cells: memoryview

    def run(self) -> Any:
        """The answer: a float, or for multiclass a list of them."""


class Model(Protocol):
    """What ArtifactHandler needs of a model; safe to use from several threads at once."""

    encoder: Encoder

    def one_row(self) -> Place:
        """This thread's place for a row."""

    def answer(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """The answers to encoded rows."""


class ArtifactHandler:
    """Answers with a model that takes encoded rows. Safe to call from several threads at once."""

    inline_bytes = INLINE_BYTES

    def __init__(
        self,
        model: Model,
        default_accept: str = JSON,
        *,
        refuses_extra: bool = False,
        batches: bool = False,
    ) -> None:
        self.batches = batches
        self._model = model
        self._one_row = model.one_row
        self._bodies = Bodies(model.encoder, refuses_extra=refuses_extra)
        self._default = default_accept
        self._accepted: dict[str, str] = {}

    def handle(self, content_type: str, accept: str, body: bytes) -> Reply:
        """Answer a request: 200, 400, 406, 415 or 500, errors as {"error": …}."""
        try:
            kind = self._accepted.get(accept) or self._negotiated(accept)
            quick = self._bodies.quick(content_type, body)
            if quick is not None and len(quick[1]) == 1:
                place = self._one_row()
                try:
                    quick[0](quick[1][0], place.cells, 0)
                except GIVES_UP:
                    quick = None
                else:
                    return _reply_one(place.run(), kind)
            matrix = self._bodies.matrix(content_type, body, quick)
            return _reply(self._model.answer(matrix), kind)
        except Exception as failure:
            return _failed(failure)

    def handle_many(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer several requests, each as `handle` would, by one run of the model."""
        if len(requests) == 1:
            return [self.handle(*requests[0])]
        replies: list[Reply | None] = []
        kinds: list[str] = []
        matrices: list[NDArray[np.float32]] = []
        for content_type, accept, body in requests:
            try:
                kind = self._accepted.get(accept) or self._negotiated(accept)
                quick = self._bodies.quick(content_type, body)
                matrices.append(self._bodies.matrix(content_type, body, quick))
                kinds.append(kind)
                replies.append(None)
            except Exception as failure:
                replies.append(_failed(failure))
        try:
            answers = self._model.answer(np.concatenate(matrices)) if matrices else np.empty(0)
        except Exception as failure:
            return [_failed(failure) if reply is None else reply for reply in replies]
        ends = np.cumsum([len(matrix) for matrix in matrices]).tolist()
        parts = iter(zip(kinds, [0, *ends], ends, strict=False))
        for index, reply in enumerate(replies):
            if reply is None:
                kind, start, end = next(parts)
                replies[index] = _reply(answers[start:end], kind)
        return replies

    def _negotiated(self, accept: str) -> str:
        kind = negotiate(accept, self._default)
        if len(self._accepted) >= _KEPT:
            self._accepted.clear()
        self._accepted[accept] = kind
        return kind


def _reply(answers: NDArray[np.float64], kind: str) -> Reply:
    finite = np.isfinite(answers)
    if not finite.all():
        return _not_finite(int(np.argwhere(~finite)[0][0]) + 1)
    return Reply(200, kind, render(answers, kind), len(answers))


def _reply_one(answer: Any, kind: str) -> Reply:
    """The reply to one row: a float, or for multiclass a list of them."""
    finite = isfinite(answer) if type(answer) is float else all(map(isfinite, answer))
    return Reply(200, kind, render_one(answer, kind), 1) if finite else _not_finite(1)


def _not_finite(row: int) -> Reply:
    log.error("the model's answer is not a finite number")
    return error(500, f"row {row}: the model's answer is not a finite number", "nan")


def _failed(failure: Exception) -> Reply:
    """What an error becomes: the caller's own mistakes are told, all else only logged."""
    if isinstance(failure, Refused):
        return error(failure.status, failure.message)
    if isinstance(failure, EncodingError):
        return error(400, str(failure))
    log.error("a request failed", exc_info=failure)
    return error(500, "the model server failed; its log says why")
