"""Before each commit: the Makefile's own linters, no secrets, and notebooks without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_assets_tests.delivery.scripts import ROOT

NBSTRIPOUT = Path(sys.executable).with_name("nbstripout")


def hooks() -> dict[str, dict[str, Any]]:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local", "others are fetched by a name that can be moved"
    return {hook["id"]: hook for hook in repository["hooks"]}


def test_hooks_are_the_linters_of_make() -> None:
    """Hooks of other versions or options pass what CI refuses."""
    database = subprocess.run(
        ["make", "--print-data-base", "--question", "lint-code"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},
    ).stdout  # fmt: skip
    (line,) = [each for each in database.splitlines() if each.startswith("lint-code:")]
    linters = line.split()[1:]
    assert len(linters) == 3
    found = hooks()
    assert [found[name]["entry"] for name in linters] == [f"make {name}" for name in linters]
    assert set(found) == {*linters, "secrets", "notebook-outputs"}


def test_ruffs_security_rules_are_on() -> None:
    """Security demand 6: what is let off is let off by name, and never everywhere."""
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert {rule for rule in lint["ignore"] if rule.startswith("S")} == {"S603", "S607"}
    for pattern, rules in lint["per-file-ignores"].items():
        assert "S" not in rules, pattern


@pytest.mark.integration
def test_a_shell_in_a_subprocess_is_found(tmp_path: Path) -> None:
    """Negative control, with the project's own configuration."""
    source = tmp_path / "bad.py"
    source.write_text('"""Bad."""\n\nimport subprocess\n\nsubprocess.run("ls", shell=True)\n')
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ruff")), "check", "--no-cache"),
            *("--config", str(ROOT / "pyproject.toml"), str(source)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "S602" in done.stdout


@pytest.mark.integration
@pytest.mark.skipif(not NBSTRIPOUT.is_file(), reason="nbstripout is not installed (extra: deploy)")
def test_outputs_of_a_notebook_are_stripped(tmp_path: Path) -> None:
    """Rows of a customer, shown in a cell and committed with it."""
    assert hooks()["notebook-outputs"]["entry"] == ".venv/bin/nbstripout"
    output = {"output_type": "stream", "name": "stdout", "text": ["a customer's row"]}
    cell = {
        "cell_type": "code",
        "execution_count": 3,
        "id": "a",
        "metadata": {},
        "outputs": [output],
        "source": ["rows"],
    }
    notebook = tmp_path / "a.ipynb"
    notebook.write_text(
        json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    subprocess.run([str(NBSTRIPOUT), str(notebook)], check=True)
    stripped = json.loads(notebook.read_text())["cells"][0]
    assert (stripped["source"], stripped["outputs"]) == (["rows"], [])
    assert stripped["execution_count"] is None


def test_no_notebook_is_kept_but_as_a_script() -> None:
    """Two forms of one notebook drift apart, and one of them holds outputs."""
    listed = subprocess.run(
        ["git", "ls-files", "*.ipynb"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert listed.stdout == ""
