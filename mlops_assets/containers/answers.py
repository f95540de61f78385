"""A model's answers as replies: to one row, to a matrix, to several requests in one run.

Belongs here: what becomes of answers and of errors. Does not: bodies (bodies.py), or which way a
request takes (handle.py). Nothing of a payload is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_assets.containers.reading.quick import GIVES_UP, Rows
from mlops_assets.containers.reply import Refused, Reply, error, render, render_one
from mlops_assets.ml.artifact.compiled import Fill, cells_of
from mlops_assets.ml.artifact.errors import EncodingError

Matrix = NDArray[np.float32]

log = logging.getLogger(__name__)


class Batch:
    """Rows of several requests on their way through one run of the model: first those of requests
    with a single row, encoded in place, then the matrices of the others."""

    def __init__(self, requests: int, width: int) -> None:
        self._rows = np.empty((requests, width), dtype=np.float32)
        self._cells = cells_of(self._rows)
        self._width = width
        self._used = 0
        self._matrices: list[Matrix] = []
        self._parts: list[tuple[str, int]] = []  # type to answer in, number among its sort

    def add_row(self, quick: tuple[Fill, Rows], kind: str) -> bool:
        """Take a request of one row; False if the compiled encoder gives up on it."""
        try:
            quick[0](quick[1][0], self._cells, self._used * self._width)
        except GIVES_UP:
            return False
        self._parts.append((kind, self._used))
        self._used += 1
        return True

    def add(self, matrix: Matrix, kind: str) -> None:
        """Take a request of any rows."""
        self._matrices.append(matrix)
        self._parts.append((kind, -len(self._matrices)))

    def replies(self, answer: Callable[[Matrix], NDArray[np.float64]]) -> list[Reply]:
        """The replies, in the order in which the requests were taken."""
        if not self._parts:
            return []
        rows = self._rows[: self._used]
        answers = answer(np.concatenate([rows, *self._matrices]) if self._matrices else rows)
        ends = np.cumsum([self._used, *map(len, self._matrices)]).tolist()
        ones = answers[: self._used].tolist()
        return [
            reply_one(ones[at], kind)
            if at >= 0
            else reply(answers[ends[-at - 1] : ends[-at]], kind)
            for kind, at in self._parts
        ]


def reply(answers: NDArray[np.float64], kind: str) -> Reply:
    """The reply to a matrix of rows."""
    finite = np.isfinite(answers)
    if not finite.all():
        return _not_finite(int(np.argwhere(~finite)[0][0]) + 1)
    return Reply(200, kind, render(answers, kind), len(answers))


def reply_one(answer: Any, kind: str) -> Reply:
    """The reply to one row: a float, or for multiclass a list of them."""
    finite = isfinite(answer) if type(answer) is float else all(map(isfinite, answer))
    return Reply(200, kind, render_one(answer, kind), 1) if finite else _not_finite(1)


def _not_finite(row: int) -> Reply:
    log.error("the model's answer is not a finite number")
    return error(500, f"row {row}: the model's answer is not a finite number", "nan")


def failed(failure: Exception) -> Reply:
    """What an error becomes: the caller's own mistakes are told, all else only logged."""
    if isinstance(failure, Refused):
        return error(failure.status, failure.message)
    if isinstance(failure, EncodingError):
        return error(400, str(failure))
    log.error("a request failed", exc_info=failure)
    return error(500, "the model server failed; its log says why")
