"""Which commit of the code is running."""

import os
import shutil
import subprocess
from pathlib import Path

GIVEN = "MLOPS_COMMIT"
"""The variable in which an image, which has no git, carries the commit that it was built from."""
UNKNOWN = "unknown"


def commit() -> str:
    """The commit of the code that runs, with ``-dirty`` for changes.

    Outside git it is what ``MLOPS_COMMIT`` says, and ``unknown`` where that says nothing.
    """
    return _described() or os.environ.get(GIVEN, "").strip() or UNKNOWN


def _described() -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    described = subprocess.run(
        [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip()
