"""What a Spark job is told, and what it says: records that travel as JSON.

Here: the fields and nothing else. Not here: how jobs are asked for (`assets.spark`), what they do
(`clean_job`, `features_job`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from mlops_assets.resources.lake.staged import Staged


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Record):
    """A partition to make, from ``partition`` of the input table and ``history`` before it, both
    as of ``snapshot``; ``standing``: the snapshots of what is there of the outputs, so that the
    same rows are made again where somebody replaced them."""

    partition: str
    snapshot: int
    history: tuple[str, ...] = ()
    standing: tuple[int | None, ...] = ()


class Task(_Record):
    """What one job does.

    ``module``: where the pipeline is, as ``pipeline``; ``paths``: folders that it is imported from,
    beside the installed packages; ``catalog``: of the lake, as pyiceberg takes it.
    """

    station: Literal["clean", "features"]
    module: str
    pipeline: str
    code_version: str
    catalog: dict[str, str]
    inputs: tuple[Input, ...]
    paths: tuple[str, ...] = ()


class Reason(_Record):
    """How many ``rows`` break a rule."""

    column: str
    rule: str
    rows: int


class CleanFound(_Record):
    """What was found of a partition's raw rows, and the files that hold what was made of them.

    ``twins``: clean rows that share their entity key with another.
    """

    rows: int
    bad: int
    reasons: tuple[Reason, ...]
    twins: int
    labels: int
    label_mean: float | None
    clean: Staged
    quarantine: Staged
    sample: str


class FeaturesFound(_Record):
    """What was found of a partition's features, and the file that holds them.

    ``bad``: rows that break the schema; ``recomputed`` and ``differ``: rows of the point-in-time
    check, ``leaky`` the columns that differ.
    """

    rows: int
    history: int
    bad: int
    reasons: tuple[Reason, ...]
    recomputed: int
    differ: int
    leaky: tuple[str, ...]
    features: Staged
    sample: str


class Answer(_Record):
    """A finished job's: {partition: what was found}."""

    clean: dict[str, CleanFound] = {}
    features: dict[str, FeaturesFound] = {}
