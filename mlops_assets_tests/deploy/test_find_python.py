"""Which Python the Makefile builds with, and what it says where there is none that will do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FIND_PYTHON = Path("deploy/find-python.sh").resolve()


def _find(bin_directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", str(FIND_PYTHON), *arguments],
        env={"PATH": str(bin_directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _python(bin_directory: Path, name: str, *, old: bool) -> None:
    command = bin_directory / name
    body = 'if [ "$1" = --version ]; then echo "Python 3.9.2"; else exit 1; fi'
    command.write_text(
        f"#!/bin/sh\n{body}\n" if old else f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    )
    command.chmod(0o755)


def test_first_that_is_new_enough(tmp_path: Path) -> None:
    """`python3` is often older than the `python3.12` beside it."""
    _python(tmp_path, "python3", old=True)
    _python(tmp_path, "python3.12", old=False)
    assert _find(tmp_path).stdout.strip() == str(tmp_path / "python3.12")


def test_old_python_is_named(tmp_path: Path) -> None:
    """A newcomer who is told only that something failed."""
    _python(tmp_path, "python3", old=True)
    result = _find(tmp_path)
    assert result.returncode == 1
    assert "python3 is Python 3.9.2" in result.stderr
    assert "install Python 3.11" in result.stderr


def test_no_python_at_all(tmp_path: Path) -> None:
    """The message must make sense without any version to name."""
    result = _find(tmp_path)
    assert result.returncode == 1
    assert "none of python3.11" in result.stderr


def test_the_one_asked_for_is_taken(tmp_path: Path) -> None:
    """PYTHON= that is silently overruled."""
    _python(tmp_path, "python3.11", old=False)
    _python(tmp_path, "mine", old=False)
    assert _find(tmp_path, "mine").stdout.strip() == str(tmp_path / "mine")
