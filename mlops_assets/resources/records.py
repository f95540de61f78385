"""Small typed records that one station leaves for the next, as JSON beside the lake.

Here: storing and reading them, one object a station and partition, replaced as a whole. Not here:
what the records say (`assets.records`) and anything that grows with the data.
"""

import hashlib
import os
from functools import lru_cache
from typing import TypeVar

import dagster as dg
from pydantic import BaseModel

from mlops_assets.objects import ObjectNotFound, Objects, open_objects

Record = TypeVar("Record", bound=BaseModel)


class RecordNotFound(LookupError):
    """A station has not run for a partition; the message says how to run it."""


@lru_cache
def _opened(pid: int, location: str) -> Objects:
    # By process: connections must not be shared with a forked child.
    return open_objects(location)


class Store(dg.ConfigurableResource):
    """The platform's bucket: records, datasets and job artifacts, under ``s3://<bucket>/``."""

    bucket: str
    objects: str

    def open(self) -> Objects:
        """The store behind the bucket; one per process, with its connections."""
        return _opened(os.getpid(), self.objects)

    def uri(self, *parts: str) -> str:
        return "/".join([f"s3://{self.bucket}", *parts])

    def save(self, pipeline: str, station: str, partition: str, record: BaseModel) -> str:
        """Replace a station's record for a partition; returns its URI."""
        uri = self._record_uri(pipeline, station, partition)
        self.open().write(uri, record.model_dump_json(indent=2).encode())
        return uri

    def load(self, kind: type[Record], pipeline: str, station: str, partition: str) -> Record:
        """Raises RecordNotFound when the station has not run for the partition."""
        try:
            data = self.open().read(self._record_uri(pipeline, station, partition))
        except ObjectNotFound:
            raise RecordNotFound(
                f"{pipeline}/{station} has not been materialized for {partition}. Run: "
                f"dagster asset materialize -m mlops_assets.definitions "
                f"--select 'key:\"{pipeline}/{station}\"' --partition {partition}"
            ) from None
        return kind.model_validate_json(data)

    def partitions(self, pipeline: str, station: str) -> list[str]:
        """The partitions that a station has left a record for, sorted."""
        below = self.uri("records", pipeline, station)
        names = [info.uri.rpartition("/")[2] for info in self.open().list(below)]
        return sorted(name.removesuffix(".json") for name in names)

    def keep(self, pipeline: str, record: BaseModel) -> str:
        """Store a record for good, under the digest of its content; returns its URI."""
        data = record.model_dump_json(indent=2).encode()
        uri = self.uri("kept", pipeline, f"{hashlib.sha256(data).hexdigest()[:32]}.json")
        self.open().write_if_absent(uri, data)
        return uri

    def _record_uri(self, pipeline: str, station: str, partition: str) -> str:
        return self.uri("records", pipeline, station, f"{partition}.json")
