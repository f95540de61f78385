"""A sealed model for the tests of serving, and servers that are real processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.seal import seal
from mlops_assets_tests.containers.server import Servers
from mlops_assets_tests.ml.artifact import trained


@pytest.fixture(scope="session")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed artifact that no test may change."""
    directory = tmp_path_factory.mktemp("served") / "model"
    trained.train(directory)
    seal(directory, training={})
    return directory


@pytest.fixture
def model(sealed_once: Path, tmp_path: Path) -> Path:
    """A container's /opt/ml/model with a sealed artifact, free to change."""
    return Path(shutil.copytree(sealed_once, tmp_path / "ml" / "model"))


@pytest.fixture(scope="session")
def artifact(sealed_once: Path) -> Artifact:
    """The sealed artifact, loaded."""
    return Artifact.load(sealed_once)


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Starts `serve` processes; whatever still runs at the end is killed."""
    with Servers() as started:
        yield started
