"""`MLPipeline`: the one declaration that a pipeline's whole asset graph is built from.

Here: what a data scientist says about a pipeline (where rows come from, what a valid row is, what
the features are, how to train, what "good enough" means, how to serve), checked when it is said.
Not here: how any of it is done. The declaration knows neither assets nor SageMaker; `assets/`
reads it, never the other way round.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from mlops_assets import run_size
from mlops_assets.aws_images import AwsImage
from mlops_assets.declaration import (
    DeclarationError,
    Evaluation,
    Gate,
    Label,
    Source,
    Split,
    check_identity,
    check_online,
    require,
)
from mlops_assets.engines import EMRServerless, Engine, Spark, check_engine
from mlops_assets.limits import Limits
from mlops_assets.ml import baselines
from mlops_assets.monitors import (
    Alerts,
    Drift,
    Facet,
    Monitors,
    Performance,
    Retraining,
    Thresholds,
)
from mlops_assets.partitions import Partitions
from mlops_assets.rollouts import ABTest, AllAtOnce, Bounds, Canary, Linear, Rolling, Shadow
from mlops_assets.serving import (
    Asynchronous,
    Autoscaling,
    Batch,
    Container,
    Endpoint,
    LoadTest,
    Online,
    Serverless,
)
from mlops_assets.source_files import code_digest
from mlops_assets.training import Training
from mlops_assets.tuning import Categorical, Continuous, Integer, Tuning, check_tuning

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import DataFrameModel

__all__ = [
    "DATA_STATIONS",
    "MODEL_STATIONS",
    "ABTest",
    "Alerts",
    "AllAtOnce",
    "Asynchronous",
    "Autoscaling",
    "AwsImage",
    "Batch",
    "Bounds",
    "Canary",
    "Categorical",
    "Container",
    "Continuous",
    "DeclarationError",
    "Drift",
    "EMRServerless",
    "Endpoint",
    "Evaluation",
    "Facet",
    "Gate",
    "Integer",
    "Label",
    "Limits",
    "Linear",
    "LoadTest",
    "MLPipeline",
    "Monitors",
    "Online",
    "Performance",
    "Retraining",
    "Rolling",
    "Serverless",
    "Shadow",
    "Source",
    "Spark",
    "Split",
    "Thresholds",
    "Training",
    "Tuning",
]

# The stations of the loop, in order: what follows the data, and what follows each trained model.
DATA_STATIONS = ("raw", "clean", "quarantine", "features")
MODEL_STATIONS = ("splits", "model", "evaluation", "registered_model", "endpoint")

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
        tuning: where to look for better hyperparameters than ``training``'s; None: use those.
        batch: how whole partitions are predicted; None: there is no station ``predictions``.
        engine: where ``clean`` and ``features`` run; `Spark` where partitions outgrow a machine.
        limits: what its jobs and endpoint may ask for at most, beside what the platform sets.
        personal: columns that are redacted in quarantine, samples and reports.
        run_tags: tags of its runs; on ECS, ``ecs/cpu`` (1,024 a core) and ``ecs/memory`` (MiB) are
            the size of a run's task, where the task definition's does not do. Its assets carry
            them: a run of several pipelines gets the most of each; rounded up to a size of Fargate.

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
    tuning: Tuning | None = None
    baselines: tuple[str, ...] = ("linear",)
    approval: Literal["auto", "manual"] = "auto"
    endpoint: Endpoint = field(default_factory=Endpoint)
    batch: Batch | None = None
    monitors: Monitors = field(default_factory=Monitors)
    retraining: Retraining = field(default_factory=Retraining)
    alerts: Alerts = field(default_factory=Alerts)
    personal: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    engine: Engine = "pandas"
    run_tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_identity(self.name, self.owners)
        for needed in ("partitions", "read", "version", "describe"):
            require(
                callable(getattr(self.source, needed, None)),
                "source",
                f"{type(self.source).__name__} has no {needed}()",
                "Implement mlops_assets.pipeline.Source",
            )
        require(
            bool(self.entity_key), "entity_key", "is empty", "Name the columns that identify a row"
        )
        require(
            self.partitions.kind == "static" or self.event_time is not None,
            "event_time",
            f"is not set, and the partitions are {self.partitions.kind}",
            "Name the column of `clean` that says when the event happened",
        )
        require(
            self.evaluation.block is None or self.event_time is not None,
            "event_time",
            "is not set, and evaluation.block cuts time by it",
            "Name the column of `clean` that says when the event happened",
        )
        require(
            not (self.known_at or self.horizon or self.lookback) or self.event_time is not None,
            "event_time",
            "is not set, and known_at, horizon and lookback are measured from it",
            "Name the column of `clean` that says when the event happened",
        )
        for name in ("lookback", "horizon"):
            require(
                getattr(self, name) >= dt.timedelta(0),
                name,
                f"{getattr(self, name)} is negative",
                "Give the length of time before the event",
            )
        if self.tuning is not None:
            check_tuning(self.tuning, metrics=self.training.metrics, label=self.label.column)
        check_engine(self.engine, event_time=self.event_time, look_back=bool(self.lookback))
        self._check_run_size()
        self.monitors.check_label(self.label)
        for baseline in self.baselines:
            fitting = [name for name, kinds in baselines.NAMES.items() if self.label.kind in kinds]
            require(
                baseline in fitting,
                "baselines",
                f"{baseline!r} is no baseline of a {self.label.kind} label",
                f"Choose from {', '.join(fitting)}",
            )
        self._check_columns()

    def _check_run_size(self) -> None:
        """At the load of the code location: a run with no such task fails each time."""
        try:
            run_size.on_fargate(run_size.of_tags(self.run_tags, run_size.Size(1, 1)))
        except run_size.NoSuchSize as error:
            raise DeclarationError("run_tags", str(error), "Correct the pipeline's tags") from None

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
            "monitors.facets": tuple(facet.column for facet in self.monitors.facets),
            "monitors.drift": (*self.monitors.drift.columns, *self.monitors.drift.ignored),
        }.items():
            for column in wanted:
                require(
                    column in columns,
                    name,
                    f"{column!r} is not a column of {self.feature_schema.__name__}",
                    f"Its columns are {', '.join(columns)}",
                )
        raw = self.raw_schema.to_schema().columns
        for column in self.personal:
            require(
                column in raw or column in columns,
                "personal",
                f"{column!r} is a column of neither schema, and would hide nothing",
                f"The columns are {', '.join({**raw, **columns})}",
            )
        require(
            bool(self.feature_columns),
            "feature_schema",
            "has no column besides entity key, event time and label",
            "Declare at least one feature",
        )
        if self.endpoint.online is not None:
            check_online(
                self.endpoint.online.columns,
                features=self.feature_columns,
                key={column: str(columns[column].dtype) for column in self.entity_key},
                late={column for known in self.known_at.values() for column in known},
            )

    @cached_property
    def feature_columns(self) -> tuple[str, ...]:
        """The columns that the model sees, in the order of ``feature_schema``."""
        others = {*self.entity_key, self.event_time, self.label.column}
        return tuple(c for c in self.feature_schema.to_schema().columns if c not in others)

    @property
    def data_stations(self) -> tuple[str, ...]:
        """What new rows go through, up to where the endpoint reads their features."""
        return (*DATA_STATIONS, "online_features") if self.endpoint.online else DATA_STATIONS

    @property
    def model_stations(self) -> tuple[str, ...]:
        """What each trained model goes through, up to the live endpoint."""
        if self.tuning is None:
            return MODEL_STATIONS
        return (MODEL_STATIONS[0], "hyperparameters", *MODEL_STATIONS[1:])

    @property
    def slug(self) -> str:
        """The name as SageMaker allows it: ``flight-delays``."""
        return self.name.replace("_", "-")

    def table(self, station: str) -> str:
        """The lake's table of a station: ``flight_delays.clean``."""
        return f"{self.name}.{station}"

    def code_version(self, *parts: Any) -> str:
        """A digest for Dagster's staleness, of source files and declared values."""
        return code_digest(*parts)
