"""A log of small records in the object store: appended to, never changed, in one order for all.

An entry is the object of the next number. Of writers who saw the same end only one gets it, so that
whoever decided on what stood there before knows that nobody decided in between. Here: that. Not
here: what the entries say (`decisions`, `alerts`).
"""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar, cast

from pydantic import BaseModel

from mlops_assets.objects import Objects

Entry = TypeVar("Entry", bound=BaseModel)

_DIGITS = 8


@dataclass(frozen=True)
class Log(Generic[Entry]):
    """Entries of one kind below ``uri``, by number, from 1 on."""

    objects: Objects
    uri: str
    kind: type[Entry]

    def tail(self, limit: int | None = None) -> tuple[list[Entry], int]:
        """The last entries (all of them without a limit), oldest first, and the last's number."""
        found = list(self.objects.list(f"{self.uri}/"))
        end = int(found[-1].uri.rpartition("/")[2].removesuffix(".json")) if found else 0
        wanted = found if limit is None else found[max(0, len(found) - limit) :]
        store = cast(Hashable, self.objects)
        read = [_read(store, info.uri, info.modified) for info in wanted]
        return [self.kind.model_validate_json(data) for data in read], end

    def append(self, entry: Entry, *, after: int) -> bool:
        """Write the entry that follows number ``after``; False where somebody else has."""
        return self.objects.write_if_absent(
            f"{self.uri}/{after + 1:0{_DIGITS}d}.json", entry.model_dump_json(indent=2).encode()
        )


@lru_cache(maxsize=4096)
def _read(objects: Hashable, uri: str, modified: float) -> bytes:
    # Entries never change: a sensor that looks at them each minute reads each one once. Its time
    # tells an entry from its namesake in a store that was emptied meanwhile.
    return cast(Objects, objects).read(uri)
