"""The notebook, cell by cell: it reads assets by name and ends with a pipeline that runs."""

from __future__ import annotations

import dataclasses
import linecache
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_assets_tests.delivery.scripts import ROOT

NOTEBOOK = ROOT / "notebooks" / "promote_a_feature.py"
pytestmark = pytest.mark.integration


def cells() -> Iterator[tuple[str, str]]:
    """The cells of code, each with a name."""
    parts = re.split(r"^# %%(.*)\n", NOTEBOOK.read_text(), flags=re.M)[1:]
    for number, (kind, text) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        if "[markdown]" not in kind:
            yield f"<cell {number}>", text


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the notebook's names stand for at its end, on a machine without flights."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_HOME", str(folder / "home"))
        patch.setattr("tempfile.tempdir", str(folder))
        patch.setattr(sys, "path", [*sys.path])
        names: dict[str, Any] = {"__name__": "__main__"}
        for name, cell in cells():
            # As IPython does: each cell a source of its own, in a module that has no file.
            linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
            exec(compile(cell, name, "exec"), names)  # noqa: S102 - the project's own notebook
        yield names
    sys.modules.pop("flights_crowded", None)


def test_an_asset_is_read_by_name_at_a_version(played: dict[str, Any]) -> None:
    """The rows of the month, and of no other version."""
    assert len(played["known"]) == 27_004
    assert set(played["known"].columns) == {"flight_id", "origin", "late"}
    assert played["snapshot"] in set(played["history"]["snapshot_id"])
    assert len(played["quarter"]) == 27_004


def test_a_feature_that_sees_the_future_is_refused_and_the_mended_one_is_not(
    played: dict[str, Any],
) -> None:
    """If the first attempt passed, the notebook would teach the wrong thing."""
    leaky, mended = (
        played[name].set_index("check")["passed"].to_dict() for name in ("leaky", "mended")
    )
    assert not leaky["point_in_time"]
    assert all(mended.values())


def test_the_promoted_module_is_a_pipeline_that_runs(played: dict[str, Any]) -> None:
    """The function as it was tried, in a module that MLOPS_PIPELINES can name."""
    assert played["done"].success
    assert played["verdict"]["passed"].all()
    assert played["promoted"].name == "flights_crowded"
    assert "crowd" in played["promoted"].feature_columns
    tried = played["CrowdedFlights"].to_schema().columns
    assert played["promoted"].feature_schema.to_schema().columns.keys() == tried.keys()
    source = played["module"]
    assert "in the hour up to this one" in source
    assert "same clock hour" not in source, "the attempt that was refused"


def test_a_mistake_in_a_function_is_shown(
    played: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The stations' log is not shown, or it would bury the tables; a traceback must be."""

    def features(rows: Any, history: Any) -> Any:
        return rows["no such column"]

    wrong = dataclasses.replace(played["candidate"], features=features)
    assert not played["run"](wrong, "features").success
    said = capsys.readouterr().out
    assert "KeyError: 'no such column'" in said
    assert "test_notebook.py" in said, "where it is"


def test_nothing_is_written_to_the_lake_that_is_read(played: dict[str, Any]) -> None:
    """In Studio that is everybody's lake."""
    assert played["trial"].home != Path(played["Settings"].load().home)
    assert not (played["scratch"] / "home" / "sagemaker").exists()


def test_it_opens_as_a_notebook() -> None:
    """In Studio: cells of prose and of code, and no outputs, for a script has none."""
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed (extra: deploy)")
    notebook = jupytext.read(NOTEBOOK)
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert kinds[0] == "markdown"
    assert kinds.count("markdown") == 8
    assert kinds.count("code") == 8
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert not any(cell.get("outputs") for cell in notebook["cells"])
