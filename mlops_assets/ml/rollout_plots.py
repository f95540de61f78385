"""Pictures of a rollout as PNG bytes, for Dagster's metadata.

Belongs here: drawing latencies that were measured. Does not belong here: measuring, and the
pictures of a model's quality (`plots`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mlops_assets.ml import plots

_SHARES = np.linspace(0, 1, 101)


def latency(latencies_ms: Mapping[str, np.ndarray], *, bound_ms: float | None = None) -> bytes:
    """Share of requests answered within a time, by who answered; logarithmic milliseconds.

    Args:
        latencies_ms: {name: (requests,) milliseconds}, the first drawn boldest.
        bound_ms: the bound on the 99th percentile, drawn where it is given.
    """
    figure, axes = plots.canvas(6.0, 4.2, "Latency over the same rows")
    drawn = {name: np.asarray(ms, float) for name, ms in latencies_ms.items() if len(ms)}
    if not drawn:
        return plots.empty(figure, axes, "no request was answered")
    for place, (name, ms) in reversed(list(enumerate(drawn.items()))):
        colour = plots.COLOURS[place % len(plots.COLOURS)]
        p99 = float(np.quantile(ms, 0.99))
        axes.plot(
            np.quantile(ms, _SHARES),
            _SHARES,
            color=colour,
            linewidth=2.4 if place == 0 else 1.6,
            label=f"{plots.short(name)}   p99 {p99:.3g} ms",
            zorder=3 if place == 0 else 2,
        )
        axes.plot([p99], [0.99], "o", color=colour, markersize=5, zorder=4)
    if bound_ms is not None:
        axes.axvline(bound_ms, color=plots.INK, linewidth=1, linestyle="--", zorder=1)
        axes.annotate(
            f"bound {bound_ms:.3g} ms",
            (bound_ms, 0.5),
            xytext=(-4, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="center",
            fontsize=8,
            color=plots.INK,
        )
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("milliseconds, as a caller sees them", color=plots.INK, fontsize=9)
    axes.set_ylabel("share of requests", color=plots.INK, fontsize=9)
    plots.legend(axes, "lower right")
    return plots.png(figure)
