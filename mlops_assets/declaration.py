"""The parts of a pipeline's declaration, each checked when it is made.

Here: source, label, split, gates. Not here: training (`training`), serving (`serving`), monitors
(`monitors`); the whole (`pipeline`), which users import all of these from.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from mlops_assets.ml.splitting import Expanding, Sliding

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OWNER = re.compile(r"team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+\.[^@\s]+")
_INSTANCE = re.compile(r"ml\.[a-z][a-z0-9-]*\.[a-z0-9-]+")
# Feature Store's rule for names, and the names that it or this platform gives to every group.
_FEATURE_NAME = re.compile(r"[a-zA-Z0-9]([-_]*[a-zA-Z0-9]){0,63}")
_FEATURES_RESERVED = frozenset(
    {"is_deleted", "write_time", "api_invocation_time", "entity", "event_time"}
)
# SageMaker's 1,024 for a variable of an endpoint's container, less what stands around the names.
_ONLINE_CHARACTERS = 900


class DeclarationError(ValueError):
    """A field of a declaration is wrong; the message names the field, the value and the remedy."""

    def __init__(self, field_name: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field_name}: {problem}. {remedy}.")


def require(condition: bool, field_name: str, problem: str, remedy: str) -> None:
    if not condition:
        raise DeclarationError(field_name, problem, remedy)


def check_alternates(field_name: str, instance_type: str, alternates: tuple[str, ...]) -> None:
    """Refuse what is no instance type, is named twice, or has a GPU where the first has none."""
    gpu = has_gpu(instance_type)
    for number, alternate in enumerate(alternates):
        require(
            _INSTANCE.fullmatch(alternate) is not None,
            field_name,
            f"{alternate!r} is no instance type",
            "Name types such as ml.g5.2xlarge",
        )
        require(
            alternate not in (instance_type, *alternates[:number]),
            field_name,
            f"{alternate} is asked for already",
            "Name each type once",
        )
        require(
            has_gpu(alternate) == gpu,
            field_name,
            f"of {instance_type} and {alternate} only one has a GPU",
            "Name types of the same kind",
        )


def has_gpu(instance_type: str) -> bool:
    return instance_type.startswith(("ml.g", "ml.p"))


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
        classes: of ``multiclass``, their names; the label's column holds their numbers, 0 for the
            first, and a model answers a probability for each, in this order.
    """

    column: str
    kind: Literal["binary", "regression", "multiclass"]
    known_at: str | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        many = self.kind == "multiclass"
        require(
            len(set(self.classes)) == len(self.classes) >= 2 if many else not self.classes,
            "label.classes",
            f"{self.classes} are no classes of a {self.kind} label",
            "Name two classes or more, each once, for a multiclass label, and none for another",
        )

    @property
    def answers(self) -> tuple[str, ...]:
        """The columns that hold a model's answer in captured rows, beside ``prediction``: the
        probability of each class of ``multiclass``, where ``prediction`` is the number of the most
        probable one; of any other label none, its answer is ``prediction`` itself."""
        return tuple(f"probability_{number}" for number in range(len(self.classes)))


@dataclass(frozen=True, kw_only=True)
class Split:
    """How training and held-out rows part, always in the order of time where there is time.

    Time-partitioned: the as-of partition is held out, the ``window`` of partitions before it is
    trained on. Where the lake has none of those (the first partition), or the pipeline has no time
    partitions, the last ``holdout_share`` of the as-of partition's rows is held out instead: by
    event time where declared, else by a hash of the entity key.

    Args:
        holdout: ``partition`` judges on the whole as-of partition, which no model has learned
            from by the time it serves. ``tail`` judges on the last ``holdout_share`` of it and
            trains on the rest too: a fresher model, judged on fewer rows.
    """

    window: Sliding | Expanding = field(default_factory=Expanding)
    holdout: Literal["partition", "tail"] = "partition"
    holdout_share: float = 0.25

    def __post_init__(self) -> None:
        require(
            self.holdout in ("partition", "tail"),
            "split.holdout",
            f"{self.holdout!r} is unknown",
            "Hold out the as-of 'partition', or the 'tail' of it",
        )
        require(
            0 < self.holdout_share < 1,
            "split.holdout_share",
            f"{self.holdout_share} is not a share",
            "Give the share of rows to hold out, such as 0.25",
        )


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A bound that a held-out metric must keep before a model may be registered."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        require(
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
        block: rows whose events fall into the same block of time share what made them so (a storm
            delays a whole day): champion and challenger are compared by drawing blocks instead of
            rows, or one bad day would count as a thousand proofs. None: rows are independent.
    """

    primary: str
    gates: tuple[Gate, ...] = ()
    leakage_ceiling: Gate | None = None
    slices: tuple[str, ...] = ()
    sensitive: str | None = None
    slice_rows: int = 200
    block: dt.timedelta | None = None

    def __post_init__(self) -> None:
        require(
            self.block is None or self.block > dt.timedelta(0),
            "evaluation.block",
            f"{self.block} is no length of time",
            "Give the time that events share their causes for, such as timedelta(days=1)",
        )


def check_identity(name: str, owners: Collection[str]) -> None:
    """Raise DeclarationError unless the name is one, and somebody can be asked."""
    require(
        bool(_NAME.fullmatch(name)),
        "name",
        f"{name!r} is not a name",
        "Use up to 40 lower-case letters, digits and underscores, starting with a letter",
    )
    require(bool(owners), "owners", "nobody owns the pipeline", "Name a team or an address")
    for owner in owners:
        require(
            bool(_OWNER.fullmatch(owner)),
            "owners",
            f"{owner!r} is neither a team nor an address",
            "Write 'team:data-science' or 'ada@example.com'",
        )


def check_online(
    columns: tuple[str, ...],
    *,
    features: Collection[str],
    key: Mapping[str, str],
    late: Collection[str],
) -> None:
    """Raise DeclarationError unless callers know the entity key and the store can hold the rest.

    Args:
        columns: what is read from the online store.
        features: the columns that the model sees.
        key: {column of the entity key: its type}.
        late: columns that become known only after the event.
    """
    name = "endpoint.online"
    for column in columns:
        require(
            column in features,
            f"{name}.columns",
            f"{column!r} is not a feature",
            f"The features are {', '.join(features)}",
        )
        require(
            bool(_FEATURE_NAME.fullmatch(column)) and column not in _FEATURES_RESERVED,
            f"{name}.columns",
            f"{column!r} is no name for a feature in SageMaker's store",
            "Use up to 64 letters, digits, dashes and underscores, none of "
            + ", ".join(sorted(_FEATURES_RESERVED)),
        )
    for column, kind in key.items():
        require(
            column not in late,
            name,
            f"the entity key {column!r} becomes known after the event, so no caller can send it",
            "Choose an entity key that callers know, or leave online out",
        )
        require(
            kind.lower().startswith(("str", "object", "int", "uint")),
            name,
            f"the entity key {column!r} is of type {kind}, which callers spell in several ways",
            "Use texts or whole numbers as the entity key, or leave online out",
        )
    length = sum(len(column) + 3 for column in (*columns, *key))
    require(
        length <= _ONLINE_CHARACTERS,
        f"{name}.columns",
        f"the {len(columns)} names take {length} characters, more than the {_ONLINE_CHARACTERS} "
        "that an endpoint's container can be told",
        "Read fewer columns, or give them shorter names",
    )
