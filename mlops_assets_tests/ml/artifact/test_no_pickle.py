"""No pickle is ever loaded: models and data from storage are data (security demand 1)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mlops_assets

MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {"read_pickle", "to_pickle"}


def violations(source: str) -> list[str]:
    """What in a module's source loads or makes pickles."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *names]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found += [name for name in names if name.split(".")[0] in MODULES]
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        call = ast.unparse(node.func)
        options = {option.arg: ast.unparse(option.value) for option in node.keywords}
        if node.func.attr in CALLS:
            found.append(call)
        if call in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
            found.append(f"{call} without allow_pickle=False")
        if call == "torch.load" and options.get("weights_only") != "True":
            found.append(f"{call} without weights_only=True")
    return found


@pytest.mark.integration
def test_the_project_loads_no_pickle() -> None:
    """Guards against arbitrary code in a model or data file."""
    files = sorted(Path(mlops_assets.__file__).parent.rglob("*.py"))
    assert len(files) > 20
    assert {str(path): found for path in files if (found := violations(path.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib as j",
        "from sklearn.externals import joblib",
        "from cloudpickle import loads",
        "def f():\n    import dill",
        "pd.read_pickle(p)",
        "np.load(p)",
        "np.load(p, allow_pickle=True)",
        "torch.load(p)",
    ],
)
def test_the_search_finds_each_way(source: str) -> None:
    """The negative control."""
    assert violations(source)
