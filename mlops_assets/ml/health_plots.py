"""Pictures of a pipeline's health over its partitions, as PNG bytes.

Belongs here: drawing what the monitoring stations recorded. Does not belong here: measuring it,
and the pictures of one model's quality (`plots`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_assets.ml import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS_SHOWN = 30
_TICKS = 14
# Steps that tell small effects apart, which are most of them; beyond the last all has changed.
_STEPS = (0.0, 0.02, 0.04, 0.06, 0.1, 0.15, 0.25, 0.5)
_SHADES = ("#f4f6f8", "#e3edf5", "#cbdfee", "#a9cce3", "#7db3d6", "#4a94c4", "#1f74ae", "#0b4f82")
_FIRST_OF_MONTH = re.compile(r"\d{4}-\d\d-01")


def drift(effects: pd.DataFrame, flagged: Collection[tuple[str, str]]) -> bytes:
    """Heat map of effect sizes, a row a column and a column a partition.

    Args:
        effects: (columns, partitions) effect sizes, 0 to 1, NaN where there is none; the first row
            is drawn on top.
        flagged: (column, partition) that counted as drift; marked at their left.
    """
    shown = effects.iloc[:_COLUMNS_SHOWN]
    width = min(4.2 + 0.42 * max(len(effects.columns), 6), 11.0)
    figure, axes = plots.canvas(width, 1.5 + 0.24 * max(len(shown), 2), "Drift by column")
    if shown.empty:
        return plots.empty(figure, axes, "no column was compared yet")
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Rectangle

    # Few shades: the picture's palette then has room for the marks.
    colours = ListedColormap(_SHADES)
    norm = BoundaryNorm(_STEPS, len(_SHADES), extend="max")
    values = np.ma.masked_invalid(shown.to_numpy(float))
    mesh = axes.pcolormesh(values, cmap=colours, norm=norm, edgecolors="white", linewidth=1)
    axes.grid(visible=False)
    axes.set_yticks(np.arange(len(shown)) + 0.5, [plots.short(str(n)) for n in shown.index])
    axes.invert_yaxis()
    _partitions(axes, list(map(str, shown.columns)), offset=0.5)
    for column, partition in flagged:
        if column in shown.index and partition in shown.columns:
            place = (shown.columns.get_loc(partition) + 0.03, shown.index.get_loc(column) + 0.06)
            axes.add_patch(Rectangle(place, 0.1, 0.88, color=plots.COLOURS[1], linewidth=0))
    shrink = min(0.9, 2.4 / figure.get_figheight())
    bar = figure.colorbar(
        mesh, ax=axes, shrink=shrink, anchor=(0, 1), aspect=16, pad=0.02, ticks=_STEPS[1:]
    )
    bar.set_label("effect size", color=plots.INK, fontsize=8)
    bar.outline.set_visible(False)
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=8, length=0, colors=plots.INK)
    axes.spines[:].set_visible(False)
    left_out = len(effects) - len(shown)
    if left_out:
        axes.set_xlabel(f"{left_out} columns of less weight are not shown", fontsize=9)
    return plots.png(figure)


def quality(metric: str, figures: pd.DataFrame, *, bounds: Mapping[str, float]) -> bytes:
    """A metric over partitions: realised with intervals, estimated, and promised.

    Args:
        figures: one row a partition (its index), columns value, low, high, estimate, held_out;
            NaN where there is none.
        bounds: {words: value}, drawn as lines.
    """
    figure, axes = plots.canvas(8.6, 3.9, f"{metric} by partition")
    if figures.empty or not figures.notna().any().any():
        return plots.empty(figure, axes, "no partition was measured yet")
    places = np.arange(len(figures))
    axes.step(
        places, figures["held_out"], where="mid", color=plots.FAINT, linewidth=2,
        label="champion, held out", zorder=1,
    )  # fmt: skip
    axes.plot(
        places, figures["estimate"], "D--", color=plots.COLOURS[4], markersize=4, linewidth=1.2,
        label="estimated before labels (assumes P(y|x) unchanged)", zorder=2,
    )  # fmt: skip
    value = figures["value"]
    axes.errorbar(
        places, value, yerr=[value - figures["low"], figures["high"] - value],
        color=plots.COLOURS[0], elinewidth=1.2, capsize=3, marker="o", markersize=5, linewidth=2,
        label="realised, 95 % interval", zorder=3,
    )  # fmt: skip
    for words, bound in bounds.items():
        _bound(axes, bound, words)
    _partitions(axes, list(map(str, figures.index)), offset=0.0)
    axes.set_xlim(-0.5, max(len(figures) - 0.5, 0.5))
    axes.set_ylabel(metric, color=plots.INK, fontsize=9)
    _legend_above(axes)
    return plots.png(figure)


def over_partitions(
    title: str, series: Mapping[str, Sequence[float]], partitions: Sequence[str], unit: str
) -> bytes:
    """Lines over partitions, by name; NaN where there is none."""
    figure, axes = plots.canvas(8.6, 3.2, title)
    if not any(np.isfinite(np.asarray(values, float)).any() for values in series.values()):
        return plots.empty(figure, axes, "no partition was measured yet")
    for place, (name, values) in enumerate(series.items()):
        axes.plot(
            np.arange(len(partitions)), values, "o-", markersize=4, linewidth=1.8,
            color=plots.COLOURS[place % len(plots.COLOURS)], label=plots.short(name),
        )  # fmt: skip
    _partitions(axes, partitions, offset=0.0)
    axes.set_ylabel(unit, color=plots.INK, fontsize=9)
    if len(series) > 1:
        _legend_above(axes)
    return plots.png(figure)


def staleness(
    metric: str, ages: Sequence[int], values: Sequence[float], low: Sequence[float],
    high: Sequence[float], unit: str, *, now: float | None = None,
) -> bytes:  # fmt: skip
    """Quality against the age of the model, with intervals; ``now``: the champion's age."""
    figure, axes = plots.canvas(6.4, 3.6, "Staleness: quality by the model's age")
    if not len(ages):
        return plots.empty(figure, axes, "no two models of different age were compared yet")
    y = np.asarray(values, float)
    axes.errorbar(
        ages, y, yerr=[y - np.asarray(low, float), np.asarray(high, float) - y], marker="o",
        color=plots.COLOURS[0], linewidth=2, elinewidth=1.2, capsize=3, markersize=5,
    )  # fmt: skip
    if now is not None:
        axes.axvline(now, color=plots.COLOURS[1], linewidth=1.4)
        axes.annotate(
            "the champion's age", (now, 1), xycoords=("data", "axes fraction"), xytext=(4, -10),
            textcoords="offset points", fontsize=8, color=plots.COLOURS[1],
        )  # fmt: skip
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"age in {unit}", color=plots.INK, fontsize=9)
    axes.set_ylabel(metric, color=plots.INK, fontsize=9)
    return plots.png(figure)


