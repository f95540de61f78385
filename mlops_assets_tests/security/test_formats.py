"""Formats that run what they hold are read by no one here (security demands 1 and 16)."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_assets.resources.monitoring.label_sheets import to_csv

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("mlops_assets", "deploy", "benchmarks", "notebooks")
    for path in (ROOT / folder).rglob("*.py")
)
# The one that escapes formulas, and the channel of numbers that a built-in algorithm reads: no
# spreadsheet opens that, and there is no text in it.
MAY_WRITE_CSV = {
    "mlops_assets/resources/monitoring/label_sheets.py",
    "mlops_assets/assets/from_aws.py",
}
# Endpoints and jobs answer programs, in their callers' own format.
SERVERS = ("mlops_assets/containers/", "mlops_assets/sagemaker_local/")
FORMULAS = (
    "=1+1",
    "+1",
    "-1+cmd",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "a\r=1",
    "a\n=1",
    '=HYPERLINK("http://x")',
)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def unsafe_yaml(source: str) -> list[str]:
    """Ways of YAML that make objects, in a module's source."""
    found: list[str] = []
    if "yaml" not in source:
        return found
    tree = ast.parse(source)
    safe = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any("SafeLoader" in ast.unparse(base) for base in node.bases)
    }
    for name, call in calls(tree):
        last = name.rpartition(".")[2]
        if name.startswith("yaml.") and last in {"load", "load_all"}:
            given = [each.value for each in call.keywords if each.arg == "Loader"]
            loaders = [ast.unparse(each) for each in [*given, *call.args[1:]]]
            if not any("SafeLoader" in each or each in safe for each in loaders):
                found.append(name)
        if last in {"unsafe_load", "unsafe_load_all", "full_load", "full_load_all"}:
            found.append(name)
    return found


def test_yaml_is_only_loaded_safely() -> None:
    """A `!!python/object/apply` in a configuration would be run."""
    assert len(FILES) > 300
    assert [str(path) for path in FILES if unsafe_yaml(path.read_text())] == []


@pytest.mark.parametrize(
    "source",
    [
        "yaml.load(x)",
        "yaml.load(x, Loader=yaml.Loader)",
        "class R(yaml.FullLoader): ...\nyaml.load(x, Loader=R)",
        "yaml.unsafe_load(x)",
        "yaml.full_load(x)",
        "from yaml import unsafe_load\nunsafe_load(x)",
    ],
)
def test_unsafe_ways_are_found(source: str) -> None:
    """Negative control; the safe ways are left alone."""
    assert unsafe_yaml(source)
    assert unsafe_yaml("yaml.safe_load(x)\nyaml.load(x, Loader=yaml.CSafeLoader)") == []
    assert unsafe_yaml("class R(yaml.SafeLoader): ...\nyaml.load(x, Loader=R)") == []


def writes_csv(path: Path) -> bool:
    return re.search(r"csv\.(writer|DictWriter)\(|\bto_csv\(", path.read_text()) is not None


def test_what_people_open_as_a_sheet_is_written_in_one_place() -> None:
    """A second export that forgot the formulas."""
    names = {str(path.relative_to(ROOT)): path for path in FILES if writes_csv(path)}
    writers = {
        name
        for name, path in names.items()
        if name.startswith("mlops_assets/")
        and not name.startswith(SERVERS)
        and "label_sheets import" not in path.read_text()
    }
    assert "mlops_assets/resources/monitoring/label_sheets.py" in writers
    assert writers <= MAY_WRITE_CSV


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_and_no_heading_is_a_formula(formula: str) -> None:
    """Whoever labels opens the sheet, and the value of a customer's field runs."""
    text = to_csv(pd.DataFrame({"n": [-1.5], formula: [formula]})).decode()
    rows = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False)
    cells = [*rows.columns, *rows[rows.columns[1]]]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert rows["n"].tolist() == ["-1.5"], "a number is none"


def test_numpy_refuses_to_load_objects(tmp_path: Path) -> None:
    """What `allow_pickle=False`, demanded everywhere, stands for."""
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        np.load(path, allow_pickle=False)
