"""Data capture: requests and answers of an endpoint, kept as objects in the service's format.

Belongs here: sampling, the bounded queue, records and their files. Does not belong here: when a
request is offered (runtime.py), the configuration's check (variant_checks.py).

Nothing of it is on the request's way: a request leaves its bytes in a list, and a thread encodes
and writes them later. What does not fit into the queue, or cannot be written, is counted as
CaptureRecordsLost in namespace Local/SageMaker; what was written as CaptureRecords.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.monitoring.meter import VariantMeter
from mlops_assets.sagemaker_local.store import Document

_FILE_BYTES = 2**20
_WRITES, _WRITE_PAUSE = 3, 0.5
_OVERHEAD = 512  # bytes that a record takes beside its bodies
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exchange:
    """A request and its answer; ``when`` in seconds since the epoch."""

    variant: str
    meter: VariantMeter
    when: float
    headers: Mapping[str, str]
    body: bytes
    answer_type: str
    answer: bytes

    @property
    def size(self) -> int:
        return len(self.body) + len(self.answer) + _OVERHEAD


class Capture:
    """The capture of one fleet."""

    def __init__(self, endpoint: str, settings: Document, config: Config, objects: Objects) -> None:
        self._prefix = f"{settings['DestinationS3Uri'].rstrip('/')}/{endpoint}"
        self._share = settings["InitialSamplingPercentage"] / 100
        self._format = _Format(settings)
        self._config = config
        self._objects = objects
        self._pending: list[Exchange] = []
        self._bytes = 0
        self._full = asyncio.Event()
        self._closing = False
        self._writer: asyncio.Task[None] | None = None

    def offer(self, exchange: Exchange) -> None:
        """Keep it if chance wants it and there is room."""
        if random.random() >= self._share:  # noqa: S311 - sampling
            return
        if self._closing or self._bytes + exchange.size > self._config.capture_queue_bytes:
            exchange.meter.count("CaptureRecordsLost")
            return
        self._pending.append(exchange)
        self._bytes += exchange.size
        if self._bytes >= _FILE_BYTES:
            self._full.set()
        if self._writer is None:
            self._writer = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Write what is left."""
        self._closing = True
        self._full.set()
        if self._writer is not None:
            await asyncio.gather(self._writer, return_exceptions=True)

    async def _run(self) -> None:
        while self._pending or not self._closing:
            try:
                async with asyncio.timeout(self._config.capture_flush_s):
                    await self._full.wait()
            except TimeoutError:
                pass
            if not self._closing:
                self._full.clear()
            batch, self._pending = self._pending, []
            if batch:
                try:
                    await self._write(batch)
                except Exception:  # the next batch must find a writer
                    log.exception("captured data")
                self._bytes -= sum(exchange.size for exchange in batch)

    async def _write(self, batch: Sequence[Exchange]) -> None:
        by_file: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
        for exchange in batch:
            hour = f"{datetime.fromtimestamp(exchange.when, UTC):%Y/%m/%d/%H}"
            by_file[exchange.variant, hour].append(exchange)
        for (variant, hour), exchanges in by_file.items():
            written = await self._put(f"{self._prefix}/{variant}/{hour}", exchanges)
            for meter, times in Counter(exchange.meter for exchange in exchanges).items():
                meter.count("CaptureRecords" if written else "CaptureRecordsLost", times)

    async def _put(self, folder: str, exchanges: Sequence[Exchange]) -> bool:
        first = datetime.fromtimestamp(exchanges[0].when, UTC)
        uri = f"{folder}/{first:%M-%S}-{first.microsecond // 1000:03}-{uuid.uuid4()}.jsonl"

        def write() -> None:
            lines = [json.dumps(self._format.record(exchange)) for exchange in exchanges]
            self._objects.write(uri, ("\n".join(lines) + "\n").encode())

        for attempt in range(_WRITES):
            try:
                await asyncio.to_thread(write)
            except Exception as error:  # the store's trouble must not become the endpoint's
                log.warning("captured data was not written to %s: %s", uri, error)
                if attempt + 1 < _WRITES and not self._closing:
                    await asyncio.sleep(_WRITE_PAUSE)
            else:
                return True
        return False


class _Format:
    """Records in the service's form; content types decide how bodies are encoded."""

    def __init__(self, settings: Document) -> None:
        modes = {option["CaptureMode"] for option in settings["CaptureOptions"]}
        both = "InputAndOutput" in modes
        self._input, self._output = both or "Input" in modes, both or "Output" in modes
        header = settings.get("CaptureContentTypeHeader", {})
        self._encodings = {_bare(name): "CSV" for name in header.get("CsvContentTypes", [])}
        self._encodings |= {_bare(name): "JSON" for name in header.get("JsonContentTypes", [])}

    def record(self, exchange: Exchange) -> dict[str, Any]:
        data = {}
        if self._input:
            observed = exchange.headers.get("content-type", "application/octet-stream")
            data["endpointInput"] = self._side("INPUT", observed, exchange.body)
        if self._output:
            data["endpointOutput"] = self._side("OUTPUT", exchange.answer_type, exchange.answer)
        metadata: dict[str, Any] = {"eventId": str(uuid.uuid4())}
        if attributes := exchange.headers.get("x-amzn-sagemaker-custom-attributes"):
            metadata["customAttributes"] = [attributes]
        if inference := exchange.headers.get("x-amzn-sagemaker-inference-id"):
            metadata["inferenceId"] = inference
        metadata["inferenceTime"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(exchange.when))
        return {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}

    def _side(self, mode: str, observed: str, body: bytes) -> dict[str, str]:
        encoding = self._encodings.get(_bare(observed), "BASE64")
        try:
            data = body.decode() if encoding != "BASE64" else base64.b64encode(body).decode()
        except UnicodeDecodeError:
            encoding, data = "BASE64", base64.b64encode(body).decode()
        kind = {"observedContentType": observed, "mode": mode}
        return kind | {"data": data, "encoding": encoding}


def _bare(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
