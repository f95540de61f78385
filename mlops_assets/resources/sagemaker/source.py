"""A script's folder at an address that follows from its content: as one archive, or file by file.

Here: which files travel, and how they become the same bytes each time. Not here: the request that
points at them (requests.py, processing_request.py).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_assets.objects import Objects
    from mlops_assets.resources.sagemaker.requests import TrainingSpec

_LEFT_OUT = frozenset({"__pycache__", "tests", "node_modules"})


def source_files(source: Path | Sequence[Path]) -> dict[str, Path]:
    """{name in the archive: file}: a folder's files (no caches, tests or dotfiles), or the files.

    Raises:
        ValueError: there is nothing to send, or two files would have one name.
    """
    if isinstance(source, Path) and source.is_dir():
        files = {
            str(path.relative_to(source).as_posix()): path
            for path in sorted(source.rglob("*"))
            if path.is_file() and not _left_out(path.relative_to(source))
        }
        if not files:
            raise ValueError(f"{source} holds no file to train with")
        return files
    paths = [source] if isinstance(source, Path) else list(source)
    files = {path.name: path for path in paths}
    if not files or len(files) != len(paths):
        raise ValueError(f"the training files {paths} must exist and differ in name")
    for path in paths:
        if not path.is_file():
            raise ValueError(f"the training file {path} does not exist")
    return files


def _left_out(relative: Path) -> bool:
    return any(part in _LEFT_OUT or part.startswith(".") for part in relative.parts) or (
        relative.suffix == ".pyc"
    )


def code_of(spec: TrainingSpec, objects: Objects, bucket: str) -> str:
    """Where a training job's code is, uploaded if need be; empty for one without a script."""
    return upload_source(objects, bucket, spec.source) if spec.program else ""


def upload_source(objects: Objects, bucket: str, source: Path | Sequence[Path]) -> str:
    """Put the archive where its content says; answers ``s3://<bucket>/code/<digest>/…tar.gz``.

    The digest covers names, contents and executable bits, not the archive's bytes, which may
    change with the compression library.
    """
    contents = _contents(source)
    uri = f"{_folder(bucket, contents)}/sourcedir.tar.gz"
    if not objects.exists(uri):
        objects.write_if_absent(uri, _archive(contents))
    return uri


def upload_files(objects: Objects, bucket: str, source: Path | Sequence[Path]) -> str:
    """Put each file where their contents say; answers their folder, ``s3://…/<digest>/files``.

    Objects have no modes: an executable is run by its interpreter.
    """
    contents = _contents(source)
    folder = f"{_folder(bucket, contents)}/files"
    for name, (data, _) in contents.items():
        uri = f"{folder}/{name}"
        if not objects.exists(uri):
            objects.write_if_absent(uri, data)
    return folder


def _contents(source: Path | Sequence[Path]) -> dict[str, tuple[bytes, bool]]:
    """{name: (content, whether it is executable)}"""
    return {
        name: (path.read_bytes(), os.access(path, os.X_OK))
        for name, path in sorted(source_files(source).items())
    }


def _folder(bucket: str, contents: dict[str, tuple[bytes, bool]]) -> str:
    digest = hashlib.sha256()
    for name, (data, executable) in contents.items():
        digest.update(f"{name}\0{int(executable)}\0{len(data)}\0".encode() + data)
    return f"s3://{bucket}/code/{digest.hexdigest()[:16]}"


def _archive(contents: dict[str, tuple[bytes, bool]]) -> bytes:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, (data, executable) in contents.items():
            member = tarfile.TarInfo(name)  # mtime, uid and gid are 0: same files, same bytes
            member.size = len(data)
            member.mode = 0o755 if executable else 0o644
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(tar.getvalue(), mtime=0)
