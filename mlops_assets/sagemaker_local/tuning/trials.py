"""One training job of a tuning job, as the tuning job remembers it.

Belongs here: what is kept of it, in the store and in replies, and what its end says about its
objective. Does not belong here: the training job itself (training/jobs.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.training.progress import ENDED

_MAX_VALUES = 20_000  # Hyperband's most epochs
_INTERNAL = "InternalServerError"


@dataclass(frozen=True)
class Trial:
    """A training job from the choice of its point on.

    Args:
        number: from 0, in the order of creation over the whole tuning job.
        definition: the training job definition's place.
        tuned: the chosen hyperparameters, as the training job gets them.
        status: the training job's; InProgress also before it was created.
        objective: the last value of the objective metric, None while it runs or without one.
        epochs: how many values of the objective metric it had logged at its end.
        values: those values, where later jobs are compared with them.
        judged: the score at each of Hyperband's rungs at which it was judged.
        stopped_early: whether the tuning job stopped it.
        ended: its place among the ends, from 0; None while it runs.
    """

    number: int
    job: str
    definition: int
    tuned: dict[str, str]
    status: str = "InProgress"
    objective: float | None = None
    objective_status: str = "Pending"
    epochs: int = 0
    values: list[float] = field(default_factory=list)
    judged: dict[str, float] = field(default_factory=dict)
    stopped_early: bool = False
    ended: int | None = None
    summary: Document = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.ended is None

    @property
    def retryable(self) -> bool:
        """Whether it failed by no fault of its own."""
        return self.status == "Failed" and self.reason.startswith(_INTERNAL)

    @property
    def reason(self) -> str:
        return str(self.summary.get("FailureReason", ""))


def save(store: Store, tuning: str, trial: Trial) -> None:
    store.put(_kind(tuning), f"{trial.number:06d}", asdict(trial))


def load(store: Store, tuning: str) -> list[Trial]:
    """All of a tuning job's, in the order of their numbers."""
    found = [Trial(**document) for document in store.all(_kind(tuning))]
    return sorted(found, key=lambda trial: trial.number)


def forget(store: Store, tuning: str) -> None:
    for trial in load(store, tuning):
        store.delete(_kind(tuning), f"{trial.number:06d}")


def ended(
    trial: Trial, job: Document, metric: str, *, epochs: int, values: list[float], place: int
) -> Trial:
    """The trial after its training job's end: a job that failed has no objective."""
    assert job["TrainingJobStatus"] in ENDED  # noqa: S101
    final = {m["MetricName"]: m["Value"] for m in job.get("FinalMetricDataList", [])}
    failed = job["TrainingJobStatus"] == "Failed" or metric not in final
    return replace(
        trial,
        status=job["TrainingJobStatus"],
        objective=None if failed else float(final[metric]),
        objective_status="Failed" if failed else "Succeeded",
        epochs=epochs,
        values=values[:_MAX_VALUES],
        ended=place,
        summary=_summary(job),
    )


def lost(trial: Trial, reason: str, place: int) -> Trial:
    """The trial whose training job could not be created."""
    return replace(
        trial,
        status="Failed",
        objective_status="Failed",
        ended=place,
        summary={"FailureReason": reason},
    )


def live(trial: Trial, job: Document | None) -> Trial:
    """The trial with its running job's present status and times."""
    if job is None or not trial.running:
        return trial
    return replace(trial, status=job["TrainingJobStatus"], summary=_summary(job))


def _summary(job: Document) -> Document:
    members = ("CreationTime", "TrainingStartTime", "TrainingEndTime", "FailureReason")
    return {member: job[member] for member in members if member in job}


def _kind(tuning: str) -> str:
    """A kind for each tuning job, so that none has to read through all others' trials."""
    return f"tuning-trial/{tuning}"
