"""Objects brought to the folders in which a job reads them: one source for one host.

Belongs here: prefixes, manifests, sharding by key, links instead of copies. Does not belong here:
which channels or inputs a job has (layout.py and the processing jobs), what cannot be done
(limits.py).
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.objects import DirectoryObjects, ObjectNotFound, Objects, object_uri, split_uri

_MAX_MANIFEST_BYTES = 16 * 2**20


class InputMissing(Exception):
    """A channel names objects that are not there; the message is the service's FailureReason."""


@dataclass(frozen=True)
class Source:
    """An S3 data source. ``owner`` names it in errors, such as ``channel train``; ``seed`` is what
    the objects are shuffled by before they are shared among the hosts."""

    owner: str
    uri: str
    manifest: bool = False
    sharded: bool = False
    seed: int | None = None


@dataclass(frozen=True)
class Entry:
    """An object, and the file that it becomes, relative to the folder of its source."""

    uri: str
    name: str


def entries(source: Source, objects: Objects) -> list[Entry]:
    """All objects of a source, sorted as S3 lists them. Raises InputMissing where there is none."""
    found = _manifest(source, objects) if source.manifest else _below(source, objects)
    if not found:
        raise InputMissing(
            f'ClientError: Data download failed:No S3 objects found under S3 URL "{source.uri}" '
            f"given in input data source of {source.owner}."
        )
    return found


def share(source: Source, found: Sequence[Entry], index: int, hosts: int) -> list[Entry]:
    """What of the entries the host of that number gets: all, or every ``hosts``-th.

    >>> source = Source("channel a", "s3://bucket/a", sharded=True)
    >>> keys = [Entry(f"s3://bucket/a/{name}", name) for name in "pqrst"]
    >>> [[entry.name for entry in share(source, keys, host, 2)] for host in range(2)]
    [['p', 'r', 't'], ['q', 's']]
    """
    if not source.sharded:
        return list(found)
    ordered = list(found)
    if source.seed is not None:
        random.Random(source.seed).shuffle(ordered)  # noqa: S311 - the request gives the seed
    return ordered[index::hosts]


def bring(found: Sequence[Entry], directory: Path, objects: Objects, *, link: bool = False) -> None:
    """Make the entries' files below ``directory``, which is made even for none.

    ``link``: where objects are files of this file system, the job reads those and nothing is
    copied. It must not be able to write to them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for entry in found:
        path = directory / entry.name
        if not (link and isinstance(objects, DirectoryObjects) and _link(objects, entry, path)):
            _download(entry, path, objects)


def _link(objects: DirectoryObjects, entry: Entry, path: Path) -> bool:
    bucket, key = object_uri(entry.uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # An object is replaced, never written to: the job sees it as it was when it was listed.
        os.link(objects.root / bucket / key, path)
    except OSError:
        return False
    return True


def _download(entry: Entry, path: Path, objects: Objects) -> None:
    try:
        objects.download(entry.uri, path)
    except ObjectNotFound as error:
        raise InputMissing(
            f'ClientError: Data download failed:No S3 object found at "{entry.uri}".'
        ) from error


def _below(source: Source, objects: Objects) -> list[Entry]:
    prefix = split_uri(source.uri)[1].rstrip("/")
    found = []
    for info in objects.list(source.uri):
        key = object_uri(info.uri)[1]
        name = key.rpartition("/")[2] if key == prefix else key[len(prefix) :].lstrip("/")
        found.append(Entry(info.uri, name))
    return found


def _manifest(source: Source, objects: Objects) -> list[Entry]:
    """``[{"prefix": "s3://bucket/some/"}, "one", "other/two", …]``."""
    problem = f'ClientError: Data download failed:Manifest "{source.uri}" of {source.owner}'
    try:
        text = objects.read(source.uri)
    except (ObjectNotFound, ValueError) as error:
        raise InputMissing(f"{problem} does not exist.") from error
    if len(text) > _MAX_MANIFEST_BYTES:
        raise InputMissing(f"{problem} is larger than {_MAX_MANIFEST_BYTES} bytes.")
    try:
        head, *names = json.loads(text)
        prefix = head["prefix"]
        found = [Entry(prefix + name, name) for name in names]
        for entry in found:
            object_uri(entry.uri)
            if entry.name.startswith("/"):
                raise ValueError(f"{entry.name!r} begins with '/'")
    except (ValueError, TypeError, KeyError) as error:
        raise InputMissing(
            f'{problem} is not a JSON list of {{"prefix": "s3://…"}} and names below it: {error}'
        ) from error
    return found
