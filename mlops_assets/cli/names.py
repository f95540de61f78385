"""How the user calls us: `mlops` where it is on the PATH, else the path they would type."""

import shutil
import sys
from pathlib import Path


def program() -> str:
    """``mlops``, or ``.venv/bin/mlops``."""
    called = Path(sys.argv[0]).absolute()
    if called.name != "mlops":
        return "mlops"
    found = shutil.which("mlops")
    if found and Path(found).absolute() == called:
        return "mlops"
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)
