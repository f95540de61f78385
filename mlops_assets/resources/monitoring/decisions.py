"""What automations decided, kept for good: an append-only log for each pipeline.

Two that decide at once on the same past cannot both write: the second has to look again. So the
log, and not Dagster's memory of runs, says what was asked for already. Here: where it is. Not here:
what a decision says (`assets.monitoring.records`), nor deciding (`automation.deciding`).
"""

from typing import TypeVar

from pydantic import BaseModel

from mlops_assets.resources.monitoring.log import Log
from mlops_assets.resources.records import Store

Entry = TypeVar("Entry", bound=BaseModel)

# How far back is looked: the same evidence is not decided on again within so many decisions.
REMEMBERED = 500


def log(store: Store, pipeline: str, kind: type[Entry]) -> Log[Entry]:
    """A pipeline's decisions, ``s3://…/decisions/<pipeline>/<number>.json``."""
    return Log(store.open(), store.uri("decisions", pipeline), kind)


def history(store: Store, pipeline: str, kind: type[Entry], limit: int = REMEMBERED) -> list[Entry]:
    """The last decisions of a pipeline, oldest first."""
    return log(store, pipeline, kind).tail(limit)[0]


def append(store: Store, pipeline: str, decision: BaseModel) -> None:
    """Add a decision whatever was decided meanwhile: of what was done already."""
    found = log(store, pipeline, type(decision))
    while not found.append(decision, after=found.tail(0)[1]):
        pass
