"""What automations decided, kept for good: an append-only log for each pipeline.

Two that decide at once on the same past cannot both write: the second has to look again. So the
log, and not Dagster's memory of runs, says what was asked for already. Here: where it is, and the
marks of what was begun. Not here: what a decision says (`assets.monitoring.records`), nor deciding
(`automation.deciding`).
"""

import hashlib
from typing import TypeVar

from pydantic import BaseModel

from mlops_assets.objects import Objects
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


def mark_begun(store: Store, pipeline: str, run_key: str, run_id: str) -> None:
    """Keep that the run which a decision asked for has begun, whatever becomes of its record."""
    store.open().write_if_absent(_mark(store, pipeline, run_key), run_id.encode())


def has_begun(store: Store, pipeline: str, run_key: str) -> bool:
    """Whether `mark_begun` was told of the run of this key."""
    objects: Objects = store.open()
    return objects.exists(_mark(store, pipeline, run_key))


def _mark(store: Store, pipeline: str, run_key: str) -> str:
    name = hashlib.sha256(run_key.encode()).hexdigest()[:32]
    return store.uri("decisions-begun", pipeline, name)
