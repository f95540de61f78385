"""A search for hyperparameters as a picture: every training job, and the best so far.

Here: drawing. Not here: the search.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_assets.ml.plots import COLOURS, FAINT, INK, canvas, legend, png


def history(values: Sequence[float | None], *, metric: str, minimize: bool) -> bytes:
    """The metric of each training job in order, and the best so far, as PNG.

    Args:
        values: one a job; None where it left none, which is drawn as a mark at the foot.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = canvas(6.4, 3.6, f"{metric} of each training job of the search")
    jobs = np.arange(1, len(values) + 1)
    found = np.array([np.nan if value is None else value for value in values], dtype=float)
    best = (np.fmin if minimize else np.fmax).accumulate(found)
    axes.scatter(jobs, found, color=COLOURS[0], s=28, zorder=3, label="a training job")
    axes.step(jobs, best, where="post", color=COLOURS[1], linewidth=1.8, label="the best so far")
    if missing := [job for job, value in zip(jobs, found, strict=True) if np.isnan(value)]:
        foot = np.nanmin(found) if np.isfinite(found).any() else 0.0
        axes.scatter(
            missing,
            [foot] * len(missing),
            marker="x",
            color=FAINT,
            zorder=2,
            label="left no figure",
        )
    axes.set_xlabel("training job", color=INK, fontsize=9)
    axes.set_ylabel(metric, color=INK, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(axes, "upper right" if minimize else "lower right")
    return png(figure)
