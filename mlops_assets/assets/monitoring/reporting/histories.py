"""The records of one station over its partitions, with when each was written.

Here: reading them; one that cannot be read is as if it were not there. Not here: what they say.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from mlops_assets.objects import ObjectNotFound
from mlops_assets.resources.records import Store

Record = TypeVar("Record", bound=BaseModel)
_NEWEST = 120
"""Partitions looked back on: a page for people shows no more, and more cost requests."""


@dataclass(frozen=True)
class Kept(Generic[Record]):
    """A record, its URI, and when it was written in seconds since the epoch."""

    record: Record
    uri: str
    at: float


def histories(
    store: Store, kind: type[Record], pipeline: str, station: str
) -> dict[str, Kept[Record]]:
    """{partition: record} of a station, in the order of the partitions' names."""
    folder = store.uri("records", pipeline, station)
    found: dict[str, Kept[Record]] = {}
    for info in list(store.open().list(folder))[-_NEWEST:]:
        name = info.uri.removeprefix(f"{folder}/").removesuffix(".json")
        record = _read(store, kind, info.uri)
        if record is not None:
            found[name] = Kept(record, info.uri, info.modified)
    return found


def latest(
    store: Store, kind: type[Record], pipeline: str, station: str, partition: str
) -> Kept[Record] | None:
    """One partition's record; None where there is none."""
    uri = store.uri("records", pipeline, station, f"{partition}.json")
    for info in store.open().list(uri):
        record = _read(store, kind, info.uri)
        return None if record is None else Kept(record, info.uri, info.modified)
    return None


def _read(store: Store, kind: type[Record], uri: str) -> Record | None:
    try:
        return kind.model_validate_json(store.open().read(uri))
    except (ObjectNotFound, ValidationError):
        # Gone since it was listed, or of an older version of the code.
        return None
