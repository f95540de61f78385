"""Which source files a module's behaviour stands in, for code versions.

Here: the module and those of its own package that it imports, found by reading, not importing.
Not here: other packages; their versions are the lock's business.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

# "from MODULE import NAMES", the names in parentheses or on one line; "import MODULES".
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\S+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)|import[ \t]+([^\n]+))", re.M
)


def code_digest(*parts: Any) -> str:
    """A short digest of source files and declared values.

    Functions and classes count by their module's source and that of the modules of the same package
    which it imports, paths by their content, everything else by its ``repr``.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            digest.update(part.read_bytes() + b"\0")
        elif inspect.isclass(part) or inspect.isfunction(part):
            for path in source_files(part.__module__):
                digest.update(path.read_bytes() + b"\0")
        else:
            digest.update(repr(part).encode() + b"\0")
    return digest.hexdigest()[:12]


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
    """Names of modules of ``package`` that a file imports.

    Read by a pattern: parsing the syntax of a hundred files was a third of the time that the code
    location took to load. A sentence that reads like an import counts as one, and only adds a file.
    """
    names: set[str] = set()
    for found in _IMPORT.finditer(path.read_text()):
        module, taken, plain = found.groups()
        listed = (taken or plain).strip("()").split(",")
        aliases = [alias.split("#")[0].split() for line in listed for alias in line.splitlines()]
        imported = [alias[0] for alias in aliases if alias]
        if module == package:
            names.update(imported)
        elif module:
            names.add(module.removeprefix(f"{package}."))
        else:
            names.update(name.removeprefix(f"{package}.") for name in imported)
    return frozenset(name for name in names if "." not in name)
