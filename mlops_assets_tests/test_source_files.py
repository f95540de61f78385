"""Source files for code versions: what a module imports of its package, read without parsing."""

import ast
from pathlib import Path

import pytest

from mlops_assets import source_files
from mlops_assets.source_files import _imported

PACKAGE = Path(source_files.__file__).parent


def parsed(path: Path, package: str) -> set[str]:
    """The same by Python's own parser, which takes ten times as long."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.removeprefix(f"{package}."))
        elif isinstance(node, ast.Import):
            names.update(alias.name.removeprefix(f"{package}.") for alias in node.names)
    return {name for name in names if "." not in name}


@pytest.mark.integration
def test_no_import_of_the_project_is_missed():
    """A change in a module that was missed would leave everything that it makes up to date."""
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 400
    for path in files:
        package = ".".join(("mlops_assets", *path.parent.relative_to(PACKAGE).parts))
        assert _imported(path, package) >= parsed(path, package), path


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("from p import a", {"a"}),
        ("from p import a as b, c", {"a", "c"}),
        ("from p import (\n    a,  # why\n    b as c,\n)\n", {"a", "b"}),
        ("from p.a import x", {"a"}),
        ("    import p.a as z", {"a"}),
        ("from q.r import s", set()),
    ],
)
def test_each_way_to_import_is_read(tmp_path, line, names):
    path = tmp_path / "module.py"
    path.write_text(line + "\n")
    assert {name for name in _imported(path, "p") if name != "q"} == names
