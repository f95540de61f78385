"""`PipesJobClient`: a SageMaker job as one Dagster step, whatever its kind.

Here: the order of things: enrich, start or adopt, follow, stop, judge. The split follows
dagster_aws's clients; unlike those, logs come while the job runs, and a retry never pays for a
second job. Not here: what only one kind has (training.py, processing.py, transform.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import dagster as dg
from botocore.exceptions import ClientError
from dagster._core.definitions.resource_annotation import TreatAsResourceParam

from mlops_assets.resources.sagemaker.errors import error_code
from mlops_assets.resources.sagemaker.jobs import attempts, outcome
from mlops_assets.resources.sagemaker.jobs.driver import INTERRUPTIONS, Driver, QuotaInUse
from mlops_assets.resources.sagemaker.jobs.follow import Context, Follower, Listener, heard
from mlops_assets.resources.sagemaker.jobs.instances import on_each_instance
from mlops_assets.resources.sagemaker.jobs.kinds import Describe, JobKind, JobService
from mlops_assets.resources.sagemaker.jobs.patience import Budget, Patience
from mlops_assets.resources.sagemaker.names import SPEC_HASH_TAG, request_digest, tag_list
from mlops_assets.resources.sagemaker.pipes import LogMessageReader, ObjectContextInjector
from mlops_assets.resources.sagemaker.requests import Placement

if TYPE_CHECKING:
    from mlops_assets.objects import Objects


class _NoRoom(Exception):
    """AWS had no room for the job on an instance type: ``why``, as a step may end with it."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


