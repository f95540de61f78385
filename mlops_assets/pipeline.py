"""`MLPipeline`: the one declaration that a pipeline's whole asset graph is built from.

Here: what a data scientist says about a pipeline (where rows come from, what a valid row is, what
the features are, how to train, what "good enough" means, how to serve), checked when it is said.
Not here: how any of it is done. The declaration knows neither assets nor SageMaker; `assets/`
reads it, never the other way round.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from mlops_assets.ml import baselines
from mlops_assets.ml.splitting import Expanding, Sliding
from mlops_assets.partitions import Partitions
from mlops_assets.source_files import source_files

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import DataFrameModel

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OWNER = re.compile(r"team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+\.[^@\s]+")

# The stations of the loop, in order: what follows the data, and what follows each trained model.
DATA_STATIONS = ("raw", "clean", "quarantine", "features")
MODEL_STATIONS = ("splits", "model", "evaluation", "registered_model", "endpoint")

Hyperparameter = str | int | float | bool


class DeclarationError(ValueError):
    """A field of a declaration is wrong; the message names the field, the value and the remedy."""

    def __init__(self, field_name: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field_name}: {problem}. {remedy}.")


def _require(condition: bool, field_name: str, problem: str, remedy: str) -> None:
    if not condition:
        raise DeclarationError(field_name, problem, remedy)


@runtime_checkable
class Source(Protocol):
    """Where rows come from. Shipped: `mlops_assets.resources.sources.FileSource`."""

    def partitions(self) -> list[str]:
        """Partition keys that the source can deliver now, in order."""

    def read(self, partition: str) -> pd.DataFrame:
        """The rows of one partition, as the source has them."""

    def version(self, partition: str) -> str:
        """Changes when, and only when, the partition's content may have changed."""

    def describe(self) -> str:
        """One sentence for the asset's description."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """What the model predicts.

    Args:
        column: the label's column in the output of ``clean`` and ``features``; null = no label.
        kind: decides metrics, baselines and the estimator's output.
        known_at: the column of ``clean`` that says when the label became known.
    """

    column: str
    kind: Literal["binary", "regression"]
    known_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Split:
    """How training and held-out rows part, always in the order of time where there is time.

    Time-partitioned: the as-of partition is held out, the ``window`` of partitions before it is
    trained on. Where the lake has none of those (the first partition), or the pipeline has no time
    partitions, the last ``holdout_share`` of the as-of partition's rows is held out instead: by
    event time where declared, else by a hash of the entity key.
    """

    window: Sliding | Expanding = field(default_factory=Expanding)
    holdout_share: float = 0.25

    def __post_init__(self) -> None:
        _require(
            0 < self.holdout_share < 1,
            "split.holdout_share",
            f"{self.holdout_share} is not a share",
            "Give the share of rows to hold out, such as 0.25",
        )


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the model is trained: an ordinary SageMaker script and the machine it runs on.

    Args:
        script: path of the script.
        files: further files that travel with it, such as modules it imports.
        metrics: {metric name: regular expression with one group}, read from the job's log.
        image: an image of your own; by default the platform's (``MLOPS_IMAGE_URI``).
        max_runtime: the job is stopped after this time.
    """

    script: Path
    files: tuple[Path, ...] = ()
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    instance_type: str = "ml.m5.xlarge"
    instance_count: int = 1
    volume_gb: int = 30
    use_spot: bool = False
    max_runtime: dt.timedelta = dt.timedelta(hours=1)

    def __post_init__(self) -> None:
        for name, path in (("script", self.script), *(("files", path) for path in self.files)):
            _require(
                path.is_file(),
                f"training.{name}",
                f"{path} is not a file",
                "Give the path of a file that exists",
            )
        _require(
            self.instance_count >= 1,
            "training.instance_count",
            f"{self.instance_count} is below 1",
            "Ask for at least one instance",
        )
        for name, pattern in self.metrics.items():
            _require(
                re.compile(pattern).groups == 1,
                f"training.metrics[{name!r}]",
                f"{pattern!r} does not have exactly one group",
                "Capture the number, as in 'auc: ([0-9.]+)'",
            )


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A bound that a held-out metric must keep before a model may be registered."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        _require(
            (self.at_least is None) != (self.at_most is None),
            f"gate {self.metric}",
            "needs exactly one of at_least and at_most",
            "Write Gate(metric='auc', at_least=0.7) or Gate(metric='rmse', at_most=12)",
        )

    def holds(self, value: float) -> bool:
        """Whether the bound is kept; an undefined metric (NaN) never keeps it."""
        above = self.at_least is None or value >= self.at_least
        below = self.at_most is None or value <= self.at_most
        return above and below

    def __str__(self) -> str:
        if self.at_least is not None:
            return f"{self.metric} ≥ {self.at_least:g}"
        return f"{self.metric} ≤ {self.at_most:g}"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What "good enough" means.

    Args:
        primary: the metric that champions and challengers are compared by.
        gates: absolute bounds on held-out metrics.
        leakage_ceiling: a bound that is too good to be true; breaking it stops the run.
        slices: columns of ``features`` whose values get metrics of their own.
        sensitive: the column that later fairness metrics group by.
    """

    primary: str
    gates: tuple[Gate, ...] = ()
    leakage_ceiling: Gate | None = None
    slices: tuple[str, ...] = ()
    sensitive: str | None = None
    slice_rows: int = 200


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How the model is served."""

    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    rollout: Literal["all_at_once"] = "all_at_once"
    capture_share: float = 0.0

    def __post_init__(self) -> None:
        _require(
            0 <= self.capture_share <= 1,
            "endpoint.capture_share",
            f"{self.capture_share} is not a share",
            "Give a number between 0 and 1",
        )


