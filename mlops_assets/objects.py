"""Objects addressed by s3:// URIs: a directory per bucket on this machine, or S3 itself.

Belongs here: reading, writing, listing and copying whole objects, atomically, with the same
meaning on both stores. Does not belong here: tables (resources/lake), the layout of datasets
(resources/datasets.py), anything that knows what an object holds.

Every write becomes visible as a whole or not at all, also when the writer is killed. Locally,
bucket ``b`` and key ``k`` of ``dir:/root`` is the file ``/root/b/k``; half-written files live in
``/root/.tmp``, which no bucket can be called. Power loss is not guarded against (no fsync), and
unlike in S3 a name cannot be both an object and a folder.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_MAX_KEY_BYTES = 1024  # S3's limit


class ObjectNotFound(FileNotFoundError):
    """No object has this URI."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri} does not exist")
        self.uri = uri


@dataclass(frozen=True)
class ObjectInfo:
    """One listed object: ``size`` in bytes, ``modified`` in seconds since the epoch."""

    uri: str
    size: int
    modified: float


def parse_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key; the key may end in one ``/`` (a folder).

    Raises ValueError, naming the URI, for another scheme, a malformed bucket, an empty or
    absolute key, an empty, ``.`` or ``..`` segment, a control character or a backslash.

    >>> parse_uri("s3://lake/flights/2013-01.csv")
    ('lake', 'flights/2013-01.csv')
    """
    bucket, key = split_uri(uri)
    if not key:
        raise ValueError(f"{uri!r} has no key: expected s3://bucket/key")
    return bucket, key


def split_uri(uri: str) -> tuple[str, str]:
    """parse_uri, but the key may be empty (the whole bucket)."""
    if not uri.startswith("s3://"):
        raise ValueError(f"{uri!r} is no object URI: expected s3://bucket/key")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise ValueError(f"{uri!r} names no valid bucket: {bucket!r}")
    if _CONTROL.search(key) or len(key.encode("utf-8", "surrogatepass")) > _MAX_KEY_BYTES:
        raise ValueError(f"{uri!r} has a control character or backslash, or is over 1024 bytes")
    if any(part in ("", ".", "..") for part in key.removesuffix("/").split("/")) and key:
        raise ValueError(f"{uri!r} has an empty, '.' or '..' segment in its key")
    return bucket, key


def object_uri(uri: str) -> tuple[str, str]:
    """parse_uri, but a folder's URI (ending in ``/``) is refused."""
    bucket, key = parse_uri(uri)
    if key.endswith("/"):
        raise ValueError(f"{uri!r} names a folder, not an object: drop the trailing '/'")
    return bucket, key


