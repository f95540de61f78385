"""Rounds to medians, medians to Markdown: the table, the open loop, and what was to be reached.

Belongs here: words and bounds. Does not: measuring.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.serving.catalog import Peer

Figures = Mapping[str, float]
OURS = "ours"

# By group: times the requests/s at 16 connections, times the p50 at one, times the rows/s of
# batches, and which form of batch that is.
RATIOS: dict[str, tuple[float, float, float, str]] = {
    "pandas": (100, 40, 2.2, "csv"),
    "frameworks": (100, 40, 1.7, "csv"),
    "xgboost_container": (12, 4, 1.5, "csv"),
    "mlserver_xgboost": (12, 4, 1, "Arrow or npy"),
    "core_fastapi": (2, 1.5, 1, "csv"),
}


@dataclass
class Results:
    """Medians over the rounds by peer, in the order of the catalog; why others are absent."""

    peers: list[Peer]
    figures: dict[str, Figures]
    absent: dict[str, str]
    floor: Figures
    equality: Figures
    about: dict[str, str] = field(default_factory=dict)


def median(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over the rounds that have it."""
    names = dict.fromkeys(name for one in rounds for name in one)
    return {n: statistics.median(one[n] for one in rounds if n in one) for n in names}


def markdown(results: Results) -> str:
    """The whole report."""
    parts = [
        "\n".join(f"- {name}: {value}" for name, value in results.about.items()),
        _servers(results),
        _json(results),
        _open_loop(results),
    ]
    if results.floor:
        parts.append(_floor(results.floor))
    if OURS in results.figures:
        parts.append(_targets(results))
    return "\n\n".join(part for part in parts if part) + "\n"


def _servers(results: Results) -> str:
    head = (
        "| server | p50 / p99 ms, 1 connection | requests/s at 16 | p99 ms at 16"
        " | CPU µs a request | 1,000-row rows/s | MiB | cold: ping / first answer s |"
    )
    lines = [head, "|" + "---|" * 8]
    for peer in results.peers:
        if peer.name in results.absent:
            lines.append(f"| {peer.title} | {_cell(results.absent[peer.name])} |" + " |" * 6)
            continue
        f = results.figures[peer.name]
        batches = [_batch(label, f[f"batch_{label}_rows"]) for label in ("csv", *peer.extra)]
        if not peer.takes_csv:
            batches[0] += " (JSON)"
        lines.append(
            f"| {peer.title} | {_ms(f['one_p50_s'])} / {_ms(f['one_p99_s'])}"
            f" | {_count(f['sixteen_rate'])} | {_ms(f['sixteen_p99_s'])}"
            f" | {_count(f['sixteen_cpu_s'] * 1e6)} | {', '.join(batches)}"
            f" | {f['memory_mib']:.0f} | {f['ping_s']:.2f} / {f['answer_s']:.2f} |"
        )
    return "\n".join(lines)


def _json(results: Results) -> str:
    lines = ["| one JSON row | p50 / p99 ms, 1 connection | requests/s at 16 | CPU µs a request |"]
    lines.append("|" + "---|" * 4)
    for peer in results.peers:
        f = results.figures.get(peer.name, {})
        if "json_one_rate" in f:
            lines.append(
                f"| {peer.title} | {_ms(f['json_one_p50_s'])} / {_ms(f['json_one_p99_s'])}"
                f" | {_count(f['json_sixteen_rate'])} | {_count(f['json_sixteen_cpu_s'] * 1e6)} |"
            )
    return "\n".join(lines) if len(lines) > 2 else ""


