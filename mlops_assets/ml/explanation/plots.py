"""Pictures of explanations as PNG bytes: a swarm of SHAP values, importance beside its baseline,
curves of partial dependence.

Belongs here: drawing. Does not: computing what is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_assets.ml.explanation.dependence import Dependence
from mlops_assets.ml.explanation.explained import Explained
from mlops_assets.ml.plots import COLOURS, FAINT, INK, canvas, empty, png, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOP = 12
_UNIT = {
    "log-odds": "log-odds",
    "probability": "probability",
    "value": "the label's unit",
    "margin": "margin",
    "logit": "logits",
}


def swarm(
    explained: Explained, rows: pd.DataFrame, *, personal: Collection[str] = (), top: int = TOP
) -> bytes:
    """A dot for each row and feature at its SHAP value, coloured from low (blue) to high (red).

    Grey where a feature's values have no order, or are personal and not shown.
    """
    names = list(explained.importance())[:top]
    title = f"What moved the answer {explained.label}" if explained.label else None
    figure, axes = canvas(6.6, 1.5 + 0.34 * max(len(names), 1), title or "What moved the answers")
    if not names:
        return empty(figure, axes, "no row was explained")
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("low to high", [COLOURS[0], "#b9a6c9", COLOURS[1]])
    for place, name in enumerate(names):
        values = explained.values[:, explained.columns.index(name)]
        order = None if name in personal else _rank(rows.get(name))
        axes.scatter(
            values,
            place + _spread(values),
            s=7,
            linewidth=0,
            alpha=0.8,
            zorder=3,
            **({"color": "#8a939e"} if order is None else {"c": order, "cmap": shades}),
        )
    _names(axes, names)
    axes.set_xlabel(
        f"SHAP value in {_UNIT[explained.space]}: to the right, the answer rose\n"
        "blue: the feature's value is low, orange: high, grey: a category, or personal",
        color=INK,
        fontsize=9,
    )
    return png(figure)


def attributions(
    now: Mapping[str, float], baseline: Mapping[str, float], *, top: int = TOP
) -> bytes:
    """Shares of the whole attribution by feature: now as bars, the baseline as marks."""
    names = sorted(now, key=lambda name: (-now[name], name))[:top]
    figure, axes = canvas(6.4, 1.6 + 0.3 * max(len(names), 1), "What matters, now and in training")
    if not names:
        return empty(figure, axes, "no row was explained")
    shares, before = _shares(now), _shares(baseline)
    places = np.arange(len(names))
    axes.barh(
        places, [shares[n] for n in names], color=COLOURS[0], height=0.62, zorder=2, label="now"
    )
    if before:
        axes.scatter(
            [before.get(name, 0.0) for name in names],
            places,
            marker="|",
            s=190,
            linewidth=2.6,
            color=COLOURS[1],
            zorder=3,
            label="in training",
        )
    _names(axes, names)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("share of all mean |SHAP| values", color=INK, fontsize=9)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return png(figure)


def by_class(importance: Mapping[str, Mapping[str, float]], *, top: int = TOP) -> bytes:
    """Mean |SHAP| as a heat map: a row a feature, those that matter most on top, a column a class.

    Args:
        importance: {class: {feature: mean absolute SHAP value}}.
    """
    table = pd.DataFrame(importance)
    table = table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index[:top]]
    width = min(3.2 + 0.5 * max(len(table.columns), 3), 11.0)
    figure, axes = canvas(width, 1.5 + 0.3 * max(len(table), 1), "What matters to each class")
    if table.empty:
        return empty(figure, axes, "no row was explained")
    mesh = axes.pcolormesh(table.to_numpy(float), cmap="Blues", vmin=0, edgecolors="white")
    axes.grid(visible=False)
    axes.set_yticks(np.arange(len(table)) + 0.5, [short(str(name)) for name in table.index])
    axes.invert_yaxis()
    names = [short(str(name))[:10] for name in table.columns]
    turned = max(map(len, names)) > 4
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=90 if turned else 0)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(mesh, ax=axes, pad=0.02, aspect=16)
    bar.set_label("mean |SHAP|", color=INK, fontsize=8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=0, colors=INK)
    return png(figure)


def dependences(curves: Sequence[Dependence]) -> bytes:
    """A small panel for each curve of partial dependence, all on one scale of answers."""
    from matplotlib.figure import Figure

    if not curves:
        return empty(*canvas(6.4, 1.6, "Partial dependence"), "no feature has two values")
    across = min(3, len(curves))
    down = -(-len(curves) // across)
    figure = Figure(
        figsize=(2.9 * across, 0.5 + 2.2 * down), dpi=110, layout="constrained", facecolor="white"
    )
    figure.suptitle(
        "Partial dependence: the mean answer", x=0.01, ha="left", fontsize=11, fontweight="bold"
    )
    panels = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    for panel in panels[len(curves) :]:
        panel.set_axis_off()
    for panel, curve in zip(panels, curves, strict=False):
        _panel(panel, curve)
    return png(figure)


def _panel(axes: Axes, curve: Dependence) -> None:
    title = f"{short(curve.column)}, of {short(curve.label)}" if curve.label else curve.column
    axes.set_title(short(title), loc="left", fontsize=9, color=INK)
    axes.grid(color=FAINT, linewidth=0.6, alpha=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    if curve.numeric:
        places = np.array(curve.values, dtype=float)
        axes.plot(places, curve.answers, color=COLOURS[0], linewidth=1.8)
        # Ticks where the points are: quantiles, so they are dense where rows are.
        axes.plot(places, curve.answers, "|", color=INK, markersize=5, zorder=3)
        return
    order = np.argsort(curve.answers)
    words = [short(str(curve.values[i]))[:10] for i in order]
    axes.plot(range(len(order)), [curve.answers[i] for i in order], "o", color=COLOURS[0], ms=4)
    turned = max(map(len, words)) > 3 or len(words) > 8
    axes.set_xticks(range(len(order)), words, rotation=90 if turned else 0, fontsize=7)


def _rank(values: pd.Series | None) -> np.ndarray | None:
    """Places of the values in their order, 0 to 1; None where they have none."""
    if values is None or not pd.api.types.is_numeric_dtype(values):
        return None
    return values.rank(pct=True).fillna(0.5).to_numpy(float)


def _spread(values: np.ndarray) -> np.ndarray:
    """How far each dot lies above or below its line, so that a crowd shows as thickness."""
    low, high = float(values.min()), float(values.max())
    bins = np.floor((values - low) / ((high - low) or 1.0) * 60).astype(int)
    counts = np.bincount(bins, minlength=62)
    seen = np.zeros(len(counts), dtype=int)
    aside = np.zeros(len(values))
    for row, place in enumerate(bins.tolist()):
        step = (seen[place] + 1) // 2 * (1 if seen[place] % 2 else -1)
        aside[row] = step / max(counts.max(), 12) * 0.78
        seen[place] += 1
    return aside


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _shares(values: Mapping[str, float]) -> dict[str, float]:
    total = sum(values.values())
    return {name: value / total for name, value in values.items()} if total > 0 else {}
