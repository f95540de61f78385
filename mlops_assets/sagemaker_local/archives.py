"""Archives of /opt/ml's folders: packed to the same bytes each time, unpacked with suspicion.

Belongs here: tar and gzip. Does not belong here: what a model archive must hold (the image checks).
"""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

MAX_BYTES = 4 * 2**30
MAX_RATIO = 200  # a JSON or CSV file compresses some 20-fold, a file of zeros 1000-fold
MAX_MEMBERS = 20_000
_FREE_BYTES = 64 * 2**20  # below this the ratio does not matter


class ArchiveError(ValueError):
    """The archive is refused; the message says why."""


def pack(directory: Path, archive: Path) -> int:
    """Write a tar.gz of the regular files below ``directory``; returns how many there were.

    The same files give the same bytes: sorted names, no times, owners or accidental modes. Links
    are left out: they would point at places that only this run had.
    """
    paths = [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(paths, key=lambda path: path.relative_to(directory).as_posix()):
            member = tarfile.TarInfo(path.relative_to(directory).as_posix())
            stat = path.stat()
            member.size = stat.st_size
            member.mode = 0o755 if stat.st_mode & 0o100 else 0o644
            with path.open("rb") as file:
                tar.addfile(member, file)
    return len(paths)


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a tar.gz below ``directory``, which is created.

    Raises ArchiveError for absolute names, ``..``, links, devices, and anything that unpacks to far
    more than it weighs.
    """
    allowed = min(MAX_BYTES, max(_FREE_BYTES, archive.stat().st_size * MAX_RATIO))
    directory.mkdir(parents=True, exist_ok=True)
    total = count = 0
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                total += member.size
                count += 1
                if total > allowed or count > MAX_MEMBERS:
                    raise ArchiveError(
                        f"{archive.name} unpacks to over {allowed} bytes or {MAX_MEMBERS} files"
                    )
                if not (member.isreg() or member.isdir()):
                    raise ArchiveError(f"{archive.name} holds {member.name!r}, no regular file")
                if member.name.startswith("/") or ".." in Path(member.name).parts:
                    raise ArchiveError(f"{archive.name} holds {member.name!r}, outside its folder")
                _extract(tar, member, directory)
    except (tarfile.TarError, EOFError, OSError, UnicodeError) as error:
        raise ArchiveError(f"{archive.name} is not a readable tar.gz: {error}") from error


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> None:
    """Owners and odd modes are not taken over. Debian 12's Python, 3.11.2, has no filters yet."""
    if hasattr(tarfile, "data_filter"):
        tar.extract(member, directory, filter="data")
    else:
        tar.extract(member, directory, set_attrs=False)
