"""A job's log, followed while the job runs.

Here: reading new lines of a job's CloudWatch streams without losing or repeating one. Not here:
what a line means (pipes.py) or where it goes (training.py). dagster_aws's log reader never stops
on an idle stream; this one reads only when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mlops_assets.resources.sagemaker.errors import is_not_found, is_transient

TRAINING_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_PAGES_PER_READ = 20
_READS_PER_DISCOVERY = 10


@dataclass(frozen=True)
class LogLine:
    """One line: ``host`` is "algo-1", "algo-2", …; ``timestamp`` milliseconds since 1970."""

    host: str
    timestamp: int
    text: str


class LogTail:
    """The lines of a job's streams that have come since the last `read`.

    Args:
        logs: gives a CloudWatch Logs client.
        job: the streams are ``<job>/algo-1-…``, known only once the job runs.
    """

    def __init__(self, logs: Callable[[], Any], job: str, group: str = TRAINING_LOG_GROUP) -> None:
        self._logs = logs
        self._group = group
        self._prefix = f"{job}/"
        self._tokens: dict[str, str | None] = {}
        self._reads = 0
        self.problem: str | None = None

    def read(self) -> list[LogLine]:
        """New lines, in order within a stream; none while the log is missing or throttled.

        A log that may not be read (no permission) is reported once in ``problem``: it is no
        reason to lose the job.
        """
        lines: list[LogLine] = []
        if self.problem:
            return lines
        try:
            client = self._logs()
            if not self._tokens or self._reads % _READS_PER_DISCOVERY == 0:
                self._discover(client)
            self._reads += 1
            for stream in sorted(self._tokens):
                self._follow(client, stream, lines)
        except (ClientError, BotoCoreError, ConnectionError) as error:
            if not is_not_found(error) and not is_transient(error):
                self.problem = f"the log {self._group}/{self._prefix} cannot be read: {error}"
        return lines

    def _discover(self, client: Any) -> None:
        pages = client.get_paginator("describe_log_streams").paginate(
            logGroupName=self._group, logStreamNamePrefix=self._prefix
        )
        for page in pages:
            for stream in page["logStreams"]:
                self._tokens.setdefault(stream["logStreamName"], None)

    def _follow(self, client: Any, stream: str, lines: list[LogLine]) -> None:
        host = "-".join(stream.removeprefix(self._prefix).split("-")[:2])
        for _ in range(_PAGES_PER_READ):
            token = self._tokens[stream]
            more = {"nextToken": token} if token else {}
            page = client.get_log_events(
                logGroupName=self._group, logStreamName=stream, startFromHead=True, **more
            )
            lines.extend(
                LogLine(host, event["timestamp"], event["message"].rstrip("\n"))
                for event in page["events"]
            )
            # The same token again is CloudWatch's way of saying that there is no more for now.
            self._tokens[stream] = page["nextForwardToken"]
            if page["nextForwardToken"] == token:
                return
