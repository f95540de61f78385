"""Pictures of served quality as PNG bytes: quality over partitions, and quality by age.

Belongs here: drawing what `verdict` and `staleness` were given. Does not belong here: computing it;
the reliability plot (`ml.plots.calibration`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlops_assets.ml.performance.intervals import Measured
from mlops_assets.ml.performance.staleness import AgeQuality
from mlops_assets.ml.plots import COLOURS, FAINT, INK, canvas, empty, png, short

_TICKS = 12


def history(
    metric: str,
    realised: Mapping[str, Measured],
    *,
    estimated: Mapping[str, float],
    held_out: Mapping[str, float],
    failing: Sequence[str] = (),
) -> bytes:
    """A metric by partition, realised with intervals, beside its estimate and what was promised.

    Args:
        realised, estimated, held_out: {partition: value}; partitions are drawn sorted by name.
        failing: partitions to mark.
    """
    names = sorted({*realised, *estimated, *held_out})
    figure, axes = canvas(max(6.0, min(2.6 + 0.45 * len(names), 11)), 3.8, f"{metric} as served")
    if not names:
        return empty(figure, axes, "nothing has been answered yet")
    place = {name: at for at, name in enumerate(names)}
    promised = [name for name in names if name in held_out]
    axes.hlines(
        [held_out[name] for name in promised],
        [place[name] - 0.5 for name in promised],
        [place[name] + 0.5 for name in promised],
        color=INK,
        linewidth=1.2,
        linestyle="--",
        label="held out, as promised",
    )
    guessed = [name for name in names if name in estimated]
    axes.plot(
        [place[name] for name in guessed],
        [estimated[name] for name in guessed],
        color=COLOURS[4],
        marker="D",
        markersize=4,
        linewidth=1.2,
        linestyle=":",
        label="estimate (assumes P(y|x) unchanged)",
    )
    known = [name for name in names if name in realised]
    values = np.array([realised[name].value for name in known])
    spread = [
        [realised[name].value - realised[name].low for name in known],
        [realised[name].high - realised[name].value for name in known],
    ]
    axes.errorbar(
        [place[name] for name in known],
        values,
        yerr=spread,
        color=COLOURS[0],
        elinewidth=1.2,
        capsize=3,
        marker="o",
        markersize=5,
        linewidth=2.0,
        label="realised, 95 %",
    )
    bad = [name for name in known if name in failing]
    axes.scatter(
        [place[name] for name in bad],
        [realised[name].value for name in bad],
        s=110,
        facecolors="none",
        edgecolors=COLOURS[1],
        linewidths=2,
        zorder=4,
        label="failing" if bad else None,
    )
    step = -(-len(names) // _TICKS)
    axes.set_xticks(
        range(0, len(names), step), [short(name) for name in names[::step]], rotation=30
    )
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylabel(metric, color=INK, fontsize=9)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return png(figure)


def ages(curve: Sequence[AgeQuality], metric: str) -> bytes:
    """What models of each age lose against the freshest on the same partitions, with intervals."""
    figure, axes = canvas(6.4, 3.9, f"Staleness: {metric} lost by age, on the same partitions")
    lost = [(point.age, point.loss) for point in curve if point.loss is not None]
    if not lost:
        return empty(figure, axes, "no partition was answered by models of two ages yet")
    first = min(point.age for point in curve)
    axes.axhline(0, color=FAINT, linewidth=1.4, zorder=1)
    places = [first, *(age for age, _ in lost)]
    values = [0.0, *(loss.value for _, loss in lost)]
    axes.plot(places, values, color=COLOURS[0], marker="o", markersize=5, linewidth=2.0)
    for age, loss in lost:
        axes.vlines(age, loss.low, loss.high, color=COLOURS[0], linewidth=1.2)
    axes.set_ylabel(f"{metric} worse by", color=INK, fontsize=9)
    step = -(-len(places) // _TICKS)
    pairs = {point.age: point.pairs for point in curve}
    names = [f"{age}\n{pairs[age]} pair{'s' * (pairs[age] != 1)}" for age in places[::step]]
    axes.set_xticks(places[::step], names)
    axes.set_xlabel("partitions since the model's own", color=INK, fontsize=9)
    return png(figure)
