"""A profile as a picture: one small plot a column.

Here: drawing. Not here: counting. matplotlib is imported when a picture is drawn (`ml.plots`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlops_assets.ml.plots import COLOURS, FAINT, INK, png, short
from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import ColumnProfile, Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BARS = 40
_CATEGORIES = 8
_FEW = 4
_ACROSS = 4


def overview(
    profile: Profile,
    *,
    names: Sequence[str] | None = None,
    hide: Collection[str] = (),
    most: int = 24,
) -> bytes:
    """The distributions of the first ``most`` columns, as a PNG.

    Args:
        names: which, in this order; all by default.
        hide: personal columns, of which only the share of missing values is told.
    """
    from matplotlib.figure import Figure

    names = [n for n in names or profile.columns if n in profile.columns][:most]
    down = max(-(-len(names) // _ACROSS), 1)
    figure = Figure(
        figsize=(2.5 * _ACROSS, 1.55 * down), dpi=110, layout="constrained", facecolor="white"
    )
    for place in range(down * _ACROSS):
        axes = figure.add_subplot(down, _ACROSS, place + 1)
        if place < len(names):
            _draw(axes, names[place], profile.columns[names[place]], names[place] in hide)
        else:
            axes.set_axis_off()
    return png(figure)


def _draw(axes: Axes, name: str, column: ColumnProfile, hidden: bool) -> None:
    axes.set_title(short(name), loc="left", fontsize=8, fontweight="bold", color=INK, pad=3)
    if column.missing:
        told = f"{_percent(column.missing / column.rows)} missing"
        axes.set_title(told, loc="right", fontsize=7, color=COLOURS[1], pad=3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.set_yticks([])
    axes.tick_params(colors=INK, labelsize=7, length=0, pad=2)
    if hidden or not column.present:
        axes.set_xticks([])
        words = "not shown" if hidden else "no values"
        axes.text(0.5, 0.5, words, ha="center", fontsize=8, color=INK, transform=axes.transAxes)
    elif isinstance(column, NumericProfile):
        _numbers(axes, column)
    elif isinstance(column, CategoricalProfile):
        _categories(axes, column)


def _numbers(axes: Axes, column: NumericProfile) -> None:
    low, high = (float(v) for v in column.quantile([0.005, 0.995]))
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        low, high = column.minimum, column.maximum
    if column.distinct is not None and column.distinct <= _BARS:
        held = np.flatnonzero(column.counts[1:-1])
        at = column.grid.middle(held)
        width = float(np.diff(at).min()) * 0.7 if len(at) > 1 else 1.0
        axes.bar(at, column.counts[1:-1][held], width=width, color=COLOURS[0], linewidth=0)
        if len(at) == 1:
            axes.set_xlim(at[0] - 3, at[0] + 3)
        if len(at) <= _FEW:
            axes.set_xticks(at)
        return
    edges = np.linspace(low, high, _BARS + 1)
    heights = np.diff(column.cumulated(edges))
    axes.bar(edges[:-1], heights, width=np.diff(edges), align="edge", color=COLOURS[0], linewidth=0)


def _categories(axes: Axes, column: CategoricalProfile) -> None:
    ranked = sorted(column.counts.items(), key=lambda item: (-item[1], item[0]))[:_CATEGORIES]
    names = [short(name)[:9] for name, _ in ranked]
    rows = [count for _, count in ranked]
    rest = column.present - sum(rows)
    colours = [COLOURS[0]] * len(rows)
    if rest:
        names, rows, colours = [*names, "others"], [*rows, rest], [*colours, FAINT]
    axes.bar(range(len(rows)), rows, color=colours, width=0.7, linewidth=0)
    turned = sum(map(len, names)) > 24
    axes.set_xticks(range(len(rows)), names)
    if turned:
        axes.tick_params(axis="x", labelrotation=35)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "< 1 %"
