"""A log record as one line of JSON, with the run, step, asset and partition that it is of.

Here: the formatter, which Dagster's instance names (deploy/docker/dagster.yaml, ``python_logs``),
and the same for our own loggers outside of runs. Not here: what is struck out (`redaction`).
CloudWatch's filters and OpenSearch find fields by these names.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from mlops_assets.logs.redaction import redactor

ROOT = "mlops_assets"
# CloudWatch's limit of an event is 256 KiB; characters may take four bytes.
_MOST_CHARACTERS = 50_000
_PARTITION_TAGS = ("dagster/partition", "dagster/asset_partition_range_start")


class JsonFormatter(logging.Formatter):
    """Lines of JSON."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._redact = redactor()

    def format(self, record: logging.LogRecord) -> str:
        meta: Mapping[str, Any] = getattr(record, "dagster_meta", None) or {}
        said = meta.get("orig_message") or record.getMessage()
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname,
            "logger": record.name,
            "message": self._short(said),
            **_of_run(meta),
        }
        if error := self._error(record, meta):
            line["error"] = self._short(error)
        return json.dumps(line, ensure_ascii=True, default=str)

    def _short(self, text: str) -> str:
        # Errors and messages of other libraries never went through our own records.
        clean = self._redact(text)
        if len(clean) <= _MOST_CHARACTERS:
            return clean
        return f"{clean[:_MOST_CHARACTERS]}… ({len(clean):,} characters)"

    def _error(self, record: logging.LogRecord, meta: Mapping[str, Any]) -> str:
        if record.exc_info:
            return self.formatException(record.exc_info)
        data = getattr(meta.get("dagster_event"), "event_specific_data", None)
        told = getattr(getattr(data, "error", None), "to_string", None)
        return str(told()) if told else ""


def _of_run(meta: Mapping[str, Any]) -> dict[str, str]:
    """What is known of where the record comes from; nothing outside of runs."""
    event, tags = meta.get("dagster_event"), meta.get("job_tags") or {}
    key, step = getattr(event, "asset_key", None), meta.get("step_key")
    found = {
        "run": meta.get("run_id"),
        "job": meta.get("job_name"),
        "step": step,
        # A station's step is called by its asset's key.
        "asset": key.to_user_string() if key else (step or "").replace("__", "/"),
        "partition": getattr(event, "partition", None)
        or next((tags[tag] for tag in _PARTITION_TAGS if tag in tags), None),
        "pipeline": tags.get("pipeline"),
        "event": event.event_type_value if event else None,
    }
    return {name: str(value) for name, value in found.items() if value}


def configure(level: int = logging.INFO) -> None:
    """Let our own loggers write such lines where no run has taken them over. Done twice, once."""
    logger = logging.getLogger(ROOT)
    if any(isinstance(handler, _OutsideOfRuns) for handler in logger.handlers):
        return
    handler = _OutsideOfRuns(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(min(level, logger.level or level))


class _OutsideOfRuns(logging.StreamHandler):
    """Silent while Dagster listens to the logger itself: it hands records to the same formatter."""

    def emit(self, record: logging.LogRecord) -> None:
        handlers = logging.getLogger(ROOT).handlers
        if not any(type(handler).__name__ == "DagsterLogHandler" for handler in handlers):
            super().emit(record)
