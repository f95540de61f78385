"""What a replay keeps of each month, so that it can be told again and gone on with.

Here: the fields, and their files. Not here: how any of them is found out.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mlops_assets.replay.plan import folder


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Model(_Record):
    """A registered model: version, and the partition that it is as of."""

    arn: str
    version: int
    as_of: str


class Begun(_Record):
    """Where a month began: who served it, how many decisions there were, when (seconds since the
    epoch). What was begun is gone on with, not begun again."""

    serving: Model
    decisions: int
    at: float

    def save(self, home: Path, name: str) -> None:
        path = _begun(home, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1) + "\n")


class Said(_Record):
    """A decision or a verdict, as it was said."""

    what: str
    words: str


class MonthRecord(_Record):
    """One month of a replay.

    ``loop`` served it, ``kept`` would have if the last decision before it had been to keep the
    champion, ``frozen`` is the first model. Metrics are of all labelled rows, computed offline;
    ``served`` are those of the captured answers. ``noise``: the primary metric of loop minus
    kept, and its 95 % interval; None where both are the same model. ``after``: who serves the
    next month.
    """

    partition: str
    asked: int
    labels_sent: int
    labelled: int
    frozen: Model
    kept: Model
    loop: Model
    after: Model
    metrics: dict[str, dict[str, float]]
    noise: tuple[float, float, float] | None
    served: dict[str, float]
    decided: tuple[Said, ...]
    failed: tuple[str, ...]
    seconds: float

    def save(self, home: Path) -> None:
        path = _path(home, self.partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1) + "\n")


def load(home: Path, partition: str) -> MonthRecord | None:
    """What was kept of a month; None where it was not played to its end."""
    path = _path(home, partition)
    return MonthRecord.model_validate_json(path.read_bytes()) if path.is_file() else None


def begun(home: Path, name: str) -> Begun | None:
    """Where a month began; None where it has not."""
    path = _begun(home, name)
    return Begun.model_validate_json(path.read_bytes()) if path.is_file() else None


def _begun(home: Path, name: str) -> Path:
    return folder(home) / "begun" / f"{name}.json"


def _path(home: Path, partition: str) -> Path:
    return folder(home) / "months" / f"{partition}.json"
