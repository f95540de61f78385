"""What is measured of the declared facets.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from pydantic import Field

from mlops_assets.assets.monitoring.records import Line, Record, Status


class BiasFigure(Record):
    """One of Clarify's metrics with its 95 % interval; ``error`` says why there is no value."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    sigma: float | None = None
    error: str | None = None


class BiasFacet(Record):
    """A facet's metrics: of labels (training rows, then the partition's), and of answers (the
    model's held-out rows, then those that were served).

    ``group``: the column that CDDL and CDDPL condition on. ``rows``: rows behind each of the four,
    of both facets. ``worse``: what moved away from fair since the baseline, in words.
    """

    column: str
    value: str
    group: str | None
    rows: dict[str, int]
    training: tuple[BiasFigure, ...]
    partition: tuple[BiasFigure, ...]
    held_out: tuple[BiasFigure, ...]
    served: tuple[BiasFigure, ...]
    worse: dict[str, str] = Field(default_factory=dict)


class BiasBaseline(Record):
    """What is the same for every partition that one model answers: its training's and held-out
    rows' metrics. ``positive_above``: from where on a regression's numbers are positive."""

    positive_above: float | None
    facets: tuple[BiasFacet, ...]


class BiasRecord(Record):
    """How differently labels and answers treat the declared facets.

    ``package_arn``: the model that gave most of the partition's answers, else the champion.
    ``positive``: what counts as a positive label or answer, in words.
    """

    partition: str
    package_arn: str | None
    positive: str
    captured: int
    labelled: int
    status: Status
    words: str
    facets: tuple[BiasFacet, ...]
    lines: tuple[Line, ...] = ()