class Objects(Protocol):
    """A store of objects; open_objects gives one.

    A ``prefix_uri`` means a folder: everything below it, and the object of exactly that name if
    there is one, but never its neighbours (``s3://b/train`` does not include ``s3://b/train2``).
    """

    def read(self, uri: str) -> bytes:
        """The object's bytes. Raises ObjectNotFound."""
        ...

    def write(self, uri: str, data: bytes) -> None:
        """Create or replace the object, atomically."""
        ...

    def write_if_absent(self, uri: str, data: bytes) -> bool:
        """Create the object; False (and no change) if it exists. One of n racers gets True."""
        ...

    def exists(self, uri: str) -> bool:
        """Whether an object has exactly this URI (folders do not exist)."""
        ...

    def list(self, prefix_uri: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """The folder's objects, sorted by the bytes of their keys; none is no error.

        ``after``: only those whose URI sorts after this one. What lies before is not looked at,
        nor what follows where the caller stops.
        """
        ...

    def folders(self, prefix_uri: str) -> Iterator[str]:
        """The names of the folders directly below a folder, sorted; what is in them is not looked
        at (locally they may be empty, in S3 there are no empty ones)."""
        ...

    def download(self, uri: str, path: Path) -> None:
        """Copy the object to a file, creating its folders; the file appears as a whole."""
        ...

    def upload(self, path: Path, uri: str) -> None:
        """Copy a file to the object, atomically."""
        ...

    def delete(self, uri: str) -> None:
        """Remove the object; no error if there is none."""
        ...

    def download_tree(self, prefix_uri: str, directory: Path) -> int:
        """Copy a folder's objects to files below ``directory``; returns how many.

        Each file is atomic, the tree is not: a caller that needs that checks a last file.
        """
        prefix = split_uri(prefix_uri)[1].rstrip("/")
        count = 0
        for info in self.list(prefix_uri):
            key = object_uri(info.uri)[1]
            name = key.rpartition("/")[2] if key == prefix else key[len(prefix) :].lstrip("/")
            self.download(info.uri, directory / name)
            count += 1
        return count

    def upload_tree(self, directory: Path, prefix_uri: str) -> int:
        """Copy the files below ``directory`` to a folder, in sorted order; returns how many."""
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        for path in files:
            self.upload(path, f"{prefix_uri.rstrip('/')}/{path.relative_to(directory).as_posix()}")
        return len(files)

    def delete_tree(self, prefix_uri: str) -> None:
        """Remove a folder's objects."""
        for info in list(self.list(prefix_uri)):
            self.delete(info.uri)


def open_objects(location: str) -> Objects:
    """The store at ``dir:/absolute/path`` or ``s3`` (boto3's default chain and endpoints)."""
    if location == "s3":
        from mlops_assets.objects_s3 import S3Objects  # boto3 only where S3 is used

        return S3Objects()
    scheme, _, path = location.partition(":")
    if scheme != "dir" or not os.path.isabs(path):
        raise ValueError(f"{location!r} is no object store: use 's3' or 'dir:/absolute/path'")
    return DirectoryObjects(Path(path))


class DirectoryObjects(Objects):
    """Buckets as directories below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, uri: str) -> bytes:
        with missing_as_not_found(uri):
            return self._path(uri).read_bytes()

    def write(self, uri: str, data: bytes) -> None:
        self._place(uri, lambda temporary: temporary.write_bytes(data), os.replace)

    def write_if_absent(self, uri: str, data: bytes) -> bool:
        if self.exists(uri):
            return False
        try:
            # link, unlike rename, fails when the name is taken.
            self._place(uri, lambda temporary: temporary.write_bytes(data), os.link)
        except FileExistsError:
            return False
        return True

    def exists(self, uri: str) -> bool:
        return self._path(uri).is_file()

    def list(self, prefix_uri: str, *, after: str = "") -> Iterator[ObjectInfo]:
        bucket, key = split_uri(prefix_uri)
        top = self.root / bucket / key.rstrip("/")
        first = os.fsencode(after.removeprefix(f"s3://{bucket}/")) if after else b""
        if top.is_file() and not key.endswith("/"):
            found: Iterable[bytes] = [os.fsencode(key)]
        else:
            found = _walk(self.root / bucket, os.fsencode(key.rstrip("/")), first)
        for name in found:
            path = self.root / bucket / os.fsdecode(name)
            try:
                stat = path.stat()
            except FileNotFoundError:  # deleted since the walk
                continue
            if name > first:
                uri = f"s3://{bucket}/{os.fsdecode(name)}"
                yield ObjectInfo(uri, stat.st_size, stat.st_mtime)

    def folders(self, prefix_uri: str) -> Iterator[str]:
        bucket, key = split_uri(prefix_uri)
        try:
            with os.scandir(self.root / bucket / key.rstrip("/")) as entries:
                yield from sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return

    def download(self, uri: str, path: Path) -> None:
        source = self._path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            with missing_as_not_found(uri):
                shutil.copyfile(source, temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def upload(self, path: Path, uri: str) -> None:
        self._place(uri, lambda temporary: shutil.copyfile(path, temporary), os.replace)

    def delete(self, uri: str) -> None:
        # The emptied folder stays: removing it would pull it from under another writer.
        with suppress(NotADirectoryError, IsADirectoryError):
            self._path(uri).unlink(missing_ok=True)

    def _path(self, uri: str) -> Path:
        bucket, key = object_uri(uri)
        return self.root / bucket / key

    def _place(
        self, uri: str, fill: Callable[[Path], Any], put: Callable[[Path, Path], None]
    ) -> None:
        """Fill a temporary file and put it at the object's name in one step."""
        target = self._path(uri)
        temporary = self.root / ".tmp" / uuid.uuid4().hex
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            fill(temporary)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise NotADirectoryError(f"{uri}: part of its path is an object") from error
            put(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def _walk(bucket: Path, folder: bytes, after: bytes) -> Iterator[bytes]:
    """Keys below a folder in the order of their bytes, without looking into folders before
    ``after``."""
    try:
        with os.scandir(os.path.join(os.fsencode(bucket), folder)) as entries:
            # A folder sorts as what is in it does: by its name and a slash.
            inside = [(e.name + b"/" * e.is_dir(follow_symlinks=False), e) for e in entries]
    except (FileNotFoundError, NotADirectoryError):
        return
    prefix = folder + b"/" if folder else b""
    for name, entry in sorted(inside, key=lambda pair: pair[0]):
        key = prefix + name
        if not name.endswith(b"/"):
            if not entry.is_dir():  # a link to a folder is not followed
                yield key
        elif key > after or after.startswith(key):
            yield from _walk(bucket, key[:-1], after)


@contextmanager
def missing_as_not_found(uri: str) -> Iterator[None]:
    """Either store's way of saying "no such object" becomes ObjectNotFound."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ObjectNotFound(uri) from error
    except Exception as error:
        response = getattr(error, "response", None) or {}
        if response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
            raise ObjectNotFound(uri) from error
        raise
