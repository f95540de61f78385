"""The plot: requests/s and latency of every server, on logarithmic axes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.serving.report import Results

OURS, OTHERS = "#0f766e", "#94a3b8"


def save(results: Results, path: Path) -> None:
    """Write a PNG of two bar charts, fastest server on top."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [peer for peer in results.peers if peer.name in results.figures]
    shown.sort(key=lambda peer: results.figures[peer.name]["sixteen_rate"])
    titles = [peer.title for peer in shown]
    colors = [OURS if peer.group == "ours" else OTHERS for peer in shown]
    figure, axes = plt.subplots(
        1, 2, figsize=(10, 0.32 * len(shown) + 1.2), sharey=True, layout="constrained"
    )
    for axis, name, scale, title in (
        (axes[0], "sixteen_rate", 1.0, "requests/s, one row, 16 connections (more is better)"),
        (axes[1], "one_p50_s", 1e3, "p50 in ms, one row, one connection (less is better)"),
    ):
        values = [results.figures[peer.name][name] * scale for peer in shown]
        bars = axis.barh(titles, values, color=colors, height=0.72)
        axis.bar_label(
            bars, [f"{v:,.0f}" if v >= 20 else f"{v:.2g}" for v in values], padding=3, fontsize=8
        )
        axis.set_xscale("log")
        axis.set_xlim(min(values) / 2, max(values) * 4)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="x", alpha=0.3)
        axis.set_axisbelow(True)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
