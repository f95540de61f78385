"""One job driven to its end: found or started, looked at until it has ended, stopped with its run.

Here: every wait of a run for a job, each interruptible, and what an interruption does. Not here:
single calls (attempts.py), what is seen on the way (follow.py), Pipes (client.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import dagster as dg
from botocore.exceptions import ClientError
from dagster._utils.interrupts import capture_interrupts

from mlops_assets.resources.sagemaker.errors import error_code
from mlops_assets.resources.sagemaker.jobs import attempts
from mlops_assets.resources.sagemaker.jobs.kinds import Describe, JobKind
from mlops_assets.resources.sagemaker.jobs.patience import Budget, Patience, quota_in_use

# SIGTERM, 120 s, SIGKILL is how SageMaker stops a job; then it uploads.
_STOP_PATIENCE_S = 180
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
INTERRUPTIONS = (dg.DagsterExecutionInterruptedError, KeyboardInterrupt)


class QuotaInUse(dg.Failure):
    """Others used the quota for as long as the budget lasted: nothing was created."""


@dataclass(frozen=True)
class Driver:
    """Drives jobs of one kind.

    Args:
        client: gives the service's client; asked for each call.
        poll_interval: seconds between two looks.
        log: what a user should read on the way.
        budget: of the waits for capacity and quota.
    """

    client: attempts.Client
    kind: JobKind
    poll_interval: float = 5.0
    log: Callable[[str], None] = lambda _: None
    budget: Budget = field(default_factory=lambda: Budget(Patience()))

    def find(
        self, wanted: attempts.Wanted, is_whole: Callable[[Describe], bool] = lambda _: True
    ) -> attempts.Found:
        """The attempt to adopt or to start, once no earlier one is still being stopped."""
        while True:
            found = attempts.find_attempt(self.client, self.kind, wanted, is_whole)
            if found.job is None or self.kind.status(found.job) != "Stopping":
                return found
            self.log(f"{self.kind.title} {found.name} is being stopped: waiting for its end.")
            time.sleep(self.poll_interval)

    def start(self, wanted: attempts.Wanted) -> bool:
        """Create the job; whether it was adopted after all. Waits for quota that others use.

        Raises:
            QuotaInUse: it was in use for as long as the budget lasts.
            ClientError: SageMaker refused the request.
        """
        while True:
            try:
                return attempts.create_or_adopt(self.client, self.kind, wanted)
            except ClientError as error:
                if not quota_in_use(error):
                    raise
                why = f"{self.kind.title} {self.kind.name(wanted.request)} is refused: {error}"
                if not self.budget.wait(why, self.log):
                    raise QuotaInUse(
                        f"{why}. Others used the quota all the while: start fewer jobs at a time "
                        "(a Dagster pool bounds them) or ask AWS for a higher quota",
                    ) from error

    def announce(self, found: attempts.Found, adopted: bool) -> None:
        """Say whether anything is paid for."""
        title, name = self.kind.title, found.name
        if adopted:
            state = self.kind.status(found.job) if found.job else "just now"
            self.log(
                f"{title} {name} was already asked for by this same request ({state}): adopted, "
                "no second job is started."
            )
        else:
            self.log(f"{title} {name} was created.")

    def until_ended(self, name: str, look: Callable[[Describe], None] = lambda _: None) -> Describe:
        """The job's description once it is Completed, Failed or Stopped; ``look`` sees each.

        Raises:
            dagster.Failure: the job vanished, or may not be asked about any more.
        """
        while True:
            job = self._described(name)
            if job is None:
                raise dg.Failure(
                    f"{self.kind.title} {name} vanished while it was followed: "
                    f"{self.kind.service} knows no job of that name any more. It was deleted, or "
                    "account, region or the local API's home have changed. Look for it in the "
                    "console; a new run of this step starts it again",
                    allow_retries=False,
                )
            look(job)
            if self.kind.status(job) in attempts.ENDED:
                return job
            time.sleep(self.poll_interval)

    def terminate(self, name: str | None, *, forward: bool = True) -> str:
        """Stop the job of an interrupted run, once, and see it end; what was done, in words."""
        interrupted = "The run was interrupted"
        if name is None:
            return f"{interrupted} before a {self.kind.noun} was asked for."
        if not forward:
            return f"{interrupted}; {self.kind.noun} {name} goes on: a new run adopts it."
        # A second signal must not leave a paid job behind.
        with capture_interrupts():
            attempts.stop(self.client, self.kind, name)
            deadline = time.monotonic() + _STOP_PATIENCE_S
            while time.monotonic() < deadline:
                job = attempts.describe(self.client, self.kind, name)
                if job is None or self.kind.status(job) in attempts.ENDED:
                    status = self.kind.status(job) if job else "not created"
                    return f"{interrupted}; {self.kind.noun} {name} is {status}."
                time.sleep(self.poll_interval)
        return f"{interrupted}; {self.kind.noun} {name} is still being stopped."

    def wait_for_capacity(self, job: Mapping[str, object]) -> bool:
        """After an attempt that AWS had no room for; False: the budget is spent."""
        name = self.kind.name(job)
        why = f"{self.kind.title} {name} failed: {job.get('FailureReason', '')}"
        try:
            return self.budget.wait(why, self.log)
        except INTERRUPTIONS:
            description = f"The run was interrupted while it waited after {name}: no job runs."
            raise dg.Failure(description, allow_retries=False) from None

    def _described(self, name: str) -> Describe | None:
        try:
            return attempts.describe(self.client, self.kind, name)
        except ClientError as error:
            if error_code(error) not in _EXPIRED:
                raise
            raise dg.Failure(
                f"The AWS credentials expired while {self.kind.noun} {name} was followed: {error}. "
                "The job goes on. Renew the credentials and run this step again: it adopts the job",
            ) from error
