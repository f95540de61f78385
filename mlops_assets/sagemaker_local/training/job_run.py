"""One training job from Starting to its end, over as many attempts as it takes.

Belongs here: what follows on an attempt: another one after an interruption or an internal error, or
the job's end and its name. Does not belong here: the operations (jobs.py), the hosts of an attempt
(attempt.py), statuses and seconds (progress.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from mlops_assets.sagemaker_local import archives
from mlops_assets.sagemaker_local.algorithms import metric_definitions
from mlops_assets.sagemaker_local.faults.job_faults import NO_CAPACITY, JobFaults
from mlops_assets.sagemaker_local.inputs import InputMissing
from mlops_assets.sagemaker_local.setting import Setting
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.training.attempt import Attempt, Ended, Limit
from mlops_assets.sagemaker_local.training.job_metrics import JobMetrics, MetricPoints
from mlops_assets.sagemaker_local.training.progress import (
    KIND,
    advance,
    count,
    times,
    training_seconds,
)

_DEFAULT_RUNTIME = 86_400
_TURN_PAUSE = 0.1
log = logging.getLogger(__name__)


class _InternalError(Exception):
    """Not the job's own fault: what RetryStrategy is for."""


class _Over(Exception):
    """The job's end has come while nothing of it ran."""

    def __init__(self, final: str, reason: str = "") -> None:
        super().__init__(final)
        self.final = final
        self.reason = reason


