"""What moved the answers.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from typing import Literal

from mlops_assets.assets.monitoring.records import Record, Status


class Attributions(Record):
    """Mean absolute SHAP values by feature, largest first, over ``rows`` rows.

    ``space``: what adds up, such as log-odds; ``base``: the answer without knowing a row.
    """

    rows: int
    space: str
    base: float
    importance: dict[str, float]


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
