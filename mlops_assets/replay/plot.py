"""The replay as one picture: quality by month of the frozen model, the loop and the one kept.

Here: drawing. Not here: the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlops_assets.pipeline import MLPipeline
from mlops_assets.replay.records import MonthRecord

_LOOP, _FROZEN, _KEPT = "#1f6feb", "#8b949e", "#d4a72c"
_TITLES = {"auc": "AUC (higher is better)", "log_loss": "log-loss (lower is better)"}


def metrics(pipeline: MLPipeline) -> tuple[str, ...]:
    """What is told of each month: the primary metric, and AUC where there is one."""
    others = ("auc",) if pipeline.label.kind == "binary" else ()
    return tuple(dict.fromkeys([*others, pipeline.evaluation.primary]))


def name(pipeline: MLPipeline, partition: str) -> str:
    """A partition as people call it: 2013-04 for a month."""
    return partition[:7] if pipeline.partitions.kind == "monthly" else partition


def draw(pipeline: MLPipeline, months: Sequence[MonthRecord], path: Path) -> None:
    """Write the picture, a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = metrics(pipeline)
    figure, axes = plt.subplots(
        1, len(shown), figsize=(5.2 * len(shown), 3.6), layout="constrained", squeeze=False
    )
    places = range(len(months))
    for axis, metric in zip(axes[0], shown, strict=True):
        values = {
            who: [month.metrics[who].get(metric, float("nan")) for month in months]
            for who in ("frozen", "loop", "kept")
        }
        axis.plot(places, values["frozen"], color=_FROZEN, marker="o", ms=4, label="frozen model")
        axis.plot(
            places, values["loop"], color=_LOOP, marker="o", ms=5, lw=2, label="the loop", zorder=3
        )
        changed = [p for p in places if months[p].loop.arn != months[p].kept.arn]
        axis.scatter(
            changed,
            [values["kept"][place] for place in changed],
            color=_KEPT,
            marker="_",
            s=110,
            lw=2,
            label="had the champion been kept",
            zorder=4,
        )
        for place in changed:
            axis.axvline(place - 0.5, color=_LOOP, lw=0.8, ls=":", zorder=0)
        axis.set_title(_TITLES.get(metric, metric), fontsize=10, loc="left")
        axis.set_xticks(
            list(places), [name(pipeline, month.partition) for month in months], rotation=45
        )
        axis.tick_params(labelsize=8)
        axis.grid(axis="y", color="#d0d7de", lw=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].legend(fontsize=8, frameon=False)
    figure.suptitle(
        f"{pipeline.name} through the live loop; a dotted line is a promotion",
        fontsize=10,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
