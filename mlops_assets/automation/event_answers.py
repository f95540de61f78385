"""What an event of SageMaker calls for, by how things are now: approvals, endpoints, jobs.

Here: finding that out, and noting it at assets. An event only says where to look, so that answers
do not depend on how often or in which order events come. Not here: the queue (`events`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mlops_assets.automation.approval import due
from mlops_assets.automation.asking import UNDER_WAY, has_run
from mlops_assets.automation.endpoint_changes import found_change, run_under_way
from mlops_assets.automation.observing import observe_once
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.events.sagemaker_event import JOBS, SageMakerEvent
from mlops_assets.resources.monitoring.alerts import Alert, AlertChannels
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.errors import found_or_none, patiently
from mlops_assets.resources.sagemaker.jobs.kinds import Describe, JobKind
from mlops_assets.resources.sagemaker.names import digest_of

_RUN_ID = "dagster/run-id"  # as `DagsterRun.dagster_execution_info` tags jobs
_AGAIN_S = 300


@dataclass(frozen=True)
class Answer:
    """What was done, in words, and what is left: a run to start, or to look again."""

    words: str
    request: dg.RunRequest | None = None
    again_after_s: int | None = None


@dataclass(frozen=True)
class Answers:
    """The pipelines that events may be about, and the world they are looked up in."""

    pipelines: Sequence[MLPipeline]
    client: Any
    store: Store
    instance: dg.DagsterInstance
    channels: AlertChannels

    def to(self, event: SageMakerEvent) -> Answer:
        """What an event calls for."""
        if event.subject == "job":
            return self._job(event)
        pipeline = next((p for p in self.pipelines if p.slug == event.name), None)
        if pipeline is None or event.subject == "other":
            return Answer(f"{event.kind} of {event.name or 'something'} is of no pipeline here")
        if event.subject == "package":
            return self._package(pipeline)
        return self._endpoint(pipeline)

    def _package(self, pipeline: MLPipeline) -> Answer:
        """What a person approved is deployed, as the sensor `approval` does it."""
        if pipeline.approval != "manual":
            return Answer(f"{pipeline.name} deploys what passes its gates by itself")
        found = due(self.client, pipeline.slug)
        if found.request is None:
            return Answer(found.words)
        if has_run(str(found.request.run_key), self.instance):
            return Answer(f"{pipeline.name}: what was approved was asked for already")
        # The message stays until the run is seen.
        return Answer(
            f"{pipeline.name}: an approved model package is deployed",
            dg.RunRequest(
                run_key=found.request.run_key,
                partition_key=found.request.partition_key,
                tags={**found.request.tags, "mlops/trigger": "event"},
                job_name=f"{pipeline.name}_deployment",
            ),
        )

    def _endpoint(self, pipeline: MLPipeline) -> Answer:
        """What changed without a run of ours is observed at the asset, and told."""
        name = pipeline.slug
        if run_under_way(pipeline, self.store, self.instance):
            return Answer(f"endpoint {name} is being rolled out", again_after_s=_AGAIN_S)
        change = found_change(self.client, pipeline, self.store)
        if change is None:
            return Answer(f"endpoint {name} is as it was left")
        if change.moving:
            return Answer(change.words)  # its end has an event of its own
        key = dg.AssetKey([pipeline.name, "endpoint"])
        observe_once(self.instance, key, change.digest, change.words, change.shown)
        alert = Alert(
            level="page" if change.serious else "warning",
            pipeline=pipeline.name,
            title=change.words,
            evidence=change.shown,
            next_step=(
                f"find out who changed it (CloudTrail: UpdateEndpoint of {name}); materialize "
                f"{pipeline.name}/endpoint to serve what was promoted"
            ),
        )
        now = change.seen_at
        self.channels.send(self.store, alert, repeat_after=pipeline.alerts.repeat_after, now=now)
        return Answer(change.words)

    def _job(self, event: SageMakerEvent) -> Answer:
        """A bad end that no run has told of is noted at the asset that the job was for."""
        kind = JOBS[event.kind]
        job = found_or_none(
            lambda: getattr(self.client, kind.describe)(**{kind.name_member: event.name})
        )
        if job is None or kind.status(job) not in ("Failed", "Stopped"):
            return Answer(f"{kind.noun} {event.name} has not ended badly")
        tags = event.tags if "mlops:pipeline" in event.tags else self._tags(kind, job)
        pipeline = next((p for p in self.pipelines if p.name == tags.get("mlops:pipeline")), None)
        station = tags.get("mlops:asset")
        if pipeline is None or station is None:
            return Answer(f"{kind.noun} {event.name} is of no asset here")
        told = self._told_by_run(tags.get(_RUN_ID, ""), event.name)
        if told is None:
            return Answer(f"{kind.noun} {event.name}: its run ends first", again_after_s=_AGAIN_S)
        if told:
            return Answer(f"{kind.noun} {event.name}: its run has told of it")
        status = kind.status(job).lower()
        reason = str(job.get("FailureReason") or job.get("ExitMessage") or "no reason was given")
        words = f"{kind.title} {event.name} {status}, and no run followed it any more: {reason}"
        key = dg.AssetKey([pipeline.name, station])
        shown = {"job": event.name, "run": tags.get(_RUN_ID, "unknown"), "reason": reason[:1024]}
        observe_once(
            self.instance, key, digest_of([event.name, status]), words[:2000], shown,
            partition=tags.get("mlops:partition"),
        )  # fmt: skip
        return Answer(words)

    def _tags(self, kind: JobKind, job: Describe) -> dict[str, str]:
        arn = kind.arn(job)
        found = patiently(
            lambda: (
                self.client.get_paginator("list_tags").paginate(ResourceArn=arn).build_full_result()
            )
        )
        return {tag["Key"]: tag["Value"] for tag in found["Tags"]}

    def _told_by_run(self, run_id: str, job_name: str) -> bool | None:
        """Whether the job's run said itself how the job ended; None: it may still do so."""
        run = self.instance.get_run_by_id(run_id) if run_id else None
        if run is None:
            return False
        if run.status in UNDER_WAY:
            return None
        failures = self.instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=50
        ).records
        return any(
            job_name in str(record.event_log_entry.dagster_event.event_specific_data)
            for record in failures
            if record.event_log_entry.dagster_event is not None
        )
