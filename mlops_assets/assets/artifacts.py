"""A model artifact in storage, opened as a directory for as long as it is needed; and put there."""

import gzip
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_assets.ml.artifact.unpack import unpack
from mlops_assets.resources.records import Store


@contextmanager
def fetch(store: Store, artifact_uri: str) -> Iterator[Path]:
    """Download and safely unpack a ``model.tar.gz``; the directory is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mlops-artifact-") as scratch:
        archive = Path(scratch) / "model.tar.gz"
        store.open().download(artifact_uri, archive)
        directory = Path(scratch) / "model"
        unpack(archive, directory)
        yield directory


def put(store: Store, directory: Path, artifact_uri: str) -> None:
    """Store a directory's files as a ``model.tar.gz``: the same files give the same bytes."""
    with tempfile.TemporaryDirectory(prefix="mlops-artifact-") as scratch:
        archive = Path(scratch) / "model.tar.gz"
        with (
            archive.open("wb") as file,
            gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in sorted(path for path in directory.rglob("*") if path.is_file()):
                member = tarfile.TarInfo(str(path.relative_to(directory).as_posix()))
                member.size = path.stat().st_size
                with path.open("rb") as content:
                    tar.addfile(member, content)
        store.open().upload(archive, artifact_uri)
