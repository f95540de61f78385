"""What is measured of served answers, and of age.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from pydantic import Field

from mlops_assets.assets.monitoring.records import Interval, Line, Record, Status


class HeldOutRecord(Record):
    """A model's figures on its own held-out rows, and its calibration there; kept by artifact.

    ``says``, ``means``: the isotonic curve (`ml.performance.calibration.Calibrator`); empty for a
    regression.
    """

    artifact_digest: str
    dataset_digest: str
    rows: int
    metrics: dict[str, Interval]
    says: tuple[float, ...]
    means: tuple[float, ...]


class VersionPerformance(Record):
    """What one model package version answered in a partition, judged for itself."""

    version: int
    package_arn: str | None
    captured: int
    labelled: int
    status: Status
    metrics: dict[str, Interval]
    held_out: dict[str, float]
    lines: tuple[Line, ...]


class PerformanceRecord(Record):
    """How good the served answers of a partition are, as far as its labels are known.

    ``estimate``: before the labels, assuming that P(y|x) is unchanged; it never silences what is
    realised. ``estimate_error``: realised minus estimated, on the rows whose label is known.
    ``versions``: {model package version: captured rows}. ``inputs``: {table: snapshot}, what was
    read; the same inputs, judged by the same code and bounds (``judged_by``), need no second look.
    ``calibration``: points of the reliability plot, as `ml.metrics.calibration_points` has them.
    ``late``: events whose label came too late to count.
    """

    partition: str
    versions: dict[str, int]
    captured: int
    labelled: int
    expected: int | None
    status: Status
    metrics: dict[str, Interval]
    estimate: dict[str, float]
    held_out: dict[str, float]
    lines: tuple[Line, ...]
    by_version: tuple[VersionPerformance, ...] = ()
    estimate_error: dict[str, float] = Field(default_factory=dict)
    calibration: tuple[dict[str, float], ...] = ()
    slices: tuple[dict[str, str | int | float], ...] = ()
    late: int = 0
    inputs: dict[str, int | None] = Field(default_factory=dict)
    judged_by: str = ""


class StalenessPair(Record):
    """A recorded model, named by its as-of partition, measured on a later partition's rows.

    ``age``: partitions between them; the first that a model serves is of age 1.
    """

    as_of: str
    partition: str
    age: int
    rows: int
    value: float


class StalenessScore(Record):
    """A model on one version of a partition's features; no value where labels were too few."""

    snapshot: int | None
    rows: int
    value: float | None


class StalenessScores(Record):
    """What a model artifact scored on later partitions, kept: {partition: score}."""

    artifact_digest: str
    metric: str
    scores: dict[str, StalenessScore]


class StalenessAge(Record):
    """Quality at one age; ``loss``: how much worse than the freshest on the same partitions."""

    age: int
    pairs: int
    mean: Interval
    loss: Interval | None


class StalenessRecord(Record):
    """What age does to this pipeline's models, from the as-of back-test, by the primary metric.

    ``loss_per_partition``: mean loss for each partition of age, positive is worse; None and
    ``unknown`` where no partition was answered by models of two ages.
    """

    primary: str
    status: Status
    words: str
    models: int
    ages: tuple[StalenessAge, ...]
    loss_per_partition: Interval | None
    pairs: tuple[StalenessPair, ...]
