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
    """The marks of one automation of a pipeline.

    Args:
        one_by_one: each mark is looked up by itself, for who asks for a few of very many; else all
            are listed, once.
    """

    store: Store
    pipeline: str
    automation: str
    one_by_one: bool = False

    @cached_property
    def _names(self) -> set[str]:
        if self.one_by_one:
            return set()
        listed = self.store.open().list(f"{self._uri}/")
        return {info.uri.rpartition("/")[2] for info in listed}

    def has(self, run_key: str) -> bool:
        name = _name(run_key)
        if self.one_by_one and name not in self._names:
            if not self.store.open().exists(f"{self._uri}/{name}"):
                return False
            self._names.add(name)
        return name in self._names

    def mark(self, run_key: str, run_id: str) -> None:
        """Keep that the run of this key has begun."""
        self.store.open().write_if_absent(f"{self._uri}/{_name(run_key)}", run_id.encode())
        self._names.add(_name(run_key))

    @property
    def _uri(self) -> str:
        return self.store.uri("begun", self.pipeline, self.automation)


def _name(run_key: str) -> str:
    return hashlib.sha256(run_key.encode()).hexdigest()[:32]
