"""Which captured files are new: by folders of hours, without listing all history.

Here: the layout of captured files, what of it was read, and what is read next. Not here: what is in
the files (`captured_files`).

``<captures>/[v<version>/]<endpoint>/<variant>/yyyy/mm/dd/hh/<name>.jsonl``, where ``v3-v4`` stands
for a configuration in which version 3 answers as ``live`` beside a shadow or challenger of version
4. Of each variant's folder the hours since the newest one seen are listed, with an overlap for
files that are written late. What is known of that is a small object that may be lost: then all is
listed, and read, again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pandas as pd
from pydantic import BaseModel

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import LIVE

OVERLAP = pd.Timedelta(hours=3)
"""How long after the hour in its name a file may still appear, counted by the newest file."""

_FILE = re.compile(r"(\d{4}/\d\d/\d\d/\d\d)/([^/]+\.jsonl)")
_VERSIONS = re.compile(r"v(\d+)(?:-v(\d+))?")
_HOUR = "%Y/%m/%d/%H"


@dataclass(frozen=True, order=True)
class CapturedFile:
    """A file of captured records, and what its place tells of them; ``hour``: yyyy/mm/dd/hh."""

    hour: str
    uri: str
    folder: str
    variant: str
    version: int
    size: int = field(compare=False)
    modified: float = field(compare=False)

    @property
    def started(self) -> pd.Timestamp:
        """The start of the hour that it belongs to."""
        return pd.to_datetime(self.hour, format=_HOUR, utc=True)


class Seen(BaseModel):
    """Of one variant's folder: the newest hour, and the files read of the hours that are listed
    again."""

    hour: str
    files: list[str] = []


class Waiting(BaseModel):
    """A file that ends within a line: its size, and since when it has had it."""

    size: int
    since: float


class State(BaseModel):
    """What was read. ``partitions``: {partition: digest of the files that are staged for it}."""

    folders: dict[str, Seen] = {}
    waiting: dict[str, Waiting] = {}
    partitions: dict[str, str] = {}

    @classmethod
    def load(cls, objects: Objects, uri: str) -> State:
        """An empty one where there is none, or none that can be read."""
        try:
            return cls.model_validate_json(objects.read(uri))
        except (ObjectNotFound, ValueError):
            return cls()

    def save(self, objects: Objects, uri: str) -> None:
        objects.write(uri, self.model_dump_json().encode())

    def mark_read(self, file: CapturedFile) -> None:
        """The file is staged; hours that are no longer listed are forgotten."""
        self.waiting.pop(file.uri, None)
        known = self.folders.setdefault(file.folder, Seen(hour=file.hour))
        known.files.append(file.uri)
        if file.hour > known.hour:
            known.hour = file.hour
            kept = f"{file.folder}/{_overlapped(known.hour)}"
            known.files = [uri for uri in known.files if uri >= kept]


def new_files(
    objects: Objects, captures_uri: str, endpoint: str, state: State
) -> list[CapturedFile]:
    """Files that were not read yet, in the order of their hours, and those that wait."""
    found = {file.uri: file for file in _listed(objects, captures_uri, endpoint, state)}
    for uri, waiting in state.waiting.items():
        if uri not in found and (file := parse_path(captures_uri, uri, waiting.size, 0.0)):
            found[uri] = file
    return sorted(found.values())


def parse_path(
    captures_uri: str, uri: str, size: int = 0, modified: float = 0.0
) -> CapturedFile | None:
    """What a file's place tells; None for what is no captured file.

    >>> parse_path("s3://lake/captures/p", "s3://lake/captures/p/v3-v4/p/live/2026/01/31/23/a.jsonl")
    ... # doctest: +ELLIPSIS
    CapturedFile(hour='2026/01/31/23', ..., variant='live', version=3, size=0, modified=0.0)
    """
    parts = uri.removeprefix(f"{captures_uri.rstrip('/')}/").rsplit("/", 5)
    folder = parts[0]
    if len(parts) != 6 or not _FILE.fullmatch("/".join(parts[1:])):
        return None
    variant = folder.rpartition("/")[2]
    versions = _VERSIONS.fullmatch(folder.partition("/")[0])
    version = 0
    if versions:
        alone = versions[2] is None or variant == LIVE
        version = int(versions[1] if alone else versions[2])
    whole = f"{captures_uri.rstrip('/')}/{folder}"
    return CapturedFile("/".join(parts[1:5]), uri, whole, variant, version, size, modified)


def _listed(
    objects: Objects, captures_uri: str, endpoint: str, state: State
) -> Iterator[CapturedFile]:
    for folder in _folders(objects, captures_uri.rstrip("/"), endpoint):
        known = state.folders.get(folder)
        read = set(known.files) if known else set()
        after = f"{folder}/{_overlapped(known.hour)}" if known else ""
        for info in objects.list(folder, after=after):
            file = parse_path(captures_uri, info.uri, info.size, info.modified)
            if file is not None and info.uri not in read:
                yield file


def _folders(objects: Objects, top: str, endpoint: str) -> Iterator[str]:
    """The folder of each variant: as many as there are versions, however long they have served."""
    for name in objects.folders(top):
        if _VERSIONS.fullmatch(name):
            parent = f"{top}/{name}/{endpoint}"
        elif name == endpoint:
            parent = f"{top}/{name}"
        else:
            continue
        for variant in objects.folders(parent):
            yield f"{parent}/{variant}"


def _overlapped(hour: str) -> str:
    return (pd.to_datetime(hour, format=_HOUR) - OVERLAP).strftime(_HOUR)
