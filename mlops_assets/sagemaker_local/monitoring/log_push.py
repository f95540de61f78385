"""Sends log lines on to the CloudWatch Logs that AWS_ENDPOINT_URL_CLOUDWATCH_LOGS names, if any.

Belongs here: following the log files and PutLogEvents. Does not belong here: serving them
(logs.py).
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.monitoring.logs import Event, read_events

_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_BATCH = 1000
log = logging.getLogger(__name__)


def group_and_stream(file: Path) -> tuple[str, str]:
    """Of a log file's path below the logs' folder: jobs share a group, an endpoint has its own.

    >>> group_and_stream(Path("aws/sagemaker/ProcessingJobs/job/algo-1-170.log"))
    ('/aws/sagemaker/ProcessingJobs', 'job/algo-1-170')
    >>> group_and_stream(Path("aws/sagemaker/Endpoints/delays/AllTraffic/i-1.log"))
    ('/aws/sagemaker/Endpoints/delays', 'AllTraffic/i-1')
    """
    parts = file.with_suffix("").parts
    depth = 4 if parts[2] == "Endpoints" else 3
    return "/" + "/".join(parts[:depth]), "/".join(parts[depth:])


class LogPush:
    """Follows every log file below the home; one thread, one client."""

    def __init__(self, config: Config, endpoint_url: str) -> None:
        self._root = config.home / "logs"
        self._url = endpoint_url
        self._region = config.region
        self._sent: dict[Path, int] = {}
        self._client: Any = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Lines that were there before belong to an earlier server, which has sent them."""
        self._sent = {path: path.stat().st_size for path in self._root.rglob("*.log")}
        self._task = asyncio.create_task(self._follow())

    async def shutdown(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        pause = _PAUSE
        while True:
            await asyncio.sleep(pause)
            try:
                await asyncio.to_thread(self._push)
                pause = _PAUSE
            except Exception as error:  # that service's trouble must not become the jobs' trouble
                pause = min(2 * pause, _LONGEST_PAUSE)
                log.warning("log lines were not sent to %s: %s", self._url, error)

    def _push(self) -> None:
        for path in sorted(self._root.rglob("*.log")):
            start = self._sent.get(path, 0)
            if path.stat().st_size <= start:
                continue
            batch: list[Event] = []
            for event in read_events(path, start):
                batch.append(event)
                if len(batch) == _BATCH:
                    self._put(path, batch)
                    batch = []
            if batch:
                self._put(path, batch)

    def _put(self, path: Path, events: list[Event]) -> None:
        group, stream = group_and_stream(path.relative_to(self._root))
        if self._client is None:
            import boto3

            self._client = boto3.client("logs", endpoint_url=self._url, region_name=self._region)
        if path not in self._sent:
            self._create(group, stream)
        self._client.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            # An empty message is refused.
            logEvents=[
                {"timestamp": event.milliseconds, "message": event.text or " "} for event in events
            ],
        )
        self._sent[path] = events[-1].end

    def _create(self, group: str, stream: str) -> None:
        known = self._client.exceptions.ResourceAlreadyExistsException
        for create, names in (
            (self._client.create_log_group, {"logGroupName": group}),
            (
                self._client.create_log_stream,
                {"logGroupName": group, "logStreamName": stream},
            ),
        ):
            try:
                create(**names)
            except known:
                continue
