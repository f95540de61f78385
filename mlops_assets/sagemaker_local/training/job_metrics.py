"""The metrics of a training job, while it runs: from its logs to CloudWatch and to its description.

Belongs here: following the program that reads the logs, what is kept of its values. Does not belong
here: regular expressions (monitoring/metrics.py), reading metrics (monitoring/cloudwatch.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.sagemaker_local.monitoring import metrics
from mlops_assets.sagemaker_local.monitoring.metric_store import Metric, MetricStore
from mlops_assets.sagemaker_local.store import Document

NAMESPACE = "/aws/sagemaker/TrainingJobs"
DIMENSION = "TrainingJobName"
_MAX_POINTS, _MAX_SERIES = 10_000, 2_000
_LINE_LIMIT = 4 * 2**20
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Point:
    """A value that a job logged; ``timestamp`` in seconds since the epoch."""

    timestamp: float
    value: float


class MetricPoints:
    """Every value of the jobs' metrics in the order in which it was found, and CloudWatch's sums.

    In memory: the last 10,000 of a metric, of the 2,000 metrics written last; lost when the server
    ends, as CloudWatch's are (FinalMetricDataList is not).
    """

    def __init__(self, store: MetricStore) -> None:
        self._store = store
        self._series: OrderedDict[tuple[str, str], deque[Point]] = OrderedDict()

    def of(self, job: str, metric: str) -> list[Point]:
        """The values of a job's metric so far, oldest first; none where there is no such."""
        return list(self._series.get((job, metric), ()))

    def add(self, job: str, metric: str, point: Point) -> None:
        key = job, metric
        if key not in self._series:
            self._series[key] = deque(maxlen=_MAX_POINTS)
            while len(self._series) > _MAX_SERIES:
                self._series.popitem(last=False)
        self._series[key].append(point)
        self._series.move_to_end(key)
        of = Metric(NAMESPACE, metric, ((DIMENSION, job),))
        if self._store.has_room(of):
            self._store.series(of).bucket(int(point.timestamp)).add(point.value)


class JobMetrics:
    """The metrics of one job; start() and finish() once for each attempt of it."""

    def __init__(self, job: str, definitions: Sequence[Document], points: MetricPoints) -> None:
        self._job = job
        self._definitions = list(definitions)
        self._points = points
        self._last: dict[str, Document] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self, logs: Sequence[Path]) -> None:
        """Follow the logs of an attempt's hosts."""
        if not self._definitions:
            return
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(Path(metrics.__file__)), *map(str, logs)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            start_new_session=True,
        )
        if process.stdin is not None:
            process.stdin.write(json.dumps(self._definitions).encode() + b"\n")
        self._reader = asyncio.create_task(self._read(process))

    async def finish(self) -> None:
        """Wait until all that was logged has been read, or its reading has taken too long."""
        if self._process is None or self._reader is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._reader
        if await self._process.wait() != 0:
            log.warning("%s: its MetricDefinitions failed or took too long", self._job)
        self._process = self._reader = None

    def abandon(self) -> None:
        """End the reading at once; for an attempt that is not waited for."""
        if self._reader is not None:
            self._reader.cancel()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def final(self) -> list[Document]:
        """FinalMetricDataList: the last value of each metric, in the definitions' order."""
        names = [definition["Name"] for definition in self._definitions]
        return [self._last[name] for name in dict.fromkeys(names) if name in self._last]

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101
        while line := await process.stdout.readline():
            for found in json.loads(line):
                name = found["MetricName"]
                if found["Timestamp"] >= self._last.get(name, found)["Timestamp"]:
                    self._last[name] = found
                self._points.add(self._job, name, Point(found["Timestamp"], found["Value"]))
