"""One batch transform job from its start to its end.

Belongs here: objects in order through a fleet of its own, answers in order into output objects,
and what each end is called. Does not belong here: the operations and the queue (transforms.py),
records (transform_records.py), how a model server is asked (transform_ask.py).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mlops_assets.objects import ObjectInfo, Objects, object_uri, split_uri
from mlops_assets.sagemaker_local.faults.job_faults import INTERNAL_ERROR, NO_CAPACITY, JobFaults
from mlops_assets.sagemaker_local.fleet.hosting import Fleet, FleetError
from mlops_assets.sagemaker_local.plain_jobs import TRANSFORM
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.transforming.transform_ask import ModelClient, TransformFailed
from mlops_assets.sagemaker_local.transforming.transform_records import (
    Batch,
    RecordError,
    Rules,
    rules,
)

_MAX_CONCURRENT = 64
log = logging.getLogger(__name__)


_Item = Batch | TransformFailed | None


class TransformRun:
    """run() is called once; stop() ends it, unless its outputs are being stored already."""

    def __init__(
        self,
        document: Document,
        *,
        directory: Path,
        store: Store,
        objects: Objects,
        fleet: Fleet,
        faults: JobFaults,
    ) -> None:
        self.name = document["TransformJobName"]
        self._request = document
        self._directory = directory
        self._store = store
        self._objects = objects
        self._fleet = fleet
        self._faults = faults
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._whole: list[int] = []  # numbers of the inputs whose output is whole

    def stop(self) -> None:
        self._stopping = True
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Never raises, except when the server ends."""
        self._task = task = asyncio.create_task(self._work())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not self._stopping:  # the server ends: recover() tells what became of the job
                raise
            self._end("Stopped")

    async def _work(self) -> None:
        try:
            await asyncio.sleep(self._faults.slow_start)
            if self._faults.capacity_error is not None:
                await asyncio.sleep(self._faults.capacity_error)
                return self._end("Failed", NO_CAPACITY)
            TRANSFORM.started(self._store, self.name)
            if self._faults.internal_errors:
                return self._end("Failed", INTERNAL_ERROR)
            try:
                await self._predict()
            finally:
                await self._fleet.stop(0.0)  # first: of a job that has ended, the log is whole
            self._end("Completed")
        except FleetError as error:
            self._end("Failed", f"AlgorithmError: {error}")
        except TransformFailed as error:
            self._end("Failed", str(error))
        except Exception as error:
            log.exception("transform job %s", self.name)
            self._end("Failed", f"InternalServerError: {error!r}")
        finally:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def _predict(self) -> None:
        inputs = await self._inputs()
        try:
            await self._transform(inputs)
        except (TransformFailed, FleetError):
            self._task = None  # what is whole is stored, as the service does; then it failed
            await asyncio.to_thread(self._store_outputs, inputs)
            raise
        self._task = None
        await asyncio.to_thread(self._store_outputs, inputs)

    async def _inputs(self) -> list[ObjectInfo]:
        uri = self._request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        found = await asyncio.to_thread(lambda: list(self._objects.list(uri)))
        if not found:
            raise TransformFailed(f'ClientError: No S3 objects found under S3 URL "{uri}"')
        return found

    async def _transform(self, inputs: list[ObjectInfo]) -> None:
        await self._fleet.start()
        (variant,) = self._fleet.variants
        client = ModelClient(variant, self._request)
        parameters = await client.parameters()
        how = rules(self._request, parameters.strategy, parameters.payload_mb)
        (self._directory / "out").mkdir(parents=True)
        concurrent = min(parameters.concurrent * len(variant.replicas), _MAX_CONCURRENT)
        permits = asyncio.Semaphore(concurrent)
        waiting: deque[tuple[int, _Item, asyncio.Task[bytes] | None]] = deque()
        source = self._batches(inputs, how)
        output: BinaryIO | None = None
        try:
            more = True
            while more or waiting:
                # Twice as many as are being answered: one slow answer does not idle the others.
                while more and len(waiting) < 2 * concurrent:
                    found = await asyncio.to_thread(next, source, None)
                    if found is None:
                        more = False
                        break
                    number, batch = found
                    if isinstance(batch, TransformFailed):
                        more = False  # it is raised when what comes before it has been answered
                    task = None
                    if isinstance(batch, Batch):
                        uri = inputs[number].uri
                        task = asyncio.create_task(self._answered(client, permits, how, uri, batch))
                    waiting.append((number, batch, task))
                if not waiting:
                    break
                number, batch, task = waiting.popleft()
                if isinstance(batch, TransformFailed):
                    raise batch
                output = output or self._output(number).open("wb")
                if task is not None:
                    output.write(await task)
                else:
                    output.close()
                    output = None
                    self._whole.append(number)
        finally:
            if output is not None:
                output.close()
            tasks = [task for _, _, task in waiting if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _batches(self, inputs: list[ObjectInfo], how: Rules) -> Iterator[tuple[int, _Item]]:
        """Every object's payloads, each object's end marked by None, up to what is wrong."""
        for number, info in enumerate(inputs):
            path = self._directory / "in"
            self._objects.download(info.uri, path)
            with path.open("rb") as file:
                try:
                    for batch in how.batches(file):
                        yield number, batch
                except RecordError as error:
                    yield number, TransformFailed(f"ClientError: {info.uri}: {error}")
                    return
            yield number, None

    async def _answered(
        self, client: ModelClient, permits: asyncio.Semaphore, how: Rules, uri: str, batch: Batch
    ) -> bytes:
        """What a batch adds to its output."""
        async with permits:
            answer = await client.ask(batch.payload, f"{uri}, {batch.describe()}")
        try:
            return how.output(batch, answer)
        except RecordError as error:
            raise TransformFailed(f"ClientError: {uri}: {error}") from error

    def _output(self, number: int) -> Path:
        return self._directory / "out" / str(number)

    def _store_outputs(self, inputs: list[ObjectInfo]) -> None:
        """The whole outputs to the store, each under its input's key below the prefix."""
        source = self._request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        target = self._request["TransformOutput"]["S3OutputPath"].rstrip("/")
        prefix = split_uri(source)[1].rstrip("/")
        for number in self._whole:
            key = object_uri(inputs[number].uri)[1]
            name = key.rpartition("/")[2] if key == prefix else key[len(prefix) :].lstrip("/")
            self._objects.upload(self._output(number), f"{target}/{name}.out")

    def _end(self, status: str, reason: str = "") -> None:
        TRANSFORM.ended(self._store, self.name, status, reason=reason)
