"""What is seen of a running job: its state, its log lines, its Pipes messages.

Here: one look, in the step's own thread, so that an interruption reaches it at once. Not here: when
to look (driver.py), or judging how it ended (outcome.py).
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import dagster as dg

from mlops_assets.resources.sagemaker.jobs.attempts import ENDED, stop
from mlops_assets.resources.sagemaker.jobs.driver import INTERRUPTIONS
from mlops_assets.resources.sagemaker.jobs.kinds import Describe, JobKind, JobService
from mlops_assets.resources.sagemaker.logs import LogLine, LogTail
from mlops_assets.resources.sagemaker.pipes import LogMessageReader, parse_message

Context = dg.OpExecutionContext | dg.AssetExecutionContext
_FIRST_HOST = "algo-1"
_TAIL_LINES = 40
_LINES_PER_EVENT = 40
_MAX_DRAINS = 20


class Listener(Protocol):
    """Who hears a job while it is followed, and may have it stopped."""

    def begins(self, job_name: str) -> None:
        """The job that is followed: created, or adopted; then its log comes from the first line."""

    def lines(self, lines: Sequence[LogLine]) -> str:
        """New lines of the log; why the job is to be stopped, empty while it is not."""

    def ends(self, status: str) -> None:
        """The job's last status, or Failed where it cannot be followed any more."""


@contextmanager
def heard(
    listener: Listener | None, kind: JobKind, name: str
) -> Iterator[Callable[[Describe], Describe]]:
    """Tell a listener of the job's begin and, whatever happens, of its end once.

    Gives the function that takes the ended job's description and returns it.
    """
    status = "Failed"

    def end(job: Describe) -> Describe:
        nonlocal status
        status = kind.status(job)
        return job

    if listener is not None:
        listener.begins(name)
    try:
        yield end
    except INTERRUPTIONS:
        status = "Stopped"
        raise
    finally:
        if listener is not None:
            listener.ends(status)


class Follower:
    """Follows one job into one run; `look` is for `Driver.until_ended`.

    Args:
        listener: hears each line, beside the run.
        poll_interval: seconds between two reads of an ended job's log.
    """

    def __init__(
        self,
        context: Context,
        sagemaker: JobService,
        kind: JobKind,
        name: str,
        reader: LogMessageReader,
        *,
        poll_interval: float,
        listener: Listener | None = None,
    ) -> None:
        self._context = context
        self._sagemaker = sagemaker
        self._listener = listener
        self._stopped = False
        self._kind = kind
        self._name = name
        self._reader = reader
        self._poll_interval = poll_interval
        # CloudWatch delivers the last lines some seconds late, the local API does not.
        self._quiet_reads = 1 if sagemaker.is_local else 3
        group = kind.log_group
        self._log = LogTail(sagemaker.logs, name, group) if group else None
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._transitions_seen = 0

    @property
    def tail(self) -> list[str]:
        """The last lines of the log."""
        return list(self._tail)

    def look(self, job: Describe) -> None:
        """Forward what is new; of an ended job, all that is left."""
        self._report_transitions(job)
        self._forward()
        if self._kind.status(job) in ENDED:
            self._drain()

    def _report_transitions(self, job: Describe) -> None:
        transitions = job.get("SecondaryStatusTransitions", [])
        for transition in transitions[self._transitions_seen :]:
            message = transition.get("StatusMessage", "")
            self._context.log.info(f"{self._name} {transition['Status']}: {message}".rstrip(": "))
        self._transitions_seen = len(transitions)

    def _forward(self) -> bool:
        """New lines to stdout and the event log, messages to Pipes; whether anything came."""
        lines = self._log.read() if self._log else []
        if self._listener is not None and (why := self._listener.lines(lines)):
            self._stop(why)
        texts = [line.text for line in lines if not self._is_message(line)]
        self._tail.extend(texts)
        if texts:
            sys.stdout.write("\n".join(texts) + "\n")
            sys.stdout.flush()
            left_out = len(texts) - _LINES_PER_EVENT
            more = f"\n… {left_out} more lines in stdout" if left_out > 0 else ""
            self._context.log.info("\n".join(texts[:_LINES_PER_EVENT]) + more)
        return bool(lines)

    def _stop(self, why: str) -> None:
        if self._stopped:
            return
        self._stopped = True
        self._context.log.warning(f"{self._kind.title} {self._name} is stopped: {why}")
        stop(self._sagemaker.client, self._kind, self._name)

    def _is_message(self, line: LogLine) -> bool:
        # Every host of a distributed job opens Pipes; the first one speaks for the job.
        if line.host == _FIRST_HOST:
            return self._reader.feed(line.text)
        return parse_message(line.text) is not None

    def _drain(self) -> None:
        quiet = 0
        for _ in range(_MAX_DRAINS if self._log else 0):
            if self._log and self._log.problem:
                self._context.log.warning(self._log.problem)
                return
            quiet = 0 if self._forward() else quiet + 1
            if quiet >= (1 if self._reader.closed else self._quiet_reads):
                return
            time.sleep(self._poll_interval)
