"""Pictures: valid PNGs, small enough for metadata, the same for the same numbers."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from mlops_assets.ml import metrics, plots

LIMIT = 40_000  # bytes


def scored(rows: int = 20_000) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    z = rng.normal(-1.4, 1.2, rows)
    y = rng.random(rows) < 1 / (1 + np.exp(-z))
    return y, {name: 1 / (1 + np.exp(-z - rng.normal(0, 1, rows))) for name in ("model", "linear")}


def pictures() -> dict[str, bytes]:
    y, answers = scored()
    slices = pd.DataFrame({"origin": np.arange(len(y)) % 3, "carrier": np.arange(len(y)) % 17})
    table = metrics.by_slice(metrics.binary, y, answers["model"], slices, 10)
    return {
        "roc": plots.roc({n: metrics.roc_points(y, p) for n, p in answers.items()}),
        "calibration": plots.calibration(
            {n: metrics.calibration_points(y, p) for n, p in answers.items()}
        ),
        "importance": plots.importance({f"feature_{n}": 1 / (n + 1) for n in range(60)}),
        "slices": plots.slices(table, metric="auc", overall=0.75),
    }


@pytest.mark.integration
def test_pictures_are_small_and_the_same_for_the_same_numbers():
    """They are stored inside Dagster's events: a large or restless one swells the database."""
    first, again = pictures(), pictures()
    assert first == again
    for name, data in first.items():
        height, width, _ = imread(BytesIO(data), format="png").shape
        assert len(data) <= LIMIT, name
        assert 300 < width < 1000, name
        assert 300 < height < 1000, name


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.importance({}),
        lambda: plots.importance({"a": 0.0}),
        lambda: plots.importance({"a": -1.0, "$x_1$ \x00 " + "long" * 20: 2.0}),
        lambda: plots.calibration({}),
        lambda: plots.calibration({"one": metrics.calibration_points([0, 1], [0.001, 0.001])}),
        lambda: plots.roc({}),
        lambda: plots.slices(pd.DataFrame(columns=["slice_column", "value", "rows", "auc"])),
    ],
)
def test_little_or_odd_input_is_drawn_without_a_warning(draw):
    """A missing glyph, a formula of `$` or an empty axis warns, and would draw nonsense."""
    assert draw().startswith(b"\x89PNG")


def test_a_metric_that_the_table_lacks_is_named():
    with pytest.raises(ValueError, match="no metric 'f1'"):
        plots.slices(pd.DataFrame({"slice_column": [], "value": [], "rows": []}), metric="f1")


@pytest.mark.integration
def test_nothing_heavy_is_imported_until_it_is_used():
    """The code location imports these modules: scikit-learn or matplotlib would slow every load."""
    program = (
        "import sys; from mlops_assets.ml import baselines, compare, metrics, plots, splitting,"
        " point_in_time; from mlops_assets.checks import rows;"
        "print([m for m in ('sklearn', 'matplotlib', 'dagster', 'scipy') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
