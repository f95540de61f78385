"""Pictures of bias metrics as PNG bytes.

Belongs here: drawing what `measured` measured. Does not: measuring it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlops_assets.ml.bias.measured import Measured
from mlops_assets.ml.plots import COLOURS, INK, canvas, empty, png, short

_RATIOS = frozenset({"DI", "DCAcc", "DCR", "TE", "GE"})


def differences(title: str, sides: Mapping[str, Sequence[Measured]]) -> bytes:
    """A line for each metric that is a difference of shares, a dot with its interval for each side.

    Ratios have scales of their own, and would hide the rest: they stand in tables only.
    """
    names = list(dict.fromkeys(m.name for found in sides.values() for m in found if _drawn(m)))
    figure, axes = canvas(6.4, 1.5 + 0.36 * max(len(names), 1), title)
    if not names:
        return empty(figure, axes, "nothing could be measured")
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    for place, (side, found) in enumerate(sides.items()):
        drawn = [m for m in found if _drawn(m)]
        shift = (place - (len(sides) - 1) / 2) * 0.26
        at = [names.index(m.name) + shift for m in drawn]
        values = np.array([m.value for m in drawn], dtype=float)
        low = np.array([m.value if m.low is None else m.low for m in drawn], dtype=float)
        high = np.array([m.value if m.high is None else m.high for m in drawn], dtype=float)
        axes.errorbar(
            values,
            at,
            xerr=[values - low, high - values],
            fmt="o",
            markersize=5,
            color=COLOURS[place % len(COLOURS)],
            elinewidth=1.6,
            label=short(side),
            zorder=3,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    reach = max(*map(abs, axes.get_xlim()), 0.05)
    axes.set_xlim(-reach, reach)
    axes.set_xlabel("0: both groups alike   (bars: 95 % intervals)", color=INK, fontsize=9)
    axes.legend(loc="best", frameon=False, fontsize=9)
    return png(figure)


def _drawn(measured: Measured) -> bool:
    return measured.value is not None and measured.name not in _RATIOS
