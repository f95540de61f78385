"""Records of a batch transform: an object cut into payloads, answers put together again.

Belongs here: SplitType, BatchStrategy, MaxPayloadInMB, AssembleWith, filters and the join. Does not
belong here: sending (transform_run.py), which combinations are right (transform_checks.py).

A record is a line as it stands: a CSV header, a blank line or a quoted line break is not seen as
such, in SageMaker neither. A header is one more record, so inputs must have none.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.transforming.record_paths import (
    NotSelectable,
    RecordPath,
    record_path,
)

MB = 2**20
MAX_PAYLOAD_MB = 100  # what MaxPayloadInMB of 0, which is no limit, comes to here
_WHOLE = record_path("$")


class RecordError(ValueError):
    """A record or an answer cannot be processed; the message says why."""


@dataclass(frozen=True)
class Batch:
    """What one request is about: ``records`` as they lie in the object, from number ``first``."""

    first: int
    records: tuple[bytes, ...]
    payload: bytes

    def describe(self) -> str:
        last = self.first + len(self.records) - 1
        return f"record {self.first}" if last == self.first else f"records {self.first} to {last}"


@dataclass(frozen=True)
class Rules:
    """How a job's objects become payloads and its answers become an object.

    ``kind`` is ``csv``, ``json`` (a document a record) or ``lines`` (JSON, one a line); "" where
    nothing is processed.
    """

    by_line: bool
    many: bool
    limit_bytes: int
    assemble_lines: bool
    kind: str = ""
    input_filter: RecordPath = _WHOLE
    output_filter: RecordPath = _WHOLE
    join: bool = False

    def batches(self, file: BinaryIO) -> Iterator[Batch]:
        """The object's payloads, in order. Raises RecordError."""
        if not self.by_line:
            content = file.read(self.limit_bytes + 1)
            self._check_size(len(content), 1)
            yield Batch(1, (content,), self._input(content, 1))
            return
        records: list[bytes] = []
        payloads: list[bytes] = []
        size = number = 0
        while line := file.readline(self.limit_bytes + 2):
            number += 1
            record = line.removesuffix(b"\n").removesuffix(b"\r")
            payload = self._input(record, number)
            self._check_size(len(payload), number)
            if records and (not self.many or size + len(payload) + 1 > self.limit_bytes):
                yield Batch(number - len(records), tuple(records), b"\n".join(payloads))
                records, payloads, size = [], [], 0
            records.append(record)
            payloads.append(payload)
            size += len(payload) + 1
        if records:
            yield Batch(number - len(records) + 1, tuple(records), b"\n".join(payloads))

    def output(self, batch: Batch, answer: bytes) -> bytes:
        """What the batch's answer adds to the output object. Raises RecordError."""
        if self.kind and (self.join or not self.output_filter.whole):
            answer = b"\n".join(self._processed(batch, answer))
        # Containers that end their answer with a line break need no second one.
        return answer + b"\n" if self.assemble_lines and not answer.endswith(b"\n") else answer

    def _input(self, record: bytes, number: int) -> bytes:
        if self.input_filter.whole:
            return record
        try:
            return self._text(self.input_filter.of(self._value(record)))
        except (ValueError, NotSelectable) as error:
            raise RecordError(f"record {number}: InputFilter: {error}") from error

    def _processed(self, batch: Batch, answer: bytes) -> Iterator[bytes]:
        single = self.kind == "json"
        answers: Sequence[bytes] = [answer] if single else answer.splitlines()
        if self.join and len(answers) != len(batch.records):
            raise RecordError(
                f"{batch.describe()}: the container answered {len(answers)} records, which cannot "
                "be joined one by one"
            )
        for number, said in enumerate(answers):
            try:
                value = self._value(said)
                if self.join:
                    value = self._joined(self._value(batch.records[number]), value)
                yield self._text(self.output_filter.of(value))
            except (ValueError, NotSelectable) as error:
                raise RecordError(f"record {batch.first + number}: the answer: {error}") from error

    def _joined(self, record: Any, answer: Any) -> Any:
        if self.kind == "csv":
            return [*record, *answer]
        if isinstance(record, dict):
            return {**record, "SageMakerOutput": answer}
        return {"SageMakerInput": record, "SageMakerOutput": answer}

    def _value(self, record: bytes) -> Any:
        text = record.decode("utf-8")
        return next(csv.reader([text]), []) if self.kind == "csv" else json.loads(text)

    def _text(self, value: Any) -> bytes:
        if self.kind != "csv":
            return json.dumps(value, ensure_ascii=False).encode()
        row = io.StringIO()
        cells = value if isinstance(value, list) else [value]
        csv.writer(row, lineterminator="").writerow(cells)
        return row.getvalue().encode()

    def _check_size(self, size: int, number: int) -> None:
        if size > self.limit_bytes:
            raise RecordError(
                f"record {number}: more than MaxPayloadInMB, which is {self.limit_bytes // MB}"
            )


def rules(request: Document, strategy: str, payload_mb: int) -> Rules:
    """The rules of a CreateTransformJob request that has been checked.

    ``strategy`` and ``payload_mb``: from the request, the container or the defaults.
    """
    source, output = request["TransformInput"], request["TransformOutput"]
    processing = request.get("DataProcessing", {})
    return Rules(
        by_line=source.get("SplitType", "None") == "Line",
        many=strategy == "MultiRecord",
        limit_bytes=(payload_mb or MAX_PAYLOAD_MB) * MB,
        assemble_lines=output.get("AssembleWith", "None") == "Line",
        kind=kind_of(source.get("ContentType", "")) if processing else "",
        input_filter=record_path(processing.get("InputFilter", "$")),
        output_filter=record_path(processing.get("OutputFilter", "$")),
        join=processing.get("JoinSource", "None") == "Input",
    )


def kind_of(content_type: str) -> str:
    """How records of that type are read; "" for a type that cannot be processed."""
    media = content_type.partition(";")[0].strip().lower()
    kinds = {"text/csv": "csv", "application/json": "json", "application/jsonlines": "lines"}
    return kinds.get(media, "")
