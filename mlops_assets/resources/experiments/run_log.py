"""What is known of one training: parameters, metrics by step, where it came from, how it ended.

Here: the record and its growth, free of MLflow, so that it can wait in the store while MLflow
cannot be reached. Not here: telling it (`tracking`), or reading a job's log (`metric_stream`).
"""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Point(BaseModel):
    """One value of a metric; ``at_ms``: of its log line, so that reading twice says the same."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    metric: str
    value: float
    at_ms: int
    step: int


class RunLog(BaseModel):
    """One run of an experiment; ``name`` (the job's) is what makes it one and the same."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")

    experiment: str
    name: str
    started_ms: int
    status: Status = "RUNNING"
    ended_ms: int | None = None
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    points: list[Point] = []
    artifacts: dict[str, str] = {}
    """{file name: its text}: small things, such as the request and the lineage."""

    def add(self, points: Iterable[Point]) -> None:
        self.points.extend(points)

    def end(self, status: Status, at_ms: int) -> None:
        self.status, self.ended_ms = status, at_ms
