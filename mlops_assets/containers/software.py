"""What a training ran on: the lock of its environment, as the manifest records it.

Belongs here: the packages that a script imports and what those need, with their versions. Does not:
whatever else is installed beside them: it has no part in the model, and must not change its bytes.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

# What sealing itself uses, whatever the script imports.
_SEALED_BY = ("numpy", "onnx", "onnxmltools", "onnxruntime", "pyarrow", "xgboost")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SEEDS = ("seed", "random_state", "random_seed")


@dataclass(frozen=True)
class Software:
    """``packages``: {name: version}; ``lock``: SHA-256 (hex) of all of it; ``machine``: the
    processor's architecture, since the last bits of floating-point sums depend on it."""

    python: str
    machine: str
    packages: Mapping[str, str]

    @property
    def lock(self) -> str:
        pins = [f"{name}=={version}" for name, version in sorted(self.packages.items())]
        text = "\n".join([f"python=={self.python}", f"machine=={self.machine}", *pins])
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """What stands in the manifest."""
        return {**asdict(self), "packages": dict(self.packages), "lock": self.lock}


def software(source: Path) -> Software:
    """The packages that the Python files below ``source`` import, with all that those need.

    Imports are read, not run: also one inside a function counts, one by ``importlib`` does not.
    """
    providers = metadata.packages_distributions()
    modules = {*_SEALED_BY, *(name for file in source.rglob("*.py") for name in imported(file))}
    wanted = {found for module in modules for found in providers.get(module, [])}
    return Software(platform.python_version(), platform.machine(), _with_needs(wanted))


def imported(file: Path) -> set[str]:
    """Top-level names of the modules that a file imports; none where it is not Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def seed_of(hyperparameters: Mapping[str, Any]) -> Any:
    """The seed that the script was given; None where none was, and the script has its own.

    >>> seed_of({"max_depth": 6, "seed": 13})
    13
    """
    return next((hyperparameters[name] for name in _SEEDS if name in hyperparameters), None)


def _with_needs(names: Iterable[str]) -> dict[str, str]:
    """{normalized name: version} of distributions and, in turn, of what is installed of those that
    they require without an extra."""
    found: dict[str, str] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if _normalized(name) in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform, or for an extra
        found[_normalized(name)] = distribution.version
        for requirement in distribution.requires or ():
            needed = _NAME.match(requirement)
            if needed and "extra ==" not in requirement:
                todo.append(needed[0])
    return dict(sorted(found.items()))


def _normalized(name: str) -> str:
    """As the index of packages compares names (PEP 503).

    >>> _normalized("PyYAML_x")
    'pyyaml-x'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