class PipesJobClient(dg.PipesClient, TreatAsResourceParam):
    """Runs jobs of one kind from Dagster, each at most once.

    Args:
        sagemaker: where the clients come from.
        objects: opens the store that s3:// URIs live in.
        bucket: contexts go there, and what the kinds upload.
        poll_interval: seconds between two looks at a running job (default .5 locally, 5 in AWS).
        forward_termination: whether interrupting the run stops the job.
        patience: how long a run waits for capacity and quota.
    """

    kind: ClassVar[JobKind]
    context_path: ClassVar[str | None] = None
    """Where the container finds Dagster's context; None: there is none to be found."""
    placement: Placement | None = None
    """Where the jobs that this client itself asks for run."""

    def __init__(
        self,
        sagemaker: JobService,
        objects: Callable[[], Objects],
        bucket: str,
        *,
        poll_interval: float | None = None,
        forward_termination: bool = True,
        patience: Patience | None = None,
    ) -> None:
        self._sagemaker = sagemaker
        self._objects = objects
        self._bucket = bucket
        self._poll_interval = poll_interval or (0.5 if sagemaker.is_local else 5.0)
        self._forward_termination = forward_termination
        self._patience = patience or Patience()

    def is_whole(self, job: Describe) -> bool:
        """Whether what a completed job left is still there."""
        return True

    def with_context(self, request: dict[str, Any], uri: str, variables: Mapping[str, str]) -> None:
        """Add to a request the way to Dagster (a folder, which holds the context) and back."""

    def metadata(self, job: Describe) -> dict[str, dg.MetadataValue]:
        """What is shown of an ended job beside what all kinds show."""
        return {}

    def incomplete(self, job: Describe) -> str | None:
        """Why a completed job is of no use after all, and what to do."""
        return None

    def run_request(
        self,
        context: Context,
        params: Mapping[str, Any],
        extras: dict[str, Any] | None,
        listener: Listener | None = None,
        alternates: Sequence[str] = (),
    ) -> dg.PipesClientCompletedInvocation:
        """Start the job, or adopt the one that this request already started, and see it through.

        Where there is no capacity, or no quota, the next attempt is made; with alternates, each
        instance type is waited for within its share of the patience, in their order.

        Args:
            params: Create's parameters; not changed. Without a name the job is named by its
                content.
            listener: hears the job's log, and may have it stopped.
            alternates: further instance types, no part of the job's identity.

        Raises:
            dagster.Failure: the job failed, was stopped or vanished, or the run was interrupted;
                retried only where trying again may help.
            JobNameTaken: a job of that name was asked for by another request.
        """
        spec_hash = request_digest(params, without=(self.kind.name_member, "Tags"))
        prefix = self.kind.noun.removesuffix(" job").replace(" ", "-")
        named = {self.kind.name_member: f"{prefix}-{spec_hash[:12]}", **params}
        requests = on_each_instance(self.kind, named, alternates, self.placement)
        for number, request in enumerate(requests, 1):
            driver = Driver(
                self._sagemaker.client,
                self.kind,
                self._poll_interval,
                context.log.info,
                Budget(self._patience.shared(len(requests))),
            )
            wanted = attempts.Wanted(request, spec_hash)
            try:
                return self._on_instance(context, driver, wanted, extras, listener)
            except _NoRoom as none:
                if number == len(requests):
                    raise none.why from none.why.__cause__
                context.log.warning(
                    f"There is no room for {self.kind.noun} {self.kind.name(named)} as asked for: "
                    f"going on with {alternates[number - 1]}."
                )
        raise AssertionError("every instance type was tried, and none said how it ended")

    def _on_instance(
        self,
        context: Context,
        driver: Driver,
        wanted: attempts.Wanted,
        extras: dict[str, Any] | None,
        listener: Listener | None,
    ) -> dg.PipesClientCompletedInvocation:
        """Attempts on one instance type until one ends that got its instances.

        Raises:
            _NoRoom: none did within the driver's budget.
        """
        while True:
            try:
                done, tail, job = self._attempt(context, driver, wanted, extras, listener)
            except QuotaInUse as error:
                raise _NoRoom(error) from error
            except ClientError as error:
                if error_code(error) != "ResourceLimitExceeded":
                    raise
                raise _NoRoom(error) from error
            failed = outcome.failure(
                self.kind, job, done.metadata, tail, incomplete=self.incomplete(job)
            )
            if failed is None:
                return done
            if not attempts.starved(job):
                raise failed
            if not driver.wait_for_capacity(job):
                raise _NoRoom(failed)

    def _attempt(
        self,
        context: Context,
        driver: Driver,
        wanted: attempts.Wanted,
        extras: dict[str, Any] | None,
        listener: Listener | None,
    ) -> tuple[dg.PipesClientCompletedInvocation, Sequence[str], Describe]:
        """One attempt to its end, whatever that is; the end of its log, its description."""
        injector: ObjectContextInjector | None = None
        found: attempts.Found | None = None
        try:
            found = driver.find(wanted, self.is_whole)
            folder = f"s3://{self._bucket}/pipes/{found.name}/{wanted.spec_hash[:12]}/"
            injector = ObjectContextInjector(
                self._objects(), folder, self.context_path, write=found.job is None
            )
            reader = LogMessageReader()
            with dg.open_pipes_session(context, injector, reader, extras) as session:
                adopted = found.job is not None
                if not adopted:
                    variables = session.get_bootstrap_env_vars()
                    request = self._enriched(context, wanted, found.name, folder, variables)
                    adopted = self._start(driver, injector, request)
                driver.announce(found, adopted)
                follower = Follower(
                    context,
                    self._sagemaker,
                    self.kind,
                    found.name,
                    reader,
                    poll_interval=self._poll_interval,
                    listener=listener,
                )
                with heard(listener, self.kind, found.name) as end:
                    try:
                        job = end(driver.until_ended(found.name, follower.look))
                    finally:
                        reader.finish()
        except INTERRUPTIONS:
            # With a RetryPolicy, Dagster would answer an interruption by starting the step again.
            name = found.name if found else None
            if name and self._forward_termination:
                context.log.warning(f"The run was interrupted: stopping {self.kind.noun} {name}.")
            description = driver.terminate(name, forward=self._forward_termination)
            if injector is not None and self._forward_termination:
                injector.remove()
            raise dg.Failure(description, allow_retries=False) from None
        injector.remove()
        region = None if self._sagemaker.is_local else self._sagemaker.region
        shown = outcome.job_metadata(self.kind, job, adopted=adopted, region=region)
        shown |= self.metadata(job)
        return dg.PipesClientCompletedInvocation(session, metadata=shown), follower.tail, job

    def _enriched(
        self,
        context: Context,
        wanted: attempts.Wanted,
        name: str,
        folder: str,
        variables: Mapping[str, str],
    ) -> attempts.Wanted:
        """The caller's request with this attempt's name, tags, and the way to Dagster and back."""
        tags = {**context.run.dagster_execution_info, SPEC_HASH_TAG: wanted.spec_hash}
        request = copy.deepcopy(dict(wanted.request))
        request[self.kind.name_member] = name
        theirs = [tag for tag in request.get("Tags", []) if tag["Key"] not in tags]
        request["Tags"] = [*theirs, *tag_list(tags)]
        self.with_context(request, folder, variables)
        return attempts.Wanted(request, wanted.spec_hash)

    def _start(
        self, driver: Driver, injector: ObjectContextInjector, wanted: attempts.Wanted
    ) -> bool:
        try:
            return driver.start(wanted)
        except (ClientError, attempts.JobNameTaken, dg.Failure):
            injector.remove()  # refused: no job will read it
            raise


class PlacedJobClient(PipesJobClient):
    """A client whose `run_spec` builds requests of its own, in one placement.

    Args:
        placement: role, image, network, key and tags of the jobs that `run_spec` builds.
        options: as of `PipesJobClient`.
    """

    def __init__(
        self,
        sagemaker: JobService,
        objects: Callable[[], Objects],
        bucket: str,
        placement: Placement | None = None,
        **options: Any,
    ) -> None:
        super().__init__(sagemaker, objects, bucket, **options)
        self.placement: Placement = placement or Placement()
