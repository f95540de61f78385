"""Jobs that exist once: find, start or adopt, stop.

Here: what makes a retry safe. A job's name follows from its request, so asking again finds it: in
progress or completed, it is adopted; failed or stopped, the next attempt is ``<name>-2``, …; a job
of the same name with another request is refused. Not here: waiting for anything (driver.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError

from mlops_assets.resources.sagemaker.errors import (
    already_exists,
    connection_lost,
    found_or_none,
    is_transient,
    patiently,
)
from mlops_assets.resources.sagemaker.jobs.kinds import Describe, JobKind
from mlops_assets.resources.sagemaker.names import SPEC_HASH_TAG

MAX_ATTEMPTS = 20
"""Those that found no capacity do not count: nothing ran, nothing was paid."""
_MAX_NAMES = 99
ENDED = frozenset({"Completed", "Failed", "Stopped"})
Client = Callable[[], Any]


class JobNameTaken(RuntimeError):
    """A job of this name was asked for by another request."""


@dataclass(frozen=True)
class Found:
    """Where an attempt stands: its name, and the job of that name where there is one."""

    name: str
    job: Describe | None


@dataclass(frozen=True)
class Wanted:
    """What is asked for: ``request`` are the parameters of Create with the first attempt's name,
    ``spec_hash`` is what they ask for, whatever it is called and however it is tagged."""

    request: Mapping[str, Any]
    spec_hash: str


def find_attempt(
    client: Client, kind: JobKind, wanted: Wanted, is_whole: Callable[[Describe], bool]
) -> Found:
    """The job to adopt, or the free name to start the next attempt under.

    Args:
        is_whole: whether what a completed job left is still there; one without is passed over.

    Raises:
        JobNameTaken: a job of this name has another spec hash.
        RuntimeError: `MAX_ATTEMPTS` attempts have ended without a result, or all names are taken.
    """
    base = kind.name(wanted.request)
    name, ran = base, 0
    for attempt in range(1, _MAX_NAMES + 1):
        name = base if attempt == 1 else f"{base}-{attempt}"
        job = describe(client, kind, name)
        if job is None:
            return Found(name, None)
        check_hash(client, kind, job, wanted)
        status = kind.status(job)
        if status in ("InProgress", "Stopping") or (status == "Completed" and is_whole(job)):
            return Found(name, job)
        ran += not starved(job)
        if ran == MAX_ATTEMPTS:
            break
    raise RuntimeError(
        f"{attempt} attempts of {kind.noun} {base} ended without a result. See the last one's "
        f"FailureReason ({name}) and change what it is asked to do"
    )


def starved(job: Mapping[str, Any]) -> bool:
    """Whether a job failed before it began, for want of instances."""
    return str(job.get("FailureReason", "")).startswith("CapacityError")


def describe(client: Client, kind: JobKind, name: str) -> Describe | None:
    """The job's description, patient with throttling; None where there is no such job."""
    return found_or_none(lambda: getattr(client(), kind.describe)(**{kind.name_member: name}))


def check_hash(client: Client, kind: JobKind, job: Mapping[str, Any], wanted: Wanted) -> None:
    """Refuse a job that was asked for by another request.

    Raises:
        JobNameTaken: its spec-hash tag differs or is missing.
    """
    theirs = {tag["Key"]: tag["Value"] for tag in _tags(client, kind, job)}.get(SPEC_HASH_TAG)
    if theirs != wanted.spec_hash:
        differing = ", ".join(_differing(job, wanted.request)) or "what Describe does not show"
        raise JobNameTaken(
            f"{kind.noun} {kind.name(job)} exists and was asked for by another request: it differs "
            f"in {differing} (its tag {SPEC_HASH_TAG} is {theirs}, ours is {wanted.spec_hash}). "
            f"Change {kind.name_member}"
        )


def _tags(client: Client, kind: JobKind, job: Mapping[str, Any]) -> list[dict[str, str]]:
    """Those of its description, where the service shows them there; SageMaker asks for a list."""
    if "Tags" in job:
        return list(job["Tags"])
    pages = client().get_paginator("list_tags").paginate(ResourceArn=kind.arn(job))
    found: list[dict[str, str]] = patiently(pages.build_full_result)["Tags"]
    return found


def _differing(job: Mapping[str, Any], request: Mapping[str, Any]) -> list[str]:
    """The members of the request that the job has otherwise; the service adds its defaults."""
    return sorted(
        member
        for member, ours in request.items()
        if member in job and not _contains(job[member], ours)
    )


def _contains(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return all(key in theirs and _contains(theirs[key], value) for key, value in ours.items())
    if isinstance(theirs, list) and isinstance(ours, list):
        return len(theirs) == len(ours) and all(map(_contains, theirs, ours))
    return bool(theirs == ours)


def create_or_adopt(client: Client, kind: JobKind, wanted: Wanted) -> bool:
    """Create the job, or recognize as ours the one that is already there: True if it was adopted.

    Whether the answer to Create was lost, or another run was quicker: the name is taken by a job
    of the same spec hash, and that is the job.

    Raises:
        JobNameTaken: the name is taken by another request.
        ClientError: SageMaker refused the request.
    """

    def create() -> bool:
        try:
            getattr(client(), kind.create)(**wanted.request)
            return False
        except (ClientError, HTTPClientError, ConnectionError) as error:
            if not (already_exists(error) or connection_lost(error) or is_transient(error)):
                raise
            job = describe(client, kind, kind.name(wanted.request))
            if job is None:
                raise  # nothing was created: patiently() asks again if that may help
            check_hash(client, kind, job, wanted)
            return True

    return patiently(create)


def stop(client: Client, kind: JobKind, name: str) -> None:
    """Stop the job, unless it is not there or has ended (or is ending) by itself."""
    job = describe(client, kind, name)
    if job is None or kind.status(job) != "InProgress":
        return
    try:
        patiently(lambda: getattr(client(), kind.stop)(**{kind.name_member: name}), patience_s=60)
    except ClientError:
        # It ended between the two calls; if it did not, the refusal is real.
        job = describe(client, kind, name)
        if job is not None and kind.status(job) == "InProgress":
            raise
