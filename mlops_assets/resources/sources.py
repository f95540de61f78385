"""Sources that ship with the platform.

Here: reading partitions of files, from a directory or an ``s3://`` prefix. A source of one
pipeline's own lives with that pipeline. Not here: validating what was read (`checks.rows`).
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_assets.objects import open_objects
from mlops_assets.partitions import STATIC_KEY
from mlops_assets.settings import Settings

_READERS: Mapping[str, Callable[..., pd.DataFrame]] = {
    # As text: a type that pandas infers changes with a partition's first stray or missing value.
    # The schema says what the text is; rows that are something else go to quarantine.
    ".csv": lambda data, **options: pd.read_csv(data, **{"dtype": "str", **options}),
    ".jsonl": lambda data, **options: pd.read_json(data, lines=True, **options),
    ".parquet": pd.read_parquet,
}
_PLACE = "{partition}"


class SourceError(ValueError):
    """A source cannot deliver what was asked for; the message says what it has."""


@dataclass(frozen=True)
class _File:
    name: str
    version: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class FileSource:
    """CSV, JSON Lines or Parquet files, one or several a partition.

    Args:
        location: a directory, or an ``s3://bucket/prefix``.
        pattern: the files' names below it. ``{partition}`` stands for the partition's key, ``*``
            for any run of characters but ``/``: ``"{partition}/*.parquet"``. Without
            ``{partition}`` every matching file belongs to the one static partition.
        options: passed to pandas' reader, such as ``{"sep": ";"}``. CSV is read as text, and
            becomes what ``raw_schema`` declares when rows are judged.

    >>> FileSource("sales", "sales-{partition}.csv").describe()
    'Files sales/sales-{partition}.csv'
    """

    location: str
    pattern: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if Path(self.pattern).suffix not in _READERS:
            known = ", ".join(_READERS)
            raise SourceError(f"pattern {self.pattern!r} must end in one of {known}")
        if self.pattern.count(_PLACE) > 1:
            raise SourceError(f"pattern {self.pattern!r} names {_PLACE} more than once")

    def describe(self) -> str:
        return f"Files {self.location.rstrip('/')}/{self.pattern}"

    def partitions(self) -> list[str]:
        return sorted(self._by_partition())

    def version(self, partition: str) -> str:
        """A digest of the names, sizes and modification times of the partition's files."""
        digest = hashlib.sha256()
        for file in self._files_of(partition):
            digest.update(f"{file.name}\0{file.version}\0".encode())
        return digest.hexdigest()[:16]

    def read(self, partition: str) -> pd.DataFrame:
        """The rows of all files of the partition, in the order of the files' names."""
        reader = _READERS[Path(self.pattern).suffix]
        frames = []
        for file in self._files_of(partition):
            try:
                frames.append(reader(io.BytesIO(file.read()), **self.options))
            except (ValueError, OSError) as error:
                raise SourceError(f"{file.name} cannot be read: {error}") from error
        return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)

    @cached_property
    def _name(self) -> re.Pattern[str]:
        parts = re.split(r"(\{partition\}|\*)", self.pattern)
        groups = {_PLACE: r"(?P<partition>[^/]+?)", "*": r"[^/]*"}
        return re.compile("".join(groups.get(part, re.escape(part)) for part in parts))

    def _by_partition(self) -> dict[str, list[_File]]:
        found: dict[str, list[_File]] = {}
        for file in self._list():
            match = self._name.fullmatch(file.name)
            if match:
                key = match.groupdict().get("partition") or STATIC_KEY
                found.setdefault(key, []).append(file)
        return found

    def _files_of(self, partition: str) -> list[_File]:
        found = self._by_partition()
        if partition not in found:
            has = ", ".join(sorted(found)) or "no matching file"
            raise SourceError(
                f"{self.describe()} has nothing for partition {partition!r}. It has: {has}. "
                "Put files there, or correct the pipeline's `source`"
            )
        return sorted(found[partition], key=lambda file: file.name)

    def _list(self) -> list[_File]:
        if not self.location.startswith("s3://"):
            root = Path(self.location)
            return [
                _File(
                    path.relative_to(root).as_posix(),
                    f"{path.stat().st_size}-{path.stat().st_mtime_ns}",
                    path.read_bytes,
                )
                for path in root.rglob("*")
                if path.is_file()
            ]
        objects = open_objects(Settings.load().objects)
        prefix = self.location.rstrip("/") + "/"
        return [
            _File(
                info.uri.removeprefix(prefix),
                f"{info.size}-{info.modified}",
                lambda uri=info.uri: objects.read(uri),  # type: ignore[misc]
            )
            for info in objects.list(prefix)
        ]
