"""Which runs were asked for and have begun: kept in the store, so that nothing runs twice.

Dagster refuses the second run of a key as long as it remembers the first. This remembers when old
runs are purged, or Dagster's storage is another. Here: the marks. Not here: asking (`automation`).
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from mlops_assets.resources.records import Store


@dataclass(frozen=True)
class Begun:
    """The marks of one automation of a pipeline; listed once."""

    store: Store
    pipeline: str
    automation: str

    @cached_property
    def _names(self) -> set[str]:
        listed = self.store.open().list(f"{self._uri}/")
        return {info.uri.rpartition("/")[2] for info in listed}

    def has(self, run_key: str) -> bool:
        return _name(run_key) in self._names

    def mark(self, run_key: str, run_id: str) -> None:
        """Keep that the run of this key has begun."""
        self.store.open().write_if_absent(f"{self._uri}/{_name(run_key)}", run_id.encode())
        self._names.add(_name(run_key))

    @property
    def _uri(self) -> str:
        return self.store.uri("begun", self.pipeline, self.automation)


def _name(run_key: str) -> str:
    return hashlib.sha256(run_key.encode()).hexdigest()[:32]
