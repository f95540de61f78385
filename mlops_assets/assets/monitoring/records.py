"""What the monitoring stations tell each other and the people: small, typed, stored as JSON.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["healthy", "warning", "failing", "unknown"]
"""``unknown`` (no baseline, too few rows, a gap) is a state of its own, never healthy."""

FindingKind = Literal[
    "drift",
    "missing",
    "category",
    "range",
    "constant",
    "all_null",
    "incomparable",
    "unit",
    "schema",
    "recoded",
    "filled",
    "sentinel",
    "clipped",
    "duplicates",
    "gap",
    "late",
    "insufficient",
    "prediction_drift",
    "label_drift",
    "classifier",
]
DATA_QUALITY: frozenset[FindingKind] = frozenset(
    {
        "unit",
        "schema",
        "recoded",
        "filled",
        "sentinel",
        "clipped",
        "duplicates",
        "gap",
        "late",
        "all_null",
        "constant",
        "incomparable",
    }
)
"""Kinds that tell of broken data rather than of a changed world: retraining cannot help them."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Record):
    """One thing that changed: what, how much against which bound, and the likely cause in words."""

    kind: FindingKind
    column: str | None
    effect: float | None
    threshold: float | None
    p_value: float | None = None
    importance: float | None = None
    words: str


class Line(_Record):
    """One line of a verdict, as a person reads it."""

    name: str
    figure: str
    bound: str
    status: Status


class DriftRecord(_Record):
    """A partition's features against the champion's training data.

    ``matters``: share (0 to 1) of the model's importance that lies on drifted columns; None where
    no model tells its importances. ``effects``: {column: effect size}, for the heat map.
    ``season_effects``: the same against the same season, where there is one.
    """

    partition: str
    baseline: str
    baseline_kind: Literal["champion", "earlier", "none"]
    package_arn: str | None
    rows: int
    baseline_rows: int
    status: Status
    matters: float | None
    findings: tuple[Finding, ...]
    effects: dict[str, float]
    season_effects: dict[str, float] = {}
    profile_snapshot: int | None = None

    @property
    def broken(self) -> tuple[Finding, ...]:
        """What tells of broken data rather than of a changed world."""
        return tuple(f for f in self.findings if f.kind in DATA_QUALITY)


class Interval(_Record):
    """A figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class HeldOutRecord(_Record):
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


class VersionPerformance(_Record):
    """What one model package version answered in a partition, judged for itself."""

    version: int
    package_arn: str | None
    captured: int
    labelled: int
    status: Status
    metrics: dict[str, Interval]
    held_out: dict[str, float]
    lines: tuple[Line, ...]


class PerformanceRecord(_Record):
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
    estimate_error: dict[str, float] = {}
    calibration: tuple[dict[str, float], ...] = ()
    slices: tuple[dict[str, str | int | float], ...] = ()
    late: int = 0
    inputs: dict[str, int | None] = {}
    judged_by: str = ""


class StalenessPair(_Record):
    """A recorded model, named by its as-of partition, measured on a later partition's rows.

    ``age``: partitions between them; the first that a model serves is of age 1.
    """

    as_of: str
    partition: str
    age: int
    rows: int
    value: float


class StalenessScore(_Record):
    """A model on one version of a partition's features; no value where labels were too few."""

    snapshot: int | None
    rows: int
    value: float | None


class StalenessScores(_Record):
    """What a model artifact scored on later partitions, kept: {partition: score}."""

    artifact_digest: str
    metric: str
    scores: dict[str, StalenessScore]


class StalenessAge(_Record):
    """Quality at one age; ``loss``: how much worse than the freshest on the same partitions."""

    age: int
    pairs: int
    mean: Interval
    loss: Interval | None


class StalenessRecord(_Record):
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


class SkewRecord(_Record):
    """Captured feature rows against the same rows recomputed offline, value by value."""

    partition: str
    captured: int
    offline: int
    compared: int
    different_rows: int
    columns: dict[str, int]
    status: Status
    words: str


class Decision(_Record):
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


class HealthRecord(_Record):
    """A pipeline's state of health in one line a part, and where its report lies.

    The whole is as bad as its worst part, and never healthy while a part is unknown.
    """

    pipeline: str
    at: str
    status: Status
    words: str
    parts: tuple[Line, ...]
    report_uri: str


class ProofRecord(_Record):
    """What was shown outside of the asset graph: by a command, by CI, or by a person's word.

    ``by_hand``: somebody did it and says where it is written. ``subject``: what it was shown of,
    such as a model package's ARN or a commit.
    """

    name: str
    at: str
    by: str
    passed: bool
    words: str
    by_hand: bool = False
    subject: str = ""
    figures: dict[str, float] = {}


Section = Literal["Data", "Model", "Infrastructure", "Monitoring"]
LineState = Literal["automatic", "by hand", "missing", "stale", "failing"]


class ScoreLine(_Record):
    """One of the 28 lines of the ML Test Score, with what it was given for.

    ``evidence`` names checks and records, ``link`` leads to the first of them, ``age_s`` is that
    of the oldest; ``earn`` says what would earn the point.
    """

    id: str
    section: Section
    title: str
    state: LineState
    points: float
    evidence: str
    link: str | None
    age_s: float | None
    words: str
    earn: str


class ScorecardRecord(_Record):
    """The ML Test Score of a pipeline: the least of the four sections' sums."""

    pipeline: str
    at: str
    score: float
    sections: dict[Section, float]
    lines: tuple[ScoreLine, ...]


class BiasFigure(_Record):
    """One of Clarify's metrics with its 95 % interval; ``error`` says why there is no value."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    sigma: float | None = None
    error: str | None = None


class BiasFacet(_Record):
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
    worse: dict[str, str] = {}


class BiasBaseline(_Record):
    """What is the same for every partition that one model answers: its training's and held-out
    rows' metrics. ``positive_above``: from where on a regression's numbers are positive."""

    positive_above: float | None
    facets: tuple[BiasFacet, ...]


class BiasRecord(_Record):
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


class Attributions(_Record):
    """Mean absolute SHAP values by feature, largest first, over ``rows`` rows.

    ``space``: what adds up, such as log-odds; ``base``: the answer without knowing a row.
    """

    rows: int
    space: str
    base: float
    importance: dict[str, float]


class ExplanationRecord(_Record):
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
