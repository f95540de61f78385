"""Pictures of an audit as PNG bytes.

Belongs here: drawing what features are worth. Does not belong here: measuring it
(`feature_benefit`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_assets.ml import plots

_SHOWN = 40


def benefits(names: Sequence[str], figures: np.ndarray, metric: str) -> bytes:
    """What each group of features is worth, with its interval; those that do not help in orange.

    Args:
        figures: (groups, 3) low, value, high, the most valuable first.
    """
    shown = figures[:_SHOWN]
    figure, axes = plots.canvas(7.2, 1.5 + 0.22 * max(len(shown), 2), "What each feature is worth")
    if not len(shown):
        return plots.empty(figure, axes, "the model has no features")
    places = np.arange(len(shown))
    helps = shown[:, 0] > 0
    for those, colour, label in (
        (helps, plots.COLOURS[0], "helps"),
        (~helps, plots.COLOURS[1], "does not help"),
    ):
        if those.any():
            low, value, high = shown[those].T
            axes.errorbar(
                value, places[those], xerr=[value - low, high - value], fmt="o", color=colour,
                markersize=4, elinewidth=1.2, label=label,
            )  # fmt: skip
    axes.axvline(0, color=plots.INK, linewidth=0.8)
    # Few features carry most: on a linear scale the others would be one heap at zero.
    axes.set_xscale("symlog", linthresh=max(float(np.median(np.abs(shown[:, 1]))), 1e-9))
    axes.set_yticks(places, [plots.short(name) for name in names[: len(shown)]], fontsize=8)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    left_out = len(figures) - len(shown)
    axes.set_xlabel(
        f"{metric} that is lost without it, 95 % interval"
        + (f"; {left_out} of less worth are not shown" if left_out else ""),
        color=plots.INK,
        fontsize=9,
    )
    plots.legend(axes, "lower right")
    return plots.png(figure)