def _open_loop(results: Results) -> str:
    rates = sorted(
        {int(n.split("_")[1]) for f in results.figures.values() for n in f if n[:5] == "open_"}
    )
    if not rates:
        return ""
    head = "| p50 / p99 ms, open loop | " + " | ".join(f"{r:,}/s" for r in rates) + " |"
    lines = [head, "|" + "---|" * (len(rates) + 1)]
    for peer in results.peers:
        f = results.figures.get(peer.name)
        if f:
            cells = [
                f"{_ms(f[f'open_{r}_p50_s'])} / {_ms(f[f'open_{r}_p99_s'])}"
                if f"open_{r}_p50_s" in f
                else "–"
                for r in rates
            ]
            lines.append(f"| {peer.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _floor(floor: Figures) -> str:
    lines = [
        "| in process, one thread | one row µs | of the floor | 1,000 rows ms | of the floor |"
    ]
    lines.append("|" + "---|" * 5)
    for name, title in (
        ("onnx", "floor: ONNX Runtime, encoded"),
        ("xgboost", "XGBoost, encoded"),
        ("csv", "handle(), CSV"),
        ("json", "handle(), JSON"),
    ):
        one, batch = floor[f"{name}_s"], floor[f"{name}_batch_s"]
        lines.append(
            f"| {title} | {one * 1e6:.1f} | {one / floor['onnx_s']:.2f} | {batch * 1e3:.1f}"
            f" | {batch / floor['onnx_batch_s']:.2f} |"
        )
    return "\n".join(lines)


def _targets(results: Results) -> str:
    ours = results.figures[OURS]
    lines = ["| against | requests/s at 16 | p50, 1 connection | 1,000 rows |", "|" + "---|" * 4]
    for peer in results.peers:
        f, bounds = results.figures.get(peer.name), RATIOS.get(peer.name) or RATIOS.get(peer.group)
        if f is None or bounds is None:
            continue
        rate, p50, rows, form = bounds
        labels = ["csv"] if form == "csv" else ["Arrow", "npy"]
        best = max(ours.get(f"batch_{label}_rows", 0.0) for label in labels)
        note = "" if form == "csv" else f", {form}"
        lines.append(
            f"| {peer.title} | {_ratio(ours['sixteen_rate'] / f['sixteen_rate'], rate)}"
            f" | {_ratio(f['one_p50_s'] / ours['one_p50_s'], p50)}"
            f" | {_ratio(best / f['batch_csv_rows'], rows)}{note} |"
        )
    cpu = ours["sixteen_cpu_s"] * 1e6
    own = [
        ("server CPU a distinct row, µs", cpu, 70.0),
        ("p99 at 16 connections, ms", ours["sixteen_p99_s"] * 1e3, 3.0),
        ("cold start to the first right answer, s", ours["answer_s"], 1.0),
        ("MiB before the first batch", ours["memory_mib"], 100.0),
    ]
    if results.floor:
        own.insert(
            0,
            ("handling a CSV row, × floor", results.floor["csv_s"] / results.floor["onnx_s"], 1.8),
        )
    if results.equality:
        what = f"{results.equality['rows']:,.0f} rows"
        own.append((f"difference to XGBoost, {what}", results.equality["to_xgboost"], 1e-5))
        own.append((f"between content types, {what}", results.equality["between_types"], 1e-6))
    lines = [*lines, ""] if len(lines) > 2 else []
    lines += ["| own bounds | measured | at most | |", "|" + "---|" * 4]
    for what, value, bound in own:
        verdict = "reached" if value <= bound else "**missed**"
        lines.append(f"| {what} | {value:.3g} | {bound:g} | {verdict} |")
    return "\n".join(lines)


def _ratio(value: float, bound: float) -> str:
    verdict = "reached" if value >= bound else "**missed**"
    return f"{value:.3g} × (≥ {bound:g}: {verdict})"


def _batch(label: str, rows: float) -> str:
    return f"{rows / 1e3:.0f} k" + ("" if label == "csv" else f" {label}")


def _ms(seconds: float) -> str:
    value = seconds * 1e3
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _count(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}"


def _cell(reason: str) -> str:
    return "not measured: " + " ".join(reason.split()).replace("|", "/")[:160]
