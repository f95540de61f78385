"""The serving process's log: one JSON object a line on stderr, and never anything of a payload.

Belongs here: the format, and how many lines a second errors may take. Does not: deciding what is an
error (service.py). Successes are never logged: /metrics counts them. An exception is logged by its
type and where it happened; its message, which may quote a payload, only at DEBUG level.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from contextvars import ContextVar

# X-Amzn-SageMaker-Inference-Id of the request that this thread or callback works on.
inference_id: ContextVar[str] = ContextVar("inference_id", default="")

# SageMaker's own bound is 64 characters.
ID_LENGTH = 64

LINES_A_SECOND = 20

log = logging.getLogger("mlops_assets.serve")


class JsonLines(logging.Formatter):
    """time, level, logger, message, the inference id, and `fields` given by `extra`."""

    def __init__(self, *, messages: bool) -> None:
        super().__init__()
        self._messages = messages

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}"
            f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identifier := inference_id.get():
            line["inference_id"] = identifier
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            kind, error, at = record.exc_info
            frames = traceback.extract_tb(at)
            line["error"] = kind.__name__
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
            if self._messages:
                line["error_message"] = str(error)
        return json.dumps(line, default=str)


def configure(level: int) -> None:
    """Send every logger's lines of at least `level` to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(messages=level <= logging.DEBUG))
    logging.basicConfig(level=level, handlers=[handler], force=True)


class ErrorLines:
    """One line for each error, up to a bound a second; then how many were left out."""

    def __init__(self, per_second: int = LINES_A_SECOND) -> None:
        self._per_second = per_second
        self._second = 0
        self._written = 0
        self._left_out = 0

    def write(
        self, status: int, cause: str, milliseconds: float, size: int, identifier: str
    ) -> None:
        """Log a request that was not answered with 2xx; `size` is its body's, in bytes."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._written = second, 0
        if self._written >= self._per_second:
            self._left_out += 1
            return
        self._written += 1
        fields: dict[str, object] = {
            "status": status,
            "cause": cause,
            "milliseconds": round(milliseconds, 3),
            "bytes": size,
        }
        if identifier:
            fields["inference_id"] = identifier
        if self._left_out:
            fields["lines_left_out"] = self._left_out
            self._left_out = 0
        level = logging.ERROR if status >= 500 else logging.WARNING
        log.log(level, "a request was not answered", extra={"fields": fields})
