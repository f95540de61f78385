"""The engine of a user's own code/inference.py: model_fn, input_fn, predict_fn, output_fn.

The handlers and their defaults are those of SageMaker's inference toolkit, without its server.
Belongs here: finding and calling them. Does not: sealed artifacts (handle.py).
"""

from __future__ import annotations

import csv
import importlib.util
import inspect
import io
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from mlops_assets.containers.handle import Request
from mlops_assets.containers.reply import (
    CSV,
    JSON,
    JSON_LINES,
    NPY,
    Refused,
    Reply,
    error,
    media_type,
)

log = logging.getLogger(__name__)


class NotFinite(Exception):
    """NaN or infinity among the answers."""


class InferenceHandler:
    """Answers by a user's module; slow and blocking as it likes, so call it from a thread.

    Raises ValueError when the module has neither model_fn nor transform_fn.
    """

    inline_bytes = -1
    batches = False

    def __init__(self, script: Path, model_directory: Path, default_accept: str = JSON) -> None:
        module = _load(script)
        if not hasattr(module, "model_fn"):
            raise ValueError(f"{script.name} has no model_fn(model_dir)")
        self._default = default_accept
        self._input = getattr(module, "input_fn", default_input_fn)
        self._predict = getattr(module, "predict_fn", default_predict_fn)
        self._output = getattr(module, "output_fn", default_output_fn)
        self._transform: Callable[..., Any] | None = getattr(module, "transform_fn", None)
        self._model = _call(module.model_fn, str(model_directory))

    def handle(self, content_type: str, accept: str, body: bytes) -> Reply:
        """Answer a request; an error inside the user's code is a 500 whose cause is in the log."""
        accept = accept if accept.strip() and "*" not in accept else self._default
        try:
            data = _decoded(body, content_type)
            if self._transform:
                result = _call(self._transform, self._model, data, content_type, accept)
            else:
                value = _call(self._predict, _call(self._input, data, content_type), self._model)
                result = _call(self._output, value, accept)
            if isinstance(result, tuple):
                result, accept = result
            return Reply(200, accept, result.encode() if isinstance(result, str) else bytes(result))
        except Refused as refused:
            return error(refused.status, refused.message)
        except NotFinite:
            log.error("the model's answer is not a finite number")
            return error(500, "the model's answer is not a finite number", "nan")
        except Exception:  # whatever the user's code raises: the log gets it, the caller does not
            log.exception("inference.py failed")
            return error(500, "inference.py failed; the endpoint's log says why")

    def handle_many(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer several requests, one after the other."""
        return [self.handle(*request) for request in requests]


def default_input_fn(data: str | bytes, content_type: str) -> Any:
    """JSON, JSON Lines, CSV or npy as a NumPy array; never an array of objects from npy."""
    kind, _ = media_type(content_type)
    try:
        if kind == JSON:
            return np.array(orjson.loads(data))
        if kind == JSON_LINES:
            return np.array([orjson.loads(line) for line in data.splitlines()])
        if kind == CSV:
            text = data if isinstance(data, str) else data.decode()
            rows = csv.reader(io.StringIO(text))
            return np.array([[float(field) for field in row] for row in rows])
        if kind == NPY and isinstance(data, bytes):
            return np.load(io.BytesIO(data), allow_pickle=False)
    except ValueError as wrong:
        raise Refused(400, f"the body is not {kind}: {wrong}") from None
    raise Refused(415, f"content type {kind!r} is not read by the default input_fn")


def default_predict_fn(data: Any, model: Any) -> Any:
    """The model called with the data, or its predict."""
    return model.predict(data) if hasattr(model, "predict") else model(data)


def default_output_fn(prediction: Any, accept: str) -> tuple[bytes, str]:
    """The prediction as JSON, JSON Lines, CSV or npy. Raises NotFinite for NaN and infinity."""
    array = np.asarray(prediction)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NotFinite
    kind, _ = media_type(accept)
    if kind == JSON:
        return orjson.dumps(array.tolist()), kind
    if kind == JSON_LINES:
        return b"".join(orjson.dumps(row) + b"\n" for row in array.tolist()), kind
    if kind == CSV:
        rows = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
        return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist()).encode(), kind
    if kind == NPY:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        return buffer.getvalue(), kind
    raise Refused(406, f"{kind!r} is not written by the default output_fn")


def _load(script: Path) -> Any:
    sys.path.insert(0, str(script.parent))  # its own modules lie beside it
    specification = importlib.util.spec_from_file_location("inference", script)
    if specification is None or specification.loader is None:
        raise ValueError(f"{script.name} is not a Python module")
    module = importlib.util.module_from_spec(specification)
    sys.modules["inference"] = module
    specification.loader.exec_module(module)
    return module


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a handler, with None for the toolkit's optional last parameter `context`."""
    parameters = inspect.signature(function).parameters
    if len(parameters) > len(arguments) and "context" in parameters:
        return function(*arguments, context=None)
    return function(*arguments)


def _decoded(body: bytes, content_type: str) -> str | bytes:
    """Text types as text, as the toolkit hands them to input_fn."""
    kind, _ = media_type(content_type)
    if not (kind.startswith("text/") or kind in (JSON, JSON_LINES)):
        return body
    try:
        return body.decode()
    except UnicodeDecodeError as wrong:
        raise Refused(400, f"the body is not utf-8 at byte {wrong.start + 1}") from None
