"""Pictures of health are drawn of much, of little, and of nothing."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlops_assets.ml import audit_plots, health_plots, plots

MONTHS = [f"2013-{month:02d}-01" for month in range(1, 13)]
FIGURES = pd.DataFrame(
    {"value": 0.4, "low": 0.39, "high": 0.41, "estimate": math.nan, "held_out": 0.42}, index=MONTHS
)


def opened(png: bytes) -> Image.Image:
    picture = Image.open(BytesIO(png))
    assert picture.format == "PNG"
    return picture.convert("RGB")


def colours(png: bytes) -> set[tuple[int, int, int]]:
    return {colour for _, colour in opened(png).getcolors(1 << 20)}


def near(found: set[tuple[int, int, int]], wanted: str) -> bool:
    target = tuple(int(wanted[i : i + 2], 16) for i in (1, 3, 5))
    return any(max(abs(a - b) for a, b in zip(c, target, strict=True)) < 24 for c in found)


def test_drifted_columns_are_marked_and_quiet_ones_are_not():
    effects = pd.DataFrame(0.01, index=["a", "b"], columns=MONTHS)
    quiet = health_plots.drift(effects, set())
    assert not near(colours(quiet), plots.COLOURS[1])
    loud = health_plots.drift(effects.assign(**{MONTHS[3]: 0.3}), {("a", MONTHS[3])})
    assert near(colours(loud), plots.COLOURS[1])


def test_a_flag_on_a_column_that_is_not_drawn_is_no_error():
    effects = pd.DataFrame(0.01, index=[f"c{n}" for n in range(60)], columns=MONTHS[:2])
    opened(health_plots.drift(effects, {("c59", MONTHS[0]), ("gone", MONTHS[0])}))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: health_plots.drift(pd.DataFrame(), set()),
        lambda: health_plots.drift(pd.DataFrame(np.nan, index=["a"], columns=MONTHS[:1]), set()),
        lambda: health_plots.quality("auc", FIGURES, bounds={"bound: auc ≥ 0.72": 0.38}),
        lambda: health_plots.quality("auc", FIGURES.iloc[:1], bounds={}),
        lambda: health_plots.quality("auc", FIGURES.iloc[:0], bounds={}),
        lambda: health_plots.quality("$auc", FIGURES.assign(value=math.nan), bounds={}),
        lambda: health_plots.over_partitions("gap", {"gap": [math.nan, 0.1]}, MONTHS[:2], "unit"),
        lambda: health_plots.over_partitions("gap", {}, [], "unit"),
        lambda: health_plots.staleness(
            "auc", [1, 2], [0.7, 0.6], [0.6, 0.5], [0.8, 0.7], "months", now=1
        ),
        lambda: health_plots.staleness("auc", [], [], [], [], "months"),
        lambda: health_plots.traffic(pd.DataFrame({"answered": [3, 0]}, index=["06-01", "06-02"])),
        lambda: health_plots.traffic(pd.DataFrame({"answered": [0]}, index=["06-01"])),
        lambda: audit_plots.benefits(["a"], np.array([[0.1, 0.2, 0.3]]), "auc"),
        lambda: audit_plots.benefits(
            ["a", "b"], np.array([[0.1, 0.2, 0.3], [-0.1, 0, 0.1]]), "auc"
        ),
        lambda: audit_plots.benefits([], np.empty((0, 3)), "auc"),
    ],
)
def test_each_is_a_picture_of_a_size_that_fits_a_page(draw):
    png = draw()
    width, height = opened(png).size
    assert 300 < width < 1300
    assert 100 < height < 1300
    assert len(png) < 120_000