@dataclass(frozen=True, kw_only=True)
class Monitors:
    """What is watched of the data on its way in.

    Args:
        quarantine_share: the share of bad rows above which nothing downstream may run.
        rows: bounds on the clean rows of a partition; outside them the check warns.
        label_share: bounds on the mean of the label; outside them the check warns.
        point_in_time_rows: how many rows of a partition are recomputed from truncated data.
    """

    quarantine_share: float = 0.01
    rows: tuple[int, int | None] = (1, None)
    label_share: tuple[float, float] | None = None
    point_in_time_rows: int = 20


CleanFunction = Callable[["pd.DataFrame"], "pd.DataFrame"]
FeaturesFunction = Callable[["pd.DataFrame", "pd.DataFrame"], "pd.DataFrame"]


@dataclass(frozen=True, kw_only=True)
class MLPipeline:
    """One ML pipeline, declared.

    Args:
        name: the asset group and the prefix of every key, table, job and endpoint.
        clean: pure function of the rows of one partition that passed ``raw_schema``.
        features: pure function ``(rows, history)``; history holds the clean rows of the
            ``lookback`` before the partition. One row out for each row in, in the same order.
        horizon: a prediction is asked for this long before the event; nothing that becomes known
            later may reach a feature.
        known_at: {timestamp column: columns that become known at that time}; every other column of
            ``clean`` is known at event time − horizon.
        personal: columns that are redacted in quarantine, samples and reports.

    Raises:
        DeclarationError: at construction, naming the field.
    """

    name: str
    description: str
    owners: tuple[str, ...]
    partitions: Partitions
    source: Source
    raw_schema: type[DataFrameModel]
    feature_schema: type[DataFrameModel]
    clean: CleanFunction
    features: FeaturesFunction
    entity_key: tuple[str, ...]
    label: Label
    training: Training
    evaluation: Evaluation
    event_time: str | None = None
    lookback: dt.timedelta = dt.timedelta(0)
    horizon: dt.timedelta = dt.timedelta(0)
    known_at: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: Split = field(default_factory=Split)
    baselines: tuple[str, ...] = ("linear",)
    approval: Literal["auto", "manual"] = "auto"
    endpoint: Endpoint = field(default_factory=Endpoint)
    monitors: Monitors = field(default_factory=Monitors)
    personal: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(
            bool(_NAME.fullmatch(self.name)),
            "name",
            f"{self.name!r} is not a name",
            "Use up to 40 lower-case letters, digits and underscores, starting with a letter",
        )
        _require(
            bool(self.owners), "owners", "nobody owns the pipeline", "Name a team or an address"
        )
        for owner in self.owners:
            _require(
                bool(_OWNER.fullmatch(owner)),
                "owners",
                f"{owner!r} is neither a team nor an address",
                "Write 'team:data-science' or 'ada@example.com'",
            )
        for needed in ("partitions", "read", "version", "describe"):
            _require(
                callable(getattr(self.source, needed, None)),
                "source",
                f"{type(self.source).__name__} has no {needed}()",
                "Implement mlops_assets.pipeline.Source",
            )
        _require(
            bool(self.entity_key), "entity_key", "is empty", "Name the columns that identify a row"
        )
        _require(
            self.partitions.kind == "static" or self.event_time is not None,
            "event_time",
            f"is not set, and the partitions are {self.partitions.kind}",
            "Name the column of `clean` that says when the event happened",
        )
        _require(
            not (self.known_at or self.horizon or self.lookback) or self.event_time is not None,
            "event_time",
            "is not set, and known_at, horizon and lookback are measured from it",
            "Name the column of `clean` that says when the event happened",
        )
        for name in ("lookback", "horizon"):
            _require(
                getattr(self, name) >= dt.timedelta(0),
                name,
                f"{getattr(self, name)} is negative",
                "Give the length of time before the event",
            )
        for baseline in self.baselines:
            fitting = [name for name, kinds in baselines.NAMES.items() if self.label.kind in kinds]
            _require(
                baseline in fitting,
                "baselines",
                f"{baseline!r} is no baseline of a {self.label.kind} label",
                f"Choose from {', '.join(fitting)}",
            )
        self._check_columns()

    def _check_columns(self) -> None:
        columns = self.feature_schema.to_schema().columns
        for name, wanted in {
            "entity_key": self.entity_key,
            "event_time": (self.event_time,) if self.event_time else (),
            "label.column": (self.label.column,),
            "evaluation.slices": self.evaluation.slices,
            "evaluation.sensitive": (self.evaluation.sensitive,)
            if self.evaluation.sensitive
            else (),
        }.items():
            for column in wanted:
                _require(
                    column in columns,
                    name,
                    f"{column!r} is not a column of {self.feature_schema.__name__}",
                    f"Its columns are {', '.join(columns)}",
                )
        _require(
            bool(self.feature_columns),
            "feature_schema",
            "has no column besides entity key, event time and label",
            "Declare at least one feature",
        )

    @cached_property
    def feature_columns(self) -> tuple[str, ...]:
        """The columns that the model sees, in the order of ``feature_schema``."""
        others = {*self.entity_key, self.event_time, self.label.column}
        return tuple(c for c in self.feature_schema.to_schema().columns if c not in others)

    @property
    def slug(self) -> str:
        """The name as SageMaker allows it: ``flight-delays``."""
        return self.name.replace("_", "-")

    def table(self, station: str) -> str:
        """The lake's table of a station: ``flight_delays.clean``."""
        return f"{self.name}.{station}"

    def code_version(self, *parts: Any) -> str:
        """A digest for Dagster's staleness, of source files and declared values.

        Functions and classes count by their module's source and that of the modules of the same
        package which it imports, paths by their content, everything else by its ``repr``.
        """
        digest = hashlib.sha256()
        for part in parts:
            if isinstance(part, Path):
                digest.update(part.read_bytes() + b"\0")
            elif inspect.isclass(part) or inspect.isfunction(part):
                for path in source_files(part.__module__):
                    digest.update(path.read_bytes() + b"\0")
            else:
                digest.update(repr(part).encode() + b"\0")
        return digest.hexdigest()[:12]
