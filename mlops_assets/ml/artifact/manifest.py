"""manifest.json: what the artifact holds, with the SHA-256 of every file.

Belongs here: the manifest, and the files that it lists. Does not: anything that needs the model.
No time stamp and no job name stands in it: the same training gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlops_assets.ml.artifact.errors import ArtifactError

NAME = "manifest.json"
FEATURES = "features.json"
MODEL = "model.onnx"
NATIVE = "model.ubj"
GOLDEN = "golden.json"
CHECK = "check.parquet"
VERSION = 1


@dataclass(frozen=True)
class ManifestColumn:
    """A raw column as callers see it: its name, and "number" or "category"."""

    name: str
    type: str


@dataclass(frozen=True)
class Check:
    """How the artifact compared with the training framework's own answers."""

    rows: int
    max_abs_diff: float


@dataclass(frozen=True)
class Manifest:
    """The whole of manifest.json."""

    kind: str
    label: str
    columns: tuple[ManifestColumn, ...]
    width: int
    files: Mapping[str, str]
    training: Mapping[str, Any]
    check: Check
    version: int = VERSION

    def to_bytes(self) -> bytes:
        """The file's bytes: sorted keys, so that equal manifests are equal files."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True, allow_nan=False)
        return text.encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read manifest.json. Raises ArtifactError for anything that is not one."""
        try:
            content = json.loads(data)
            if content["version"] != VERSION:
                raise ArtifactError(f"{NAME}: version {content['version']!r} is not known")
            columns = tuple(ManifestColumn(**column) for column in content["columns"])
            check = Check(**content["check"])
            files = dict(content["files"])
            return cls(**{**content, "columns": columns, "check": check, "files": files})
        except ArtifactError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ArtifactError(f"{NAME} is not a manifest ({reason})") from None

    def digest(self) -> str:
        """One SHA-256 (hex) over the digests of all files."""
        text = json.dumps(dict(self.files), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def sha256(data: bytes) -> str:
    """The SHA-256 of some bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def listing(directory: Path) -> dict[str, Path]:
    """Every file below `directory` but the manifest, by its path with forward slashes, sorted.

    Raises ArtifactError for anything that is neither a plain file nor a plain directory.
    """
    found: dict[str, Path] = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ArtifactError(f"the model directory holds {name!r}, which is not a plain file")
        if path.is_file() and name != NAME:
            found[name] = path
    return found


def verify(directory: Path) -> Manifest:
    """The manifest of a directory, each of whose files is the one that the manifest lists.

    Raises ArtifactError that names the file which is missing, not listed, or different.
    """
    try:
        manifest = Manifest.from_bytes((directory / NAME).read_bytes())
    except FileNotFoundError:
        raise ArtifactError(f"no {NAME} in the model directory: it was never sealed") from None
    found = listing(directory)
    if missing := sorted(set(manifest.files) - set(found)):
        raise ArtifactError(f"the model directory lacks files of its manifest: {missing}")
    if extra := sorted(set(found) - set(manifest.files)):
        raise ArtifactError(f"the model directory holds files outside its manifest: {extra}")
    for name, path in found.items():
        if sha256(path.read_bytes()) != manifest.files[name]:
            raise ArtifactError(f"{name} is not the file that was sealed: its SHA-256 differs")
    return manifest
