"""Following a running job: its state, its log lines, its Pipes messages, until it has ended.

Here: the polling loop, in the step's own thread, so that an interruption reaches it at once. Not
here: starting or stopping the job (jobs.py), or judging how it ended (outcome.py).
"""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.resources.sagemaker import jobs
from mlops_assets.resources.sagemaker.logs import LogLine, LogTail
from mlops_assets.resources.sagemaker.pipes import LogMessageReader, parse_message

if TYPE_CHECKING:
    from mlops_assets.resources.sagemaker.session import SageMakerResource

Context = dg.OpExecutionContext | dg.AssetExecutionContext
_FIRST_HOST = "algo-1"
_TAIL_LINES = 40
_LINES_PER_EVENT = 40
_MAX_DRAINS = 20


class Follower:
    """Follows one job into one run.

    Args:
        poll_interval: seconds between two looks.
        quiet_reads: how many empty reads in a row end the log of an ended job; CloudWatch delivers
            the last lines some seconds late, the local API does not.
    """

    def __init__(
        self,
        context: Context,
        sagemaker: SageMakerResource,
        name: str,
        reader: LogMessageReader,
        *,
        poll_interval: float,
        quiet_reads: int,
    ) -> None:
        self._context = context
        self._sagemaker = sagemaker
        self._name = name
        self._reader = reader
        self._poll_interval = poll_interval
        self._quiet_reads = quiet_reads
        self._log = LogTail(sagemaker.logs, name)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._transitions_seen = 0

    @property
    def tail(self) -> list[str]:
        """The last lines of the log."""
        return list(self._tail)

    def until_ended(self) -> jobs.Describe:
        """The job's description once it is Completed, Failed or Stopped, its log forwarded."""
        while True:
            job = jobs.describe(self._sagemaker.client, self._name)
            if job is None:
                raise dg.Failure(f"Training job {self._name} disappeared while it was followed.")
            self._report_transitions(job)
            self._forward()
            if job["TrainingJobStatus"] in jobs.ENDED:
                self._drain()
                return job
            time.sleep(self._poll_interval)

    def _report_transitions(self, job: jobs.Describe) -> None:
        transitions = job.get("SecondaryStatusTransitions", [])
        for transition in transitions[self._transitions_seen :]:
            message = transition.get("StatusMessage", "")
            self._context.log.info(f"{self._name} {transition['Status']}: {message}".rstrip(": "))
        self._transitions_seen = len(transitions)

    def _forward(self) -> bool:
        """New lines to stdout and the event log, messages to Pipes; whether anything came."""
        lines = self._log.read()
        texts = [line.text for line in lines if not self._is_message(line)]
        self._tail.extend(texts)
        if texts:
            sys.stdout.write("\n".join(texts) + "\n")
            sys.stdout.flush()
            left_out = len(texts) - _LINES_PER_EVENT
            more = f"\n… {left_out} more lines in stdout" if left_out > 0 else ""
            self._context.log.info("\n".join(texts[:_LINES_PER_EVENT]) + more)
        return bool(lines)

    def _is_message(self, line: LogLine) -> bool:
        # Every host of a distributed job opens Pipes; the first one speaks for the job.
        if line.host == _FIRST_HOST:
            return self._reader.feed(line.text)
        return parse_message(line.text) is not None

    def _drain(self) -> None:
        quiet = 0
        for _ in range(_MAX_DRAINS):
            if self._log.problem:
                self._context.log.warning(self._log.problem)
                return
            quiet = 0 if self._forward() else quiet + 1
            if quiet >= (1 if self._reader.closed else self._quiet_reads):
                return
            time.sleep(self._poll_interval)
