"""What the stations from ``splits`` on tell each other: small, typed, stored as JSON.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


SplitMethod = Literal["window", "tail", "time", "hash"]
"""``window``: whole partitions train, the as-of one is held out; ``tail``: as that, but only the
end of the as-of partition is held out; ``time`` and ``hash``: the as-of partition alone, split by
event time or by entity."""


class SplitRecord(_Record):
    """An immutable dataset: which rows train, which are held out."""

    as_of: str
    dataset_uri: str
    digest: str
    method: SplitMethod
    train_partitions: tuple[str, ...]
    missing_partitions: tuple[str, ...]
    rows: dict[str, int]
    unlabelled: int
    features_snapshot: int


class HistoryRecord(_Record):
    """What a partition's features looked back on: {partition of ``clean``: its snapshot}.

    Kept as station ``features``, where a look-back is declared.
    """

    partition: str
    clean: dict[str, int]


class Trial(_Record):
    """One training job of a search; ``value``: of the searched metric, None where it left none."""

    job_name: str
    status: str
    hyperparameters: dict[str, str]
    value: float | None
    billable_seconds: int | None


class HyperparametersRecord(_Record):
    """The searched hyperparameters of a partition, and the search that they are from.

    ``searched_as_of``: the partition that the search was made for, ``as_of`` itself or an earlier
    one; ``reason``: why it was made, or why the earlier one is still good.
    """

    as_of: str
    searched_as_of: str
    reason: str
    hyperparameters: dict[str, str]
    code_version: str
    metric: str
    best: float
    held_out: str
    dataset_digest: str
    job_name: str
    job_arn: str
    trials: tuple[Trial, ...]


UNKNOWN = "unknown"


class ModelRecord(_Record):
    """A trained, sealed model and the job that made it.

    ``environment_lock``: SHA-256 of the versions of Python and of every package that the training
    used, as its manifest lists them; ``seed``: as the script was given it.
    """

    as_of: str
    job_name: str
    job_arn: str
    artifact_uri: str
    artifact_digest: str
    environment_lock: str = UNKNOWN
    seed: str = UNKNOWN
    dataset_digest: str
    image: str
    hyperparameters: dict[str, str]
    code_version: str
    commit: str
    platform_version: str
    billable_seconds: int | None
    metrics: dict[str, float]


class GateResult(_Record):
    """One question asked of a model before it may be registered."""

    name: str
    passed: bool
    description: str


class EvaluationRecord(_Record):
    """A model's held-out quality beside the baselines' and the champion's."""

    as_of: str
    artifact_digest: str
    rows: int
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    champion: str | None
    champion_metrics: dict[str, float] | None
    gates: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)


class RegistrationRecord(_Record):
    """A model package in the registry, or why there is none."""

    as_of: str
    package_arn: str | None
    status: str
    reason: str


RolloutState = Literal["running", "proven", "trial", "failed"]


class RolloutLine(_Record):
    """One line of a rollout's verdict."""

    name: str
    figure: str
    bound: str
    status: Literal["passed", "failed", "unknown"]


class RolloutRecord(_Record):
    """The last rollout of an endpoint, kept as station ``rollout``, partition ``last``.

    ``running``: interrupted, unless it still runs; ``trial``: an A/B test under way.
    """

    as_of: str
    package_arn: str
    champion_arn: str | None
    config: str
    previous_config: str | None
    policy: str
    state: RolloutState
    started: str
    run_id: str
    seconds: float | None = None
    steps: tuple[tuple[float, str], ...] = ()
    lines: tuple[RolloutLine, ...] = ()
