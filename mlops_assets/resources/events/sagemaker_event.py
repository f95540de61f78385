"""What one event of SageMaker says, as EventBridge delivers it.

Here: reading the documented JSON ("Events that Amazon SageMaker AI sends to Amazon EventBridge",
SageMaker's developer guide). Not here: what follows from it (`automation.event_answers`). SageMaker
may send several events for one change, and a queue may deliver them twice and in any order: an
event says what to look at, never how it is now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlops_assets.resources.sagemaker.jobs.kinds import (
    PROCESSING,
    TRAINING,
    TRANSFORM,
    TUNING,
    JobKind,
)

Subject = Literal["job", "endpoint", "package", "other"]

JOBS: Mapping[str, JobKind] = {
    "SageMaker Training Job State Change": TRAINING,
    "SageMaker Processing Job State Change": PROCESSING,
    "SageMaker Transform Job State Change": TRANSFORM,
    "SageMaker HyperParameter Tuning Job State Change": TUNING,
}
_ENDPOINTS = (
    "SageMaker Endpoint State Change",
    "SageMaker Endpoint Deployment State Change",
)
_PACKAGES = ("SageMaker Model Package State Change",)


class NotAnEvent(ValueError):
    """A message is no event of EventBridge, or lacks what its kind always has."""


@dataclass(frozen=True)
class SageMakerEvent:
    """One event.

    Args:
        name: of the job, the endpoint, or the model package's group; empty for another subject.
        status: as the event has it; "" where its kind has none.
        tags: of the job, where the event has them.
    """

    id: str
    kind: str
    subject: Subject
    name: str = ""
    arn: str = ""
    status: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def parse(body: str) -> SageMakerEvent:
    """The event in a message's body.

    Raises:
        NotAnEvent: naming what is wrong; never with the body, which anybody may have written.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotAnEvent(f"the message is no JSON ({type(error).__name__})") from None
    if not isinstance(event, dict):
        raise NotAnEvent("the message is no JSON object")
    kind, detail = event.get("detail-type"), event.get("detail")
    if not isinstance(kind, str) or not isinstance(detail, dict) or "id" not in event:
        raise NotAnEvent("the message has no id, detail-type and detail, as every event has")
    if event.get("source") != "aws.sagemaker":
        return SageMakerEvent(str(event["id"]), kind, "other")
    if job := JOBS.get(kind):
        subject: Subject = "job"
        members = (job.name_member, f"{job.member}Arn", f"{job.member}Status")
    elif kind in _ENDPOINTS:
        subject, members = "endpoint", ("EndpointName", "EndpointArn", "EndpointStatus")
    elif kind in _PACKAGES:
        subject = "package"
        members = ("ModelPackageGroupName", "ModelPackageArn", "ModelApprovalStatus")
    else:
        return SageMakerEvent(str(event["id"]), kind, "other")
    name, arn, status = (_text(detail.get(member, "")) for member in members)
    if not name and subject != "package":  # a package of no group has no name
        raise NotAnEvent(f"{kind} without {members[0]}")
    return SageMakerEvent(
        str(event["id"]), kind, subject, name, arn, status, _tags(detail.get("Tags"))
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _tags(given: Any) -> dict[str, str]:
    """Tags as a map, which the documentation shows, or as the list of SageMaker's own API."""
    if isinstance(given, dict):
        return {str(key): str(value) for key, value in given.items()}
    pairs = [tag for tag in given or () if isinstance(tag, dict)] if isinstance(given, list) else []
    lowered = [{str(k).lower(): str(v) for k, v in tag.items()} for tag in pairs]
    return {tag["key"]: tag.get("value", "") for tag in lowered if "key" in tag}
