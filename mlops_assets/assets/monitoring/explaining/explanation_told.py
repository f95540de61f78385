"""What is told of one prediction: the parts of a trace, as they are shown and written as JSON.

Here: the fields and nothing else. Not here: collecting them (`explanation_trace`).
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(_Part):
    """One captured answer; the last of them is the one explained."""

    at: str
    variant: str
    version: int
    prediction: float
    file: str


class Reason(_Part):
    """A feature's part in the answer. ``points``: in probability, or the label's unit."""

    feature: str
    value: str
    shap: float
    points: float


class Why(_Part):
    """Base and parts add up: in ``space`` the SHAP values, in the answer's unit the points.

    ``answered_again``: what the artifact answers to the captured row now.
    """

    space: str
    base: float
    base_answer: float
    answered_again: float
    reasons: tuple[Reason, ...]


class Model(_Part):
    """The model package that answered, and where it comes from."""

    package_arn: str
    version: int
    status: str
    state: str
    decision: str
    note: str
    trained_by: str
    reason: str
    registered: str
    as_of: str
    commit: str
    platform_version: str
    code_version: str
    artifact_digest: str
    training_job: str
    run_id: str | None
    metrics: dict[str, float]


class Trained(_Part):
    """The rows that the model learned from."""

    features_table: str
    features_snapshot: str
    partitions: tuple[str, ...]
    missing_partitions: tuple[str, ...]
    rows: dict[str, int]
    dataset_uri: str
    dataset_digest: str


class Table(_Part):
    """A partition of a table of the lake as it is now: who wrote it, in which run."""

    table: str
    partition: str
    snapshot: str
    run_id: str | None


class Truth(_Part):
    """The label, and since when it is known."""

    value: float
    known_at: str | None
    source: str
    provenance: str


class Raw(_Part):
    """The rows as the source had them. ``version_of``: was the source's version recorded when
    they were read, or asked now."""

    source: str
    version: str
    version_of: Literal["recorded", "now"]
    rows: tuple[dict[str, str], ...]
    places: tuple[int, ...]
    total: int
    quarantined: int


class Trace(_Part):
    """A prediction with everything behind it; ``untold`` says what could not be found, and why.

    ``offline``: {feature: its value in ``features`` now}, where that is not what was sent.
    """

    pipeline: str
    event_id: str
    partition: str
    event_time: str | None
    prediction: float
    answers: tuple[Answer, ...]
    label: Truth | None
    why: Why | None
    model: Model | None
    trained: Trained | None
    sent: dict[str, str]
    offline: dict[str, str]
    tables: tuple[Table, ...]
    raw: Raw | None
    untold: tuple[str, ...]
