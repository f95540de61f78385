"""Which source files a module's behaviour stands in, for code versions.

Here: the module and those of its own package that it imports, found by reading, not importing.
Not here: other packages; their versions are the lock's business.
"""

from __future__ import annotations

import ast
import sys
from functools import lru_cache
from pathlib import Path


def source_files(module: str) -> list[Path]:
    """The files of a loaded module and, over any number of steps, of the siblings it imports."""
    loaded = sys.modules.get(module)
    name = getattr(loaded, "__file__", None)
    if name is None:
        return []
    found: dict[Path, None] = {}
    _collect(Path(name), getattr(loaded, "__package__", None) or "", found)
    return sorted(found)


def _collect(path: Path, package: str, found: dict[Path, None]) -> None:
    if path in found:
        return
    found[path] = None
    for sibling in _imported(path, package):
        file = path.parent / f"{sibling}.py"
        if file.is_file():
            _collect(file, package, found)


@lru_cache
def _imported(path: Path, package: str) -> frozenset[str]:
    """Names of modules of ``package`` that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.removeprefix(f"{package}."))
        elif isinstance(node, ast.Import):
            names.update(alias.name.removeprefix(f"{package}.") for alias in node.names)
    return frozenset(name for name in names if "." not in name)
