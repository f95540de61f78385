"""One trained model directory for all tests of the artifact; each test works on a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlops_assets.ml.artifact.seal import seal
from mlops_assets_tests.ml.artifact import trained


@pytest.fixture(scope="session")
def _unsealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trained") / "model"
    trained.train(directory)
    return directory


@pytest.fixture(scope="session")
def _sealed(_unsealed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sealed") / "model"
    shutil.copytree(_unsealed, directory)
    seal(directory, training={"hyperparameters": {"depth": 5}})
    return directory


@pytest.fixture
def unsealed(_unsealed: Path, tmp_path: Path) -> Path:
    """What a training script left behind."""
    return Path(shutil.copytree(_unsealed, tmp_path / "unsealed"))


@pytest.fixture
def sealed(_sealed: Path, tmp_path: Path) -> Path:
    """A sealed artifact."""
    return Path(shutil.copytree(_sealed, tmp_path / "sealed"))
