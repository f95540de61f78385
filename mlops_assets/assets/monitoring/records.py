"""What the monitoring stations' records have in common, and what an automation decided.

Here: the fields and nothing else; each question's own records are beside its stations. How records
are stored is `resources.records`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["healthy", "warning", "failing", "unknown"]
"""``unknown`` (no baseline, too few rows, a gap) is a state of its own, never healthy."""


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(Record):
    """One line of a verdict, as a person reads it."""

    name: str
    figure: str
    bound: str
    status: Status


class Interval(Record):
    """A figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Decision(Record):
    """What an automation decided on which evidence, and why; kept for good, in order of time.

    ``action``: ``retrain`` and ``roll_back`` start a run; ``hold`` says why not (nothing to learn,
    broken data, no gain expected); ``wait`` comes back to it (pause, budget, one is running).
    """

    at: str
    pipeline: str
    trigger: str
    partition: str
    action: Literal["retrain", "roll_back", "hold", "wait"]
    words: str
    evidence: dict[str, str] = {}
    run_key: str | None = None
