"""What an environment has in catalog and bucket: its tables, its folder, and the mark that it is.

Here: those. Not here: SageMaker (`things`). A table is the environment's only where both hold: its
namespace begins as the environment's names do, and it lies in the environment's warehouse.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.resources.lake.catalog import open_catalog

_MARK = "environment.json"


class Mark(BaseModel):
    """That an environment was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    made: dt.datetime
    location: str


@dataclass(frozen=True)
class Folder:
    """The environment's objects: all below one ``s3://`` folder."""

    objects: Objects
    uri: str

    def mark(self) -> Mark | None:
        try:
            return Mark.model_validate_json(self.objects.read(f"{self.uri}/{_MARK}"))
        except ObjectNotFound:
            return None

    def make(self, mark: Mark) -> bool:
        """Whether it was made now; False: it was there."""
        data = mark.model_dump_json(indent=2).encode()
        return self.objects.write_if_absent(f"{self.uri}/{_MARK}", data)

    def size(self) -> tuple[int, int]:
        """How many objects, and bytes."""
        sizes = [info.size for info in self.objects.list(f"{self.uri}/")]
        return len(sizes), sum(sizes)

    def remove(self) -> None:
        """The mark last: an interrupted removal is found again."""
        mark = f"{self.uri}/{_MARK}"
        for info in list(self.objects.list(f"{self.uri}/")):
            if info.uri != mark:
                self.objects.delete(info.uri)
        self.objects.delete(mark)


@dataclass(frozen=True)
class Tables:
    """The environment's tables in the lake's catalog.

    Args:
        catalog: pyiceberg's properties, of the environment's own settings.
    """

    catalog: Mapping[str, str]
    environment: str

    def find(self) -> Iterator[tuple[str, str]]:
        """(namespace, table) of each."""
        warehouse = self.catalog["warehouse"].rstrip("/") + "/"
        opened = open_catalog(self.catalog)
        for (namespace,) in opened.list_namespaces():
            if not namespace.startswith(f"{self.environment}_"):
                continue
            for name in opened.list_tables(namespace):
                if opened.load_table(name).location().startswith(warehouse):
                    yield namespace, name[-1]

    def remove(self) -> None:
        """Their entries in the catalog; their files go with the folder. Namespaces go when they
        hold nothing else."""
        opened = open_catalog(self.catalog)
        found = list(self.find())
        for namespace, name in found:
            opened.drop_table((namespace, name))
        for namespace in sorted({namespace for namespace, _ in found}):
            if not opened.list_tables(namespace):
                opened.drop_namespace(namespace)