class JobRun:
    """One job's execution; run() is called once, stop() any number of times.

    ``alone`` is held by jobs of several hosts: two such would listen on the same ports.
    """

    def __init__(
        self,
        document: Document,
        *,
        store: Store,
        setting: Setting,
        points: MetricPoints,
        faults: JobFaults,
        alone: asyncio.Lock,
    ) -> None:
        self.name: str = document["TrainingJobName"]
        self._request = document
        self._store = store
        self._setting = setting
        self._faults = faults
        self._stopping = asyncio.Event()
        self._metrics = JobMetrics(self.name, metric_definitions(document), points)
        self._attempt = Attempt(document, setting, self._metrics)
        self._alone = alone

    def stop(self) -> None:
        """Ask for the end: SIGTERM, and after the grace SIGKILL."""
        self._stopping.set()

    async def run(self) -> None:
        """Execute the job; every end, also an unexpected one, is recorded in the store."""
        try:
            if self._attempt.hosts == 1:
                await self._until_the_end()
            else:
                while self._alone.locked():
                    await self._pause(_TURN_PAUSE)
                async with self._alone:
                    await self._until_the_end()
        except _Over as over:
            self._end(over.final, reason=over.reason)
        except (InputMissing, archives.ArchiveError) as error:
            self._end("Failed", reason=str(error))
        except _InternalError as error:
            self._end("Failed", reason=f"InternalServerError: {error}")
        except Exception as error:
            log.exception("training job %s failed", self.name)
            self._end("Failed", reason=f"InternalServerError: {error!r}")
        finally:
            await asyncio.to_thread(self._attempt.remove)

    async def _until_the_end(self) -> None:
        await self._pause(self._faults.slow_start)
        if self._faults.capacity_error is not None:
            await self._pause(self._faults.capacity_error)
            raise _Over("Failed", NO_CAPACITY)
        self._check_waiting()
        while True:
            try:
                ended = await self._one_attempt()
            except (InputMissing, archives.ArchiveError, _Over):
                raise
            except Exception as error:
                if not self._may_retry():
                    raise
                log.warning("training job %s is tried again: %r", self.name, error)
                advance(self._store, self.name, "Restarting")
                continue
            if ended.cause != "Interrupted":
                return self._end(ended.cause, reason=self._reason(ended))
            advance(self._store, self.name, "Starting")
            await self._pause(self._faults.capacity_wait)

    async def _one_attempt(self) -> Ended:
        """Raises _InternalError for what was not the script's fault."""
        first = self._document().get("TrainingStartTime", time.time())
        advance(self._store, self.name, "Downloading", TrainingStartTime=first)
        await asyncio.to_thread(self._attempt.prepare)
        if self._stopping.is_set():
            return Ended("Stopped")
        if self._faults.internal_errors > self._count("Restarting"):
            raise _InternalError("injected by a fault rule")
        advance(self._store, self.name, "Training")
        ended = await self._attempt.run(self._stopping, self._limits(), self._on_limit)
        if ended.infrastructure:
            self._metrics.abandon()
            raise _InternalError("its supervisor was killed")
        if ended.cause not in ("Stopped", "Interrupted"):
            advance(self._store, self.name, "Uploading")
        await self._metrics.finish()
        if ended.cause == "Interrupted":
            await asyncio.to_thread(self._attempt.mirror)
        else:
            await asyncio.to_thread(self._attempt.upload, with_model=ended.cause != "Failed")
        return ended

    def _limits(self) -> dict[Limit, float]:
        """Seconds from now until what ends an attempt from outside."""
        now, document = time.time(), self._document()
        runtime = document["StoppingCondition"].get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME)
        # The time limit is one for all attempts together.
        left = runtime - training_seconds(document, now)
        limits: dict[Limit, float] = {"MaxRuntimeExceeded": left}
        if (wait := self._wait_left()) is not None:
            limits["MaxWaitTimeExceeded"] = wait
        spot = document["EnableManagedSpotTraining"]
        if spot and self._faults.interruptions > self._count("Interrupted"):
            limits["Interrupted"] = self._faults.interrupted_after
        return limits

    def _on_limit(self, limit: Limit) -> None:
        if limit == "Interrupted":
            advance(self._store, self.name, "Interrupted")
        else:
            advance(self._store, self.name, "Stopping", TrainingJobStatus="Stopping")

    def _wait_left(self) -> float | None:
        """Seconds until MaxWaitTimeInSeconds is over, None where none was given."""
        wait = self._request["StoppingCondition"].get("MaxWaitTimeInSeconds")
        return None if wait is None else self._request["CreationTime"] + wait - time.time()

    def _check_waiting(self) -> None:
        if self._stopping.is_set():
            raise _Over("Stopped")
        left = self._wait_left()
        if left is not None and left <= 0:
            raise _Over("MaxWaitTimeExceeded")

    async def _pause(self, seconds: float) -> None:
        """Wait for capacity. Raises _Over if the job is to end meanwhile."""
        left = self._wait_left()
        within = seconds if left is None else min(seconds, max(0.0, left))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), within)
        self._check_waiting()

    def _may_retry(self) -> bool:
        allowed = self._request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
        return not self._stopping.is_set() and self._count("Restarting") < allowed

    def _count(self, status: str) -> int:
        return count(self._document(), status)

    def _document(self) -> Document:
        document = self._store.get(KIND, self.name)
        if document is None:
            raise KeyError(self.name)
        return document

    def _reason(self, ended: Ended) -> str:
        """AlgorithmError, with the container's own words if it left any; "" for another end."""
        if ended.exit is None:
            return ""
        text, end = self._attempt.failure_text(ended.host), ended.exit.describe()
        if self._attempt.hosts > 1:
            end = f"{end} on {ended.host}"
        return f"AlgorithmError: {text[: 1000 - len(end)]}, {end}"

    def _end(self, final: str, *, reason: str = "") -> None:
        now = time.time()
        status = final if final in ("Completed", "Failed") else "Stopped"
        found = times(self._document(), now)
        members: dict[str, object] = {
            "TrainingJobStatus": status,
            "TrainingEndTime": now,
            "FinalMetricDataList": self._metrics.final(),
            **found,
        }
        if reason:
            members["FailureReason"] = reason[:1024]
        with self._store.transaction():
            advance(self._store, self.name, final, **members)
            self._store.bill_seconds(self._request["Arn"], found["BillableTimeInSeconds"])
