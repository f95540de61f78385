"""A training job's statuses: where it is, how long it has taken, what that would cost.

Belongs here: secondary statuses and their messages, seconds and billable seconds. Does not belong
here: what brings a job from one to the next (job_run.py).
"""

from __future__ import annotations

import functools
import json
import math
import time
from pathlib import Path

from mlops_assets.sagemaker_local.store import Document, Store

KIND = "training-job"
ENDED = ("Completed", "Failed", "Stopped")
_MESSAGES = {
    "Starting": "Starting the training job",
    "Pending": "Waiting for compute capacity",
    "Downloading": "Downloading input data",
    "Training": "Training image is running. Training in progress.",
    "Interrupted": "The managed spot training instances were interrupted",
    "Restarting": "Restarting the training job after an internal error",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}


def advance(store: Store, name: str, secondary: str, **members: object) -> None:
    """Move a job to its next secondary status, closing the transition before."""
    now = time.time()
    document = store.get(KIND, name)
    if document is None:
        raise KeyError(name)
    transitions = document["SecondaryStatusTransitions"]
    if transitions:
        transitions[-1].setdefault("EndTime", now)
    transitions.append(
        {"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]}
    )
    if members.get("TrainingJobStatus") in ENDED:
        transitions[-1]["EndTime"] = now
    store.update(
        KIND,
        name,
        SecondaryStatus=secondary,
        SecondaryStatusTransitions=transitions,
        **members,
    )


def training_seconds(document: Document, until: float) -> float:
    """How long instances have worked for a job: from Downloading on, without the waits for spot
    capacity between its attempts. ``until`` ends what is going on."""
    total, started = 0.0, None
    for step in document["SecondaryStatusTransitions"]:
        waits = step["Status"] in ("Starting", "Pending", "Restarting")
        if started is None and not waits and step["Status"] not in ENDED:
            started = step["StartTime"]
        elif started is not None and (waits or step["Status"] in ENDED):
            total += step["StartTime"] - started
            started = None
    return total + (0.0 if started is None else until - started)


@functools.cache
def spot_share() -> float:
    """Of a second of managed spot training, the share that is billed."""
    table = json.loads((Path(__file__).parent / "spot.json").read_bytes())
    return float(table["billable_share"])


def count(document: Document, status: str) -> int:
    """How often a job has been in a secondary status; it outlives this server."""
    return sum(step["Status"] == status for step in document["SecondaryStatusTransitions"])


def times(document: Document, until: float) -> dict[str, int]:
    """TrainingTimeInSeconds and BillableTimeInSeconds of a job that ends now."""
    seconds = math.ceil(training_seconds(document, until))
    spot = document.get("EnableManagedSpotTraining", False)
    billable = math.ceil(seconds * spot_share()) if spot else seconds
    return {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": billable}
