"""What is replayed: pipeline, variant, months; kept in the replay's home for all its processes.

Here: the plan, and finding what it names. Not here: carrying it out (`driver`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mlops_assets.pipeline import MLPipeline
from mlops_assets.pipelines import declared
from mlops_assets.replay.clock import Clock

_SHIPPED = "mlops_assets.pipelines"
_FOLDER, _PLAN, _CLOCK = "replay", "plan.json", "clock.txt"


class ReplayError(RuntimeError):
    """The replay cannot start or go on; the message says why and what to do."""


class Plan(BaseModel):
    """``start``: the partition that the first model is as of; ``rows``: asked each, 0 for all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str
    variant: str | None
    start: str
    first: str
    last: str
    rows: int

    def save(self, home: Path) -> None:
        """Keep it.

        Raises:
            ReplayError: the home holds another replay.
        """
        path = folder(home) / _PLAN
        if path.is_file():
            other = Plan.load(home)
            if other.model_copy(update={"last": self.last}) != self:
                raise ReplayError(
                    f"{home} holds another replay ({other}). Give this one a place of its own with "
                    f"--home, or remove that directory to start anew"
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, home: Path) -> Plan:
        path = folder(home) / _PLAN
        if not path.is_file():
            raise ReplayError(f"{path} is missing: start a replay with `mlops replay`")
        return cls.model_validate_json(path.read_bytes())

    def __str__(self) -> str:
        name = self.pipeline if self.variant is None else f"{self.pipeline}, {self.variant}"
        rows = f"{self.rows:,} rows each" if self.rows else "all rows"
        return f"{name}, {self.first} to {self.last}, {rows}"


def folder(home: Path) -> Path:
    """Where the replay keeps what is its own."""
    return home / _FOLDER


def clock(home: Path) -> Clock:
    return Clock(folder(home) / _CLOCK)


def find(name: str, variant: str | None, modules: Sequence[str]) -> MLPipeline:
    """A declared pipeline; or the ``pipeline`` of the module ``variant`` in its package.

    Args:
        modules: that declare further pipelines (``MLOPS_PIPELINES``).

    Raises:
        ReplayError: there is none of that name, or no such variant of it.
    """
    found = {pipeline.name: pipeline for pipeline in declared(modules)}
    if name not in found:
        raise ReplayError(f"there is no pipeline {name!r}. Declared: {', '.join(found)}")
    if variant is None:
        return found[name]
    for module in (f"{_SHIPPED}.{name}", *modules):
        package = import_module(module) if find_spec(module) else None
        if getattr(package, "pipeline", None) is not found[name]:
            continue
        if not hasattr(package, "__path__") or find_spec(f"{module}.{variant}") is None:
            break
        declaration = getattr(import_module(f"{module}.{variant}"), "pipeline", None)
        if isinstance(declaration, MLPipeline):
            return declaration
    raise ReplayError(
        f"{name} has no variant {variant!r}: a variant is a module beside its declaration that "
        "assigns an MLPipeline to `pipeline`"
    )


def partitions(pipeline: MLPipeline, first: str, last: str) -> tuple[str, list[str]]:
    """The partition before ``first``, and those from ``first`` to ``last``, by the start of their
    keys (``2013-04``).

    Raises:
        ReplayError: the source has no such partitions, or none before them to start from.
    """
    if pipeline.partitions.kind == "static" or pipeline.event_time is None:
        raise ReplayError(f"{pipeline.name} has no partitions in time: there is nothing to replay")
    there = sorted(pipeline.source.partitions())
    chosen = [key for key in there if key[: len(first)] >= first and key[: len(last)] <= last]
    before = [key for key in there if chosen and key < chosen[0]]
    if not chosen or not before:
        raise ReplayError(
            f"--from {first} --to {last}: {pipeline.name} has {', '.join(there)}, and a replay "
            "needs at least one partition before the first to train on"
        )
    return before[-1], chosen
