"""The import contract bites: each forbidden direction, tried on an empty copy of the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """A package with every module that the contract names, all of them empty."""
    contracts = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
    layers = re.findall(r"\w+", " ".join(contracts[0]["layers"]))
    package = tmp_path / "mlops_assets"
    for name in [*layers, "pipelines/flights"]:
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "pipelines" / "flights" / "train.py").touch()
    return package


def _broken(skeleton: Path) -> list[str]:
    result = subprocess.run(
        [
            str(Path(sys.executable).parent / "lint-imports"),
            "--no-logo",
            "--no-cache",
            f"--config={PYPROJECT}",
        ],
        cwd=skeleton.parent,
        env={**os.environ, "PYTHONPATH": str(skeleton.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    broken = re.findall(r"^(.*) BROKEN", result.stdout, flags=re.MULTILINE)
    assert (result.returncode != 0) == bool(broken), result.stdout + result.stderr
    return broken


def test_the_layout_itself_is_kept(skeleton: Path) -> None:
    """A contract that is broken by an empty package would hide what really breaks it."""
    (skeleton / "cli" / "__init__.py").write_text("import mlops_assets.definitions\n")
    assert _broken(skeleton) == []


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("ml/__init__.py", "mlops_assets.objects", "Imports point one way"),
        ("resources/__init__.py", "mlops_assets.assets", "Imports point one way"),
        ("assets/__init__.py", "mlops_assets.pipelines", "Imports point one way"),
        ("unheard_of.py", "json", "Imports point one way"),
        ("ml/__init__.py", "dagster", "ml is free of Dagster and AWS"),
        ("containers/__init__.py", "dagster", "What runs inside the images knows only ml"),
        (
            "sagemaker_local/__init__.py",
            "mlops_assets.settings",
            "The local SageMaker API knows only objects",
        ),
        (
            "assets/__init__.py",
            "boto3",
            "boto3 only in resources, objects and what runs beside them",
        ),
        (
            "pipelines/flights/train.py",
            "mlops_assets.ml",
            "A training script is an ordinary SageMaker script",
        ),
    ],
)
def test_import_against_the_direction_is_found(
    skeleton: Path, module: str, imported: str, contract: str
) -> None:
    """An import that ties the layers into a knot, or Dagster into an image."""
    (skeleton / module).write_text(f"import {imported}\n")
    assert _broken(skeleton) == [contract]
