"""Checkpoints: restored before a job starts, mirrored to the store while it runs.

Belongs here: CheckpointConfig. Does not belong here: when a job is interrupted (attempt.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.layout import Layout
from mlops_assets.sagemaker_local.store import Document

DEFAULT_PATH = "/opt/ml/checkpoints"


class Checkpoints:
    """The checkpoints' folders of all hosts of one attempt, and the one prefix of them all.

    Every host finds everything that was mirrored. Of a file that several hosts have, the one
    written last is mirrored; it is deleted once no host has it any more.
    """

    def __init__(self, request: Document, layouts: Sequence[Layout], objects: Objects) -> None:
        given = request.get("CheckpointConfig", {})
        path = given.get("LocalPath", DEFAULT_PATH)
        self._folders = [layout.inside(path) for layout in layouts]
        self._prefix = given["S3Uri"].rstrip("/") if given else None
        self._objects = objects
        self._mirrored: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._open = False

    @property
    def wanted(self) -> bool:
        return self._prefix is not None

    def restore(self) -> None:
        """Bring what was mirrored by earlier attempts, or by the jobs before."""
        for folder in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            if self._prefix is not None:
                self._objects.download_tree(self._prefix, folder)
        self._mirrored = {name: _state(path) for name, path in self._files().items()}
        self._open = True

    def close(self) -> None:
        """Wait for a mirroring in another thread and allow no more: the folders are about to go,
        which must not look as if the job had deleted its checkpoints."""
        with self._lock:
            self._open = False

    def mirror(self) -> None:
        """The folders to the store: what is new or changed, deletions included."""
        with self._lock:
            if self._open and self._prefix is not None:
                self._mirror(self._prefix)

    def _mirror(self, prefix: str) -> None:
        files = self._files()
        for name, path in files.items():
            try:
                state = _state(path)
                if self._mirrored.get(name) != state:
                    self._objects.upload(path, f"{prefix}/{name}")
                self._mirrored[name] = state
            except FileNotFoundError:  # deleted by the job since it was listed
                continue
        for name in self._mirrored.keys() - files.keys():
            self._objects.delete(f"{prefix}/{name}")
            del self._mirrored[name]

    def _files(self) -> dict[str, Path]:
        """The last written file of each name, relative to the folder that it is in."""
        found: dict[str, tuple[tuple[int, int], Path]] = {}
        for folder in self._folders:
            for path in folder.rglob("*"):
                if path.is_symlink():
                    continue
                try:
                    state = _state(path) if path.is_file() else None
                except FileNotFoundError:
                    continue
                name = path.relative_to(folder).as_posix()
                if state is not None and (name not in found or state > found[name][0]):
                    found[name] = state, path
        return {name: found[name][1] for name in sorted(found)}


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