def traffic(counts: pd.DataFrame) -> bytes:
    """Requests by time (the index), one column of counts a name; stacked bars."""
    figure, axes = plots.canvas(8.6, 3.0, "Requests to the endpoint")
    if counts.empty or not counts.to_numpy(float).sum():
        return plots.empty(figure, axes, "nobody asked anything in this time")
    bottom = np.zeros(len(counts))
    places = np.arange(len(counts))
    for place, name in enumerate(counts.columns):
        values = counts[name].to_numpy(float)
        axes.bar(
            places, values, bottom=bottom, width=0.85, label=plots.short(str(name)),
            color=plots.COLOURS[place % len(plots.COLOURS)],
        )  # fmt: skip
        bottom += values
    _partitions(axes, [str(when) for when in counts.index], offset=0.0)
    axes.set_ylabel("requests", color=plots.INK, fontsize=9)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _legend_above(axes)
    return plots.png(figure)


def _partitions(axes: Axes, names: Sequence[str], *, offset: float) -> None:
    """As many of the names below the axis as can be read."""
    if names and all(_FIRST_OF_MONTH.fullmatch(name) for name in names):
        names = [name[:7] for name in names]
    step = max(1, int(np.ceil(len(names) / _TICKS)))
    places = np.arange(0, len(names), step)
    slanted = max((len(name) for name in names), default=0) * len(places) > 75
    axes.set_xticks(
        places + offset,
        list(names[::step]),
        rotation=35 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor" if slanted else "default",
    )
    axes.tick_params(axis="x", labelsize=8)


def _bound(axes: Axes, value: float, words: str) -> None:
    axes.axhline(value, color=plots.COLOURS[1], linewidth=1.1, linestyle="--", zorder=1)
    axes.annotate(
        words, (1, value), xycoords=("axes fraction", "data"), xytext=(-2, 3),
        textcoords="offset points", ha="right", fontsize=8, color=plots.COLOURS[1],
    )  # fmt: skip


def _legend_above(axes: Axes) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False, fontsize=8,
        borderaxespad=0.2, handlelength=1.6, columnspacing=1.4,
    )  # fmt: skip
    title = axes.get_title(loc="left")
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=plots.INK, pad=26)
