"""Which source files a module's behaviour stands in, for code versions.

Here: the module and those of its own package that it imports, found by reading, not importing.
Not here: other packages; their versions are the lock's business.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path

# "from MODULE import NAMES", the names in parentheses or on one line; "import MODULES".
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\S+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)|import[ \t]+([^\n]+))", re.M
)


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
