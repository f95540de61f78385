"""Unpacking model.tar.gz: nothing outside its directory, nothing but files, nothing without end.

An archive comes from storage and is not trusted: 194 KB once unpacked to 200 MB.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

from mlops_assets.ml.artifact.errors import ArtifactError

MAX_BYTES = 4 * 1024**3
MAX_RATIO = 100
MAX_MEMBERS = 10_000
MAX_NAME = 255  # bytes, what file systems take
# Below this an archive may compress as well as it likes: a small one of zeros harms nobody.
FREE_BYTES = 1024**2
# What tarfile may read to find the next member: it keeps a whole header record in memory.
HEADER_BYTES = 1024**2


def unpack(
    archive: Path,
    directory: Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_ratio: int = MAX_RATIO,
    max_members: int = MAX_MEMBERS,
) -> None:
    """Unpack a .tar.gz into `directory`, which must be absent or empty; all of it or nothing.

    Raises ArtifactError, and leaves nothing behind, for an archive that is damaged, that holds
    absolute paths, `..`, links, devices or a name twice, or that is larger than the caps.
    """
    if directory.exists() and any(directory.iterdir()):
        raise ArtifactError(f"{directory.name} is not empty: unpack into a new directory")
    allowed = min(max_bytes, max(FREE_BYTES, archive.stat().st_size * max_ratio))
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".unpack-", dir=directory.parent))
    try:
        with gzip.open(archive) as stream:
            capped = _Capped(stream, allowed)
            _extract(capped, staging, max_members)
            capped.grant(allowed)
            while capped.read(65536):  # to the end, so that the checksum of the whole is checked
                pass
        staging.chmod(0o755)
        os.rename(staging, directory)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArtifactError(f"{archive.name} is not a sound .tar.gz: {error}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _extract(stream: _Capped, staging: Path, max_members: int) -> None:
    seen: set[PurePosixPath] = set()
    plain: set[PurePosixPath] = set()
    with tarfile.open(fileobj=stream, mode="r|", bufsize=65536) as tar:  # type: ignore[call-overload]
        while (member := tar.next()) is not None:
            path = PurePosixPath(member.name)
            if len(seen) >= max_members:
                raise ArtifactError(f"the archive holds more than {max_members} members")
            if path.is_absolute() or ".." in path.parts or "\\" in member.name:
                raise ArtifactError(f"the archive holds an unsafe path: {member.name!r}")
            if not (member.isreg() or member.isdir()):
                raise ArtifactError(f"the archive holds {member.name!r}: neither file nor folder")
            if member.issparse():  # its holes are not in the archive, and have any size
                raise ArtifactError(f"the archive holds {member.name!r}: a file with holes")
            if any(len(os.fsencode(part)) > MAX_NAME for part in path.parts):
                raise ArtifactError(f"the archive holds a name that is too long: {path.name[:40]}…")
            if (
                path in plain
                or (path in seen and member.isreg())
                or plain.intersection(path.parents)
            ):
                raise ArtifactError(f"the archive holds {member.name!r} twice")
            seen.add(path)
            if member.isreg():
                plain.add(path)
            stream.grant(member.size + HEADER_BYTES)
            if hasattr(tarfile, "data_filter"):
                tar.extract(member, staging, filter="data")
            else:  # Debian 12's Python, 3.11.2: owners and modes are left out all the same
                tar.extract(member, staging, set_attrs=False)
            stream.grant(HEADER_BYTES)


class _Capped:
    """A readable that gives out at most `allowed` bytes in all, and what was granted at a time."""

    def __init__(self, stream: gzip.GzipFile, allowed: int) -> None:
        self._stream = stream
        self._allowed = self._left = allowed
        self._granted = HEADER_BYTES

    def grant(self, size: int) -> None:
        self._granted = size

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        self._granted -= len(data)
        if self._left < 0:
            raise ArtifactError(
                f"the archive unpacks to more than the {self._allowed:,} bytes that its size allows"
            )
        if self._granted < 0:
            raise ArtifactError("the archive holds a header of unreasonable size")
        return data
