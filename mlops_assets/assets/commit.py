"""Which commit of the code is running."""

import shutil
import subprocess
from pathlib import Path


def commit() -> str:
    """The commit of the code that runs, with ``-dirty`` for changes; ``unknown`` outside git."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    described = subprocess.run(
        [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"
