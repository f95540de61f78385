"""Dagster Pipes through a SageMaker job: the context as an input, messages in the log.

Here: the transport. A context does not fit an environment value (512 characters, of processing jobs
256), so it is an object that SageMaker copies into the container; messages are the JSON lines that
dagster_pipes writes to stdout, picked out of the job's log. A script that knows nothing of Pipes is
as welcome. Not here: the job itself (jobs/client.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_pipes import (
    PIPES_PROTOCOL_VERSION_FIELD,
    PipesContextData,
    PipesDefaultContextLoader,
    PipesDefaultMessageWriter,
    PipesParams,
)

from mlops_assets.resources.sagemaker.requests import DAGSTER_CHANNEL

if TYPE_CHECKING:
    from dagster._core.pipes.context import PipesMessageHandler

    from mlops_assets.objects import Objects

_FILE = "context.json"
CONTEXT_PATH = f"/opt/ml/input/data/{DAGSTER_CHANNEL}/{_FILE}"
PROCESSING_CONTEXT_PATH = f"/opt/ml/processing/input/{DAGSTER_CHANNEL}/{_FILE}"


class ObjectContextInjector(dg.PipesContextInjector):
    """Writes the context into the folder ``prefix_uri``, which is an input of the job.

    The object outlives this process until the job has ended: a job that is still starting, and
    that a later run will adopt, must find it.

    Args:
        path: where the container finds it; None: in no place, and nothing is written.
    """

    def __init__(
        self, objects: Objects, prefix_uri: str, path: str | None = CONTEXT_PATH, *, write: bool
    ) -> None:
        self._objects = objects
        self._uri = f"{prefix_uri}{_FILE}"
        self._path = path
        self._write = write and path is not None

    @contextmanager
    def inject_context(self, context_data: PipesContextData) -> Iterator[PipesParams]:
        if self._write:
            self._objects.write(self._uri, json.dumps(context_data).encode())
        yield {} if self._path is None else {PipesDefaultContextLoader.FILE_PATH_KEY: self._path}

    def remove(self) -> None:
        """Called once no job will read it any more."""
        if self._path is not None:
            self._objects.delete(self._uri)

    def no_messages_debug_text(self) -> str:
        return f"The context was written to {self._uri} for the job's input {DAGSTER_CHANNEL!r}."


class LogMessageReader(dg.PipesMessageReader):
    """Handles the Pipes messages among a job's log lines, given line by line to `feed`."""

    def __init__(self) -> None:
        self._handler: PipesMessageHandler | None = None

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Iterator[PipesParams]:
        self._handler = handler
        yield {PipesDefaultMessageWriter.STDIO_KEY: PipesDefaultMessageWriter.STDOUT}

    def feed(self, line: str) -> bool:
        """Whether the line was a Pipes message, which is then handled."""
        message = parse_message(line)
        if message is None or self._handler is None:
            return False
        self._handler.handle_message(message)  # type: ignore[arg-type]
        return True

    @property
    def expected_writer_count(self) -> int:
        """One: also of a distributed job only the first host is heard. (Dagster's is a preview.)"""
        return 1

    @property
    def closed(self) -> bool:
        """Whether the script has closed Pipes: nothing more will be reported."""
        return self._handler is not None and self._handler.received_closed_message

    def finish(self) -> None:
        """The job has ended. A script without Pipes is no cause for Dagster's warning."""
        if self._handler is not None and not self._handler.received_opened_message:
            self._handler._opened_count = self._handler._closed_count = 1

    def no_messages_debug_text(self) -> str:
        return "Messages were looked for in the lines of the job's CloudWatch log."


def parse_message(line: str) -> dict[str, Any] | None:
    """The Pipes message that a log line is, or None for every other line.

    >>> parse_message('{"__dagster_pipes_version": "0.1", "method": "opened", "params": {}}')[
    ...     "method"
    ... ]
    'opened'
    >>> parse_message('{"loss": 0.1}') is None
    True
    """
    if PIPES_PROTOCOL_VERSION_FIELD not in line:
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    if not isinstance(message, dict) or PIPES_PROTOCOL_VERSION_FIELD not in message:
        return None
    return message if {"method", "params"} <= message.keys() else None
