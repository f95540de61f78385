"""What moved the answers.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from typing import Literal

from pydantic import Field

from mlops_assets.assets.monitoring.records import Record, Status


class Attributions(Record):
    """Mean absolute SHAP values by feature, largest first, over ``rows`` rows.

    ``space``: what adds up, such as log-odds; ``base``: the answer without knowing a row. Of
    several classes ``importance`` is the mean over them, ``by_class`` has each one's, ``bases``
    theirs, and ``base`` is 0.
    """

    rows: int
    space: str
    base: float
    importance: dict[str, float]
    by_class: dict[str, dict[str, float]] = Field(default_factory=dict)
    bases: dict[str, float] = Field(default_factory=dict)


class ExplanationRecord(Record):
    """What moved the answers of a partition, against what moved them on the training rows.

    ``source``: the rows explained were ``captures`` or, where nothing was captured, ``features``.
    ``ndcg``: 1 for the same features in the same order (Clarify alarms below .9).
    """

    partition: str
    package_arn: str | None
    source: Literal["captures", "features", "none"]
    status: Status
    words: str
    now: Attributions | None
    training: Attributions | None
    ndcg: float | None
