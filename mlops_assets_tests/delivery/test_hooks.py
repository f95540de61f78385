"""Before each commit: the Makefile's own linters, no secrets, and notebooks without outputs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_assets_tests.delivery.make import prompt
from mlops_assets_tests.delivery.scripts import ROOT

PRE_COMMIT = Path(sys.executable).with_name("pre-commit")


def hooks() -> dict[str, dict[str, Any]]:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local", "others are fetched by a name that can be moved"
    return {hook["id"]: hook for hook in repository["hooks"]}


def test_hooks_are_the_linters_of_make() -> None:
    """Hooks of other versions or options pass what CI refuses."""
    database = subprocess.run(
        ["make", "--print-data-base", "--question", "lint-code"],
        cwd=ROOT, env=prompt(), capture_output=True, text=True, check=False,
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


NOTEBOOK = """{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code",
"id": "a", "metadata": {}, "execution_count": 3, "source": ["rows"], "outputs": [
{"output_type": "stream", "name": "stdout", "text": ["a customer's row"]}]}]}
"""
# In parts, or this file would be a finding itself.
PLANTED = "pass" + "word = 'correct-horse-battery'\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Git in a repository with this project's hooks, whose linters find nothing."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path)
    shutil.copy(ROOT / "deploy/audit.py", tmp_path / "deploy")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (tmp_path / ".gitignore").write_text("/*\n!/notebooks\n")
    (tmp_path / "Makefile").write_text("lint-style lint-types lint-imports:\n")
    people = {
        f"GIT_{who}_{what}": "a@b.c"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    environment = prompt(**people, PRE_COMMIT_HOME=str(tmp_path / "home"))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    assert run("git", "init", "-q").returncode == 0
    assert run("git", "add", "--force", ".pre-commit-config.yaml").returncode == 0
    installed = run(".venv/bin/pre-commit", "install")
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "notebooks").mkdir()
    return run


@pytest.mark.integration
@pytest.mark.skipif(not PRE_COMMIT.is_file(), reason="pre-commit is not installed (extra: deploy)")
def test_a_commit_with_a_notebooks_outputs_or_a_secret_is_refused(
    checkout: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Rows of a customer, shown in a cell and committed with it; a password that was to go away."""
    notebook, module = tmp_path / "notebooks/a.ipynb", tmp_path / "notebooks/a.py"
    notebook.write_text(NOTEBOOK)
    module.write_text(PLANTED)
    checkout("git", "add", "notebooks")
    refused = checkout("git", "commit", "-m", "both")
    assert refused.returncode == 1
    assert "files were modified by this hook" in refused.stderr
    assert "notebooks/a.py:1: Secret Keyword" in refused.stderr
    # The output is gone from the file, so that what is left to do is to add it again.
    cell = json.loads(notebook.read_text())["cells"][0]
    assert (cell["source"], cell["outputs"], cell["execution_count"]) == (["rows"], [], None)

    module.write_text("x = 1\n")
    checkout("git", "add", "notebooks")
    taken = checkout("git", "commit", "-m", "neither")
    assert taken.returncode == 0, taken.stderr
    assert "customer" not in checkout("git", "show").stdout


def test_no_notebook_is_kept_but_as_a_script() -> None:
    """Two forms of one notebook drift apart, and one of them holds outputs."""
    listed = subprocess.run(
        ["git", "ls-files", "*.ipynb"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert listed.stdout == ""
