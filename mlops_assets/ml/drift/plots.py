"""Pictures of drift as PNG bytes: which columns moved, and how one moved.

Belongs here: drawing what `compare` found. Does not: comparing.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mlops_assets.ml.drift.report import Measure
from mlops_assets.ml.plots import COLOURS, INK, canvas, empty, png, short
from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import Profile

_BINS = 40
_LEVELS = 12
_NAMES = {
    "ks": "distribution (KS)",
    "shift": "shift of the ranks",
    "categories": "mix of categories",
    "missing": "missing",
    "strange": "new or out of range",
    "atom": "one value",
}


def strength(measures: Collection[Measure], *, top: int = 20) -> bytes:
    """Each column's largest effect in units of its threshold: from 1 on it may be flagged."""
    worst: dict[str, Measure] = {}
    for measure in measures:
        known = worst.get(measure.column)
        if known is None or _rank(measure) > _rank(known):
            worst[measure.column] = measure
    ranked = sorted(worst.values(), key=_rank, reverse=True)
    shown = ranked[:top]
    figure, axes = canvas(6.4, 1.5 + 0.27 * max(len(shown), 1), "Change by column")
    if not shown:
        return empty(figure, axes, "no column could be compared")
    places = np.arange(len(shown))
    values = [min(_times(m), 100.0) for m in shown]
    axes.barh(
        places,
        values,
        color=[COLOURS[1] if m.flagged else COLOURS[0] for m in shown],
        height=0.68,
        zorder=2,
    )
    axes.axvline(1, color=INK, linewidth=1.2, linestyle="--", zorder=3)
    axes.set_yticks(places, [short(m.column) for m in shown])
    axes.invert_yaxis()
    for place, measure in enumerate(shown):
        axes.annotate(
            f"{_NAMES[measure.name]} {abs(measure.effect):.3f}",
            (values[place], place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )
    axes.set_xlim(0, max(*values, 1.2) * 1.45)
    axes.grid(axis="y", visible=False)
    left_out = len(ranked) - len(shown)
    more = f"   ({left_out} smaller ones are not shown)" if left_out else ""
    axes.set_xlabel(f"times the threshold, orange: flagged{more}", color=INK, fontsize=9)
    return png(figure)


def column(name: str, window: Profile, baseline: Profile) -> bytes:
    """One column of the window beside the baseline: shares by bins, or by category."""
    here, there = window.columns.get(name), baseline.columns.get(name)
    figure, axes = canvas(6.4, 3.2, f"{short(name)}: window and baseline")
    if isinstance(here, NumericProfile) and isinstance(there, NumericProfile):
        if not (here.present and there.present):
            return empty(figure, axes, "one side has no values")
        ends = np.concatenate([side.quantile([0.002, 0.998]) for side in (here, there)])
        ends = ends[np.isfinite(ends)]
        edges = np.linspace(ends.min(), ends.max() + 1e-9, _BINS + 1)
        for place, (side, label) in enumerate(((there, "baseline"), (here, "window"))):
            below = np.array([side.count_below(edge) for edge in edges]) / side.present
            axes.stairs(
                np.diff(below),
                edges,
                color=COLOURS[place],
                fill=place == 0,
                alpha=0.35 if place == 0 else 1.0,
                linewidth=1.8,
                label=label,
            )
    elif isinstance(here, CategoricalProfile) and isinstance(there, CategoricalProfile):
        if not (here.present and there.present):
            return empty(figure, axes, "one side has no values")
        share = {
            level: (
                there.counts.get(level, 0) / there.present,
                here.counts.get(level, 0) / here.present,
            )
            for level in here.counts.keys() | there.counts.keys()
        }
        levels = sorted(share, key=lambda v: (-max(share[v]), v))[:_LEVELS]
        places = np.arange(len(levels))
        for which, label in enumerate(("baseline", "window")):
            axes.bar(
                places + 0.4 * (which - 0.5),
                [share[level][which] for level in levels],
                width=0.38,
                color=COLOURS[which],
                label=label,
                zorder=2,
            )
        axes.set_xticks(places, [short(level) for level in levels], rotation=35, ha="right")
        axes.grid(axis="x", visible=False)
    else:
        return empty(figure, axes, "the two sides are of other types")
    axes.set_ylabel("share of the rows", color=INK, fontsize=9)
    axes.legend(loc="best", frameon=False, fontsize=9)
    return png(figure)


def _times(measure: Measure) -> float:
    return abs(measure.effect) / measure.threshold


def _rank(measure: Measure) -> tuple[bool, float, str]:
    return measure.flagged, _times(measure), measure.column
