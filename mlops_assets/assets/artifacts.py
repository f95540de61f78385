"""A model artifact in storage, opened as a directory for as long as it is needed."""

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
