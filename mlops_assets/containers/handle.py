"""One request, whatever brought it: `handle(content_type, accept, body)` → Reply.

Belongs here: what a front needs of an engine, and the engine of models that take encoded rows. Does
not: HTTP, or threads (front.py, service.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mlops_assets.containers.answers import Batch, failed, reply, reply_one
from mlops_assets.containers.reading.bodies import Bodies
from mlops_assets.containers.reading.quick import GIVES_UP
from mlops_assets.containers.reply import JSON, Reply, negotiate
from mlops_assets.ml.artifact.compiled import Cells
from mlops_assets.ml.artifact.encode import Encoder

# Below this a request is answered in less time than handing it to a thread takes.
INLINE_BYTES = 8 * 1024

# Accept headers come from callers: no more than so many are remembered.
_KEPT = 256


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

    @property
    def cells(self) -> Cells:
        """The encoded row, to be written."""

    def run(self) -> Any:
        """The answer: a float, or for multiclass a list of them."""


class Model(Protocol):
    """What ArtifactHandler needs of a model; safe to use from several threads at once."""

    @property
    def encoder(self) -> Encoder:
        """What encodes its rows."""

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
                    return reply_one(place.run(), kind)
            matrix = self._bodies.matrix(content_type, body, quick)
            return reply(self._model.answer(matrix), kind)
        except Exception as failure:
            return failed(failure)

    def handle_many(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer several requests, each as `handle` would, by one run of the model."""
        if len(requests) <= 1:
            return [self.handle(*request) for request in requests]
        batch = Batch(len(requests), self._model.encoder.width)
        refused: dict[int, Reply] = {}
        for index, (content_type, accept, body) in enumerate(requests):
            try:
                kind = self._accepted.get(accept) or self._negotiated(accept)
                quick = self._bodies.quick(content_type, body)
                if quick is None or len(quick[1]) != 1 or not batch.add_row(quick, kind):
                    batch.add(self._bodies.matrix(content_type, body, quick), kind)
            except Exception as failure:
                refused[index] = failed(failure)
        try:
            replies = iter(batch.replies(self._model.answer))
        except Exception as failure:
            told = failed(failure)
            return [refused.get(index, told) for index in range(len(requests))]
        return [refused.get(index) or next(replies) for index in range(len(requests))]

    def _negotiated(self, accept: str) -> str:
        kind = negotiate(accept, self._default)
        if len(self._accepted) >= _KEPT:
            self._accepted.clear()
        self._accepted[accept] = kind
        return kind
