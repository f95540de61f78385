"""`PipesSageMakerTrainingClient`: a SageMaker training job as one Dagster step.

Here: enrich, start or adopt, follow, stop. The split follows dagster_aws's clients; unlike those,
logs come while the job runs, and a retry never pays for a second job. Not here: jobs without
Dagster (jobs.py), the transport of messages (pipes.py), the polling loop (follow.py).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from botocore.exceptions import ClientError
from dagster._core.definitions.resource_annotation import TreatAsResourceParam
from dagster._utils.interrupts import capture_interrupts

from mlops_assets.resources.sagemaker import jobs
from mlops_assets.resources.sagemaker.follow import Context, Follower
from mlops_assets.resources.sagemaker.names import SPEC_HASH_TAG, request_digest, tag_list
from mlops_assets.resources.sagemaker.outcome import artifact_uri, failure_of, job_metadata
from mlops_assets.resources.sagemaker.pipes import ChannelContextInjector, LogMessageReader
from mlops_assets.resources.sagemaker.requests import (
    DAGSTER_CHANNEL,
    IDENTITY_FIELDS,
    Placement,
    TrainingSpec,
    channel,
    training_request,
)
from mlops_assets.resources.sagemaker.source import upload_source

if TYPE_CHECKING:
    from mlops_assets.objects import Objects
    from mlops_assets.resources.sagemaker.session import SageMakerResource

# SIGTERM, 120 s, SIGKILL is how SageMaker stops a job; then it uploads.
_STOP_PATIENCE_S = 180


class PipesSageMakerTrainingClient(dg.PipesClient, TreatAsResourceParam):
    """Runs training jobs from Dagster, each at most once.

    Args:
        sagemaker: where the clients come from.
        objects: opens the store that s3:// URIs live in.
        bucket: code, contexts, checkpoints and outputs go there.
        placement: role, image, network, key and tags of the jobs that `run_spec` builds.
        poll_interval: seconds between two looks at a running job (default .5 locally, 5 in AWS).
        forward_termination: whether interrupting the run stops the job.
    """

    def __init__(
        self,
        sagemaker: SageMakerResource,
        objects: Callable[[], Objects],
        bucket: str,
        placement: Placement | None = None,
        *,
        poll_interval: float | None = None,
        forward_termination: bool = True,
    ) -> None:
        self._sagemaker = sagemaker
        self._objects = objects
        self._bucket = bucket
        self._placement = placement or Placement()
        self._poll_interval = poll_interval or (0.5 if sagemaker.is_local else 5.0)
        self._forward_termination = forward_termination

    def run_spec(
        self, *, context: Context, spec: TrainingSpec, extras: dict[str, Any] | None = None
    ) -> dg.PipesClientCompletedInvocation:
        """Upload the script, build the request in this client's placement, and `run` it."""
        code_uri = upload_source(self._objects(), self._bucket, spec.source)
        request = training_request(spec, self._placement, bucket=self._bucket, code_uri=code_uri)
        return self.run(context=context, create_training_job_params=request, extras=extras)

    def run(  # type: ignore[override]
        self,
        *,
        context: Context,
        create_training_job_params: Mapping[str, Any],
        extras: dict[str, Any] | None = None,
    ) -> dg.PipesClientCompletedInvocation:
        """Start the job, or adopt the one that this request already started, and see it through.

        Args:
            create_training_job_params: CreateTrainingJob's parameters; not changed. Without
                TrainingJobName the job is named by its content.

        Raises:
            dagster.Failure: the job failed, was stopped or left no model, or the run was
                interrupted; retried only where trying again may help.
            JobNameTaken: a job of that name was asked for by another request.
        """
        spec_hash = request_digest(create_training_job_params, without=IDENTITY_FIELDS)
        base = create_training_job_params.get("TrainingJobName") or f"training-{spec_hash[:12]}"
        injector: ChannelContextInjector | None = None
        found: jobs.Found | None = None
        try:
            found = self._find(context, base, spec_hash)
            folder = f"s3://{self._bucket}/pipes/{found.name}/{spec_hash[:12]}/"
            injector = ChannelContextInjector(self._objects(), folder, write=found.job is None)
            reader = LogMessageReader()
            with dg.open_pipes_session(context, injector, reader, extras) as session:
                adopted = found.job is not None or self._start(
                    injector,
                    _enrich(
                        create_training_job_params,
                        name=found.name,
                        channel_uri=folder,
                        bootstrap=session.get_bootstrap_env_vars(),
                        tags={**context.run.dagster_execution_info, SPEC_HASH_TAG: spec_hash},
                    ),
                    spec_hash,
                )
                _announce(context, found, adopted)
                follower = self._follower(context, found.name, reader)
                try:
                    job = follower.until_ended()
                finally:
                    reader.finish()
        except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
            # With a RetryPolicy, Dagster would answer an interruption by starting the step again.
            description = self._terminate(context, found, injector)
            raise dg.Failure(description, allow_retries=False) from None
        injector.remove()
        metadata = job_metadata(job, adopted=adopted, region=self._console_region())
        failure = failure_of(job, metadata, follower.tail, has_model=self._has_model(job))
        if failure is not None:
            raise failure
        return dg.PipesClientCompletedInvocation(session, metadata=metadata)

    def _start(
        self, injector: ChannelContextInjector, request: Mapping[str, Any], spec_hash: str
    ) -> bool:
        """Create the job; whether it was adopted after all."""
        try:
            return jobs.create_or_adopt(self._sagemaker.client, request, spec_hash)
        except (ClientError, jobs.JobNameTaken):
            injector.remove()  # refused: no job will read it
            raise

    def _find(self, context: Context, base: str, spec_hash: str) -> jobs.Found:
        """The attempt to adopt or to start, once no earlier one is still being stopped."""
        while True:
            found = jobs.find_attempt(self._sagemaker.client, base, spec_hash, self._has_model)
            if found.job is None or found.job["TrainingJobStatus"] != "Stopping":
                return found
            context.log.info(f"Training job {found.name} is being stopped: waiting for its end.")
            time.sleep(self._poll_interval)

    def _has_model(self, job: Mapping[str, Any]) -> bool:
        uri = artifact_uri(job)
        return uri is not None and any(
            info.uri == uri and info.size > 0 for info in self._objects().list(uri)
        )

    def _follower(self, context: Context, name: str, reader: LogMessageReader) -> Follower:
        return Follower(
            context,
            self._sagemaker,
            name,
            reader,
            poll_interval=self._poll_interval,
            quiet_reads=1 if self._sagemaker.is_local else 3,
        )

    def _terminate(
        self,
        context: Context,
        found: jobs.Found | None,
        injector: ChannelContextInjector | None,
    ) -> str:
        """Stop the job, once, and see it end; the description of what was done."""
        interrupted = "The run was interrupted"
        if found is None:
            return f"{interrupted} before a training job was asked for."
        if not self._forward_termination:
            return f"{interrupted}; training job {found.name} goes on: a new run adopts it."
        # A second signal must not leave a paid job behind.
        with capture_interrupts():
            context.log.warning(f"{interrupted}: stopping training job {found.name}.")
            jobs.stop(self._sagemaker.client, found.name)
            deadline = time.monotonic() + _STOP_PATIENCE_S
            while time.monotonic() < deadline:
                job = jobs.describe(self._sagemaker.client, found.name)
                if job is None or job["TrainingJobStatus"] in jobs.ENDED:
                    if injector is not None:
                        injector.remove()
                    status = job["TrainingJobStatus"] if job else "not created"
                    return f"{interrupted}; training job {found.name} is {status}."
                time.sleep(self._poll_interval)
        return f"{interrupted}; training job {found.name} is still being stopped."

    def _console_region(self) -> str | None:
        return None if self._sagemaker.is_local else self._sagemaker.region


def _enrich(
    params: Mapping[str, Any],
    *,
    name: str,
    channel_uri: str,
    bootstrap: Mapping[str, str],
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """The caller's request with this attempt's name, tags, and the way to Dagster and back."""
    request = copy.deepcopy(dict(params))
    request["TrainingJobName"] = name
    request["InputDataConfig"] = [
        *request.get("InputDataConfig", []),
        channel(DAGSTER_CHANNEL, channel_uri),
    ]
    request["Environment"] = {
        # Messages and log lines must not wait in the buffer of a pipe.
        "PYTHONUNBUFFERED": "1",
        **request.get("Environment", {}),
        **bootstrap,
    }
    theirs = [tag for tag in request.get("Tags", []) if tag["Key"] not in tags]
    request["Tags"] = [*theirs, *tag_list(tags)]
    return request


def _announce(context: Context, found: jobs.Found, adopted: bool) -> None:
    if adopted:
        context.log.info(
            f"Training job {found.name} was already asked for by this same request "
            f"({found.job['TrainingJobStatus'] if found.job else 'just now'}): adopted, no second "
            "job is started."
        )
    else:
        context.log.info(f"Training job {found.name} was created.")
