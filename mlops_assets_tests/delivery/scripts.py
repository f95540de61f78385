"""The scripts of deploy/, which are no package, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def script(path: str) -> ModuleType:
    """The module of a script, by its path from the project's root; what lies beside it is found."""
    name = f"script_{Path(path).stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        if (beside := str((ROOT / path).parent)) not in sys.path:
            sys.path.append(beside)
        spec.loader.exec_module(module)
    return sys.modules[name]
