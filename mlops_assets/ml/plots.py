"""Pictures of a model's quality as PNG bytes, for Dagster's metadata and reports.

Belongs here: drawing what `metrics` computed. Does not belong here: computing it. matplotlib is
imported when a picture is drawn, through the Figure API: pyplot's global state is not safe in a
server.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers tell apart; the first is the model's own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, FAINT = "#22272e", "#d0d4da"
MARGIN = 0.02
LONGEST_NAME = 28


def roc(curves: Mapping[str, pd.DataFrame]) -> bytes:
    """ROC curves by name, each a frame of `metrics.roc_points`; the first is drawn boldest."""
    figure, axes = canvas(5.2, 5.0, "ROC: true against false positives")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, linestyle="--", zorder=1)
    for place, (name, points) in reversed(list(enumerate(curves.items()))):
        x, y = points["false_positive_rate"], points["true_positive_rate"]
        area = float(np.trapezoid(y, x))
        axes.plot(
            x,
            y,
            color=COLOURS[place % len(COLOURS)],
            linewidth=2.4 if place == 0 else 1.6,
            label=f"{short(name)}   AUC {area:.3f}",
            zorder=3 if place == 0 else 2,
        )
    _unit_square(axes, "false positive rate", "true positive rate")
    legend(axes, "lower right")
    return png(figure)


def calibration(points: Mapping[str, pd.DataFrame]) -> bytes:
    """Reliability by name, each a frame of `metrics.calibration_points`, with its intervals."""
    figure, axes = canvas(5.2, 5.0, "Calibration: observed against predicted")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, linestyle="--", zorder=1)
    top = 0.0
    for place, (name, frame) in reversed(list(enumerate(points.items()))):
        colour = COLOURS[place % len(COLOURS)]
        x, y = frame["predicted"], frame["observed"]
        axes.errorbar(
            x,
            y,
            yerr=[y - frame["low"], frame["high"] - y],
            color=colour,
            ecolor=colour,
            elinewidth=1,
            capsize=2,
            marker="o",
            markersize=5 if place == 0 else 4,
            linewidth=2.2 if place == 0 else 1.4,
            label=short(name),
            zorder=3 if place == 0 else 2,
        )
        top = max(top, float(x.max()), float(frame["high"].max()))
    # Rare events live in the lower left corner: the square shrinks to where the points are.
    top = min(1.0, np.ceil(top * 10 + 0.2) / 10) if points else 1.0
    _unit_square(axes, "predicted probability", "observed share", top)
    legend(axes, "upper left")
    return png(figure)


def importance(values: Mapping[str, float], *, top: int = 20) -> bytes:
    """The `top` features by importance, largest first, as bars; the rest is counted below."""
    ranked = sorted(values.items(), key=lambda item: (-abs(item[1]), item[0]))
    shown = ranked[:top]
    figure, axes = canvas(6.4, 1.4 + 0.27 * max(len(shown), 1), "Feature importance")
    if not shown:
        return empty(figure, axes, "the model tells of none")
    places = np.arange(len(shown))
    numbers = np.array([number for _, number in shown], dtype=float)
    axes.barh(places, numbers, color=COLOURS[0], height=0.68, zorder=2)
    axes.set_yticks(places, [short(name) for name, _ in shown])
    axes.invert_yaxis()
    widest = float(np.abs(numbers).max()) or 1.0
    for place, number in zip(places, numbers, strict=True):
        axes.annotate(
            f"{number:.3g}",
            (max(number, 0.0), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    axes.set_xlim(min(numbers.min(), 0.0) * 1.05, max(numbers.max(), widest * 0.02) * 1.14)
    axes.grid(axis="y", visible=False)
    left_out = len(ranked) - len(shown)
    if left_out:
        axes.set_xlabel(f"{left_out} smaller ones are not shown", color=INK, fontsize=9)
    return png(figure)


def slices(
    table: pd.DataFrame, *, metric: str | None = None, overall: float | None = None
) -> bytes:
    """One metric of a table of `metrics.by_slice`, a dot for each slice, grouped by column.

    `metric` is the first metric of the table unless given; `overall` draws the line of all rows.
    """
    metric = metric or next(
        (name for name in table.columns if name not in {"slice_column", "value", "rows"}), ""
    )
    if metric not in table.columns:
        raise ValueError(f"the table has no metric {metric!r}; it has {list(table.columns)}")
    drawn = table[table[metric].notna()]
    places, labels, place = [], [], 0.0
    heads: list[tuple[float, str]] = []
    for column, group in drawn.groupby("slice_column", sort=False):
        heads.append((place, str(column)))
        for value in group["value"]:
            place += 1
            places.append(place)
            labels.append(short(str(value)))
        place += 1.6
    figure, axes = canvas(6.4, 1.5 + 0.2 * max(place, 1), f"{metric} by slice")
    if drawn.empty:
        return empty(figure, axes, "no slice has rows enough")
    area = 12 + 90 * drawn["rows"] / drawn["rows"].max()
    axes.scatter(drawn[metric], places, s=area, color=COLOURS[0], zorder=3, linewidth=0)
    if overall is not None:
        axes.axvline(overall, color=COLOURS[1], linewidth=1.4, zorder=2)
        axes.annotate(
            f"all rows {overall:.3f}",
            (overall, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=COLOURS[1],
        )
    axes.set_yticks(places, labels, fontsize=8)
    for at, head in heads:
        axes.annotate(
            head,
            (0, at),
            xycoords=("axes fraction", "data"),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=9,
            fontweight="bold",
            color=INK,
        )
    axes.set_ylim(max(place, 1.0) - 0.6, -0.8)
    axes.set_xlabel(f"{metric}   (larger dot: more rows)", color=INK, fontsize=9)
    return png(figure)


def canvas(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=12)
    axes.grid(color=FAINT, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    return figure, axes


def empty(figure: Figure, axes: Axes, words: str) -> bytes:
    axes.set_axis_off()
    axes.text(0, 0.5, words, color=INK, fontsize=10, va="center", transform=axes.transAxes)
    return png(figure)


def _unit_square(axes: Axes, x: str, y: str, top: float = 1.0) -> None:
    axes.set_xlim(-MARGIN * top, top * (1 + MARGIN))
    axes.set_ylim(-MARGIN * top, top * (1 + MARGIN))
    axes.set_aspect("equal")
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)


def legend(axes: Axes, where: Literal["lower right", "upper left", "upper right"]) -> None:
    handles, names = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles[::-1], names[::-1], loc=where, frameon=False, fontsize=9)


def short(name: str) -> str:
    # "$" would start a formula, and a control character would draw a box.
    plain = "".join(c if c.isprintable() else "?" for c in name).replace("$", r"\$")
    return plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME - 1] + "…"


def png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    # Few colours are drawn: a palette of 64 looks the same and takes a third of the bytes, which
    # matters where the picture is stored inside an event.
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3]).quantize(64)
    out = BytesIO()
    picture.save(out, format="PNG", optimize=True)
    return out.getvalue()
