"""Drift by profiles beside other libraries: CPU seconds, false alarms, faults found; in one run.

    PYTHONPATH=. python benchmarks/drift.py [--quick] [--peers scipy,evidently] [--no-peers]
        [--rows 1000000] [--json results.json]

Speed: 20 columns (14 numeric, 6 categorical), building both sides and comparing, CPU seconds of a
process of its own, reading and imports aside. False alarms: reports on two draws of one
distribution; an alarm is any flagged column. Faults: one each in rows of that distribution, found
when its column is flagged. Peers run with their defaults in environments of their own, made on
demand (benchmarks/drift/peers/*.txt; Python 3.11). A full run takes some 20 minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift.data import FAULTS, NUMERIC, frame
from benchmarks.drift.peers import OURS, PEERS, Peers, write
from benchmarks.drift.trials import false_alarms, power
from mlops_assets.ml.drift.compare import compare
from mlops_assets.ml.profiles.profile import fit_grids, profile

TARGETS = {"evidently": 100, "whylogs": 80, "nannyml": 30, "scipy": 20, "frouros": 10}
PEER_SIZES = (1_000, 2_000, 10_000)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100,000 rows and few trials")
    parser.add_argument("--peers", default=",".join(PEERS), help="names, separated by commas")
    parser.add_argument("--no-peers", action="store_true", help="only this project's figures")
    parser.add_argument("--rows", type=int, help="of the speed's two sides; default 1,000,000")
    parser.add_argument("--cache", type=Path, default=Path(".mlops/benchmarks/drift"))
    parser.add_argument("--json", type=Path, help="write all figures")
    return parser.parse_args()


def speed(peers: Peers, rows: int, folder: Path) -> dict[str, Any]:
    """CPU seconds of each, and of comparing two numeric windows again."""
    rng = np.random.default_rng(1)
    baseline, window = frame(rng, rows), frame(rng, rows)
    # Once small, so that nobody pays for what is loaded late.
    write(folder, "warm", window.head(1000), baseline.head(1000))
    write(folder, "speed", window, baseline)
    seconds, errors = {}, {}
    for name in peers.names:
        told = peers.ask(name, folder, ["warm", "speed"]).get("speed")
        if told is not None and not told.error:
            seconds[name] = told.cpu
        else:
            errors[name] = told.error if told else "not done in time"
    grids = fit_grids(baseline)
    names = list(NUMERIC) + [f"{n} too" for n in NUMERIC[:6]]
    sides = []
    for side in (window, baseline):
        wide = side[list(NUMERIC)].join(side[list(NUMERIC[:6])].add_suffix(" too"))
        sides.append(profile(wide, grids | {f"{n} too": grids[n] for n in NUMERIC[:6]}))
    again = []
    for _ in range(20):
        start = time.process_time()
        compare(*sides, columns=set(names))
        again.append(time.process_time() - start)
    return {
        "rows": rows,
        "cpu seconds": seconds,
        "errors": errors,
        "compared again (ms)": 1e3 * float(np.median(again)),
    }


def alarms(peers: Peers, trials: int, folder: Path) -> dict[str, dict[int, float]]:
    """{who: {rows a side: share of unchanged pairs with any flagged column}}."""
    shares: dict[str, dict[int, float]] = {name: {} for name in peers.names}
    for rows in PEER_SIZES:
        pairs = [f"same-{rows}-{trial}" for trial in range(trials)]
        for trial, pair in enumerate(pairs):
            rng = np.random.default_rng([3, rows, trial])
            write(folder, pair, frame(rng, rows), frame(rng, rows))
        for name in peers.names:
            told = peers.ask(name, folder, pairs)
            if told:
                shares[name][rows] = sum(bool(t.flagged) for t in told.values()) / len(told)
        for pair in pairs:
            for side in ("window", "baseline"):
                (folder / f"{pair}.{side}.parquet").unlink()
    return shares


def faults(peers: Peers, trials: int, folder: Path) -> dict[str, dict[str, str]]:
    """{fault: {who: share of pairs at 10,000 rows that flag its column, or the error}}."""
    found: dict[str, dict[str, str]] = {name: {} for name in FAULTS}
    pairs = {}
    for trial in range(trials):
        rng = np.random.default_rng([4, trial])
        baseline, window = frame(rng, 10_000), frame(rng, 10_000)
        for place, (name, (column, fault)) in enumerate(FAULTS.items()):
            pair = f"fault-{place}-{trial}"
            # One column: what a peer says of the others is a false alarm, and counted elsewhere.
            write(folder, pair, fault(window, rng)[[column]], baseline[[column]])
            pairs[pair] = (name, column)
    for who in peers.names:
        told = peers.ask(who, folder, list(pairs))
        for name in FAULTS:
            own = [(pairs[p][1], t) for p, t in told.items() if pairs[p][0] == name]
            errors = {t.error.split(":")[0] for _, t in own if t.error}
            hits = sum(column in t.flagged for column, t in own)
            found[name][who] = (
                next(iter(errors)) if errors else f"{100 * hits / max(len(own), 1):.0f} %"
            )
    return found


def markdown(header: list[str], rows: list[list[object]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def own_rates(quick: bool) -> dict[str, Any]:
    """This project's error rates over many draws."""
    scale = 10 if quick else 1
    plan = ((1000, 1000, 1000), (2000, 2000, 500), (10_000, 10_000, 300), (1000, 75_000, 150),
            (100_000, 100_000, 50))  # fmt: skip
    rates = []
    for rows, baseline_rows, reports in plan:
        count = max(reports // scale, 3)
        alarmed, what = false_alarms(rows, baseline_rows, count)
        rates.append((rows, baseline_rows, count, alarmed))
        print(f"{rows:,} rows against {baseline_rows:,}: {alarmed} alarms in {count:,} reports "
              f"{dict(what) or ''}", flush=True)  # fmt: skip
    return {"alarms": rates, "power": power(10_000, 200 // scale)}


def show_speed(measured: dict[str, Any]) -> None:
    """CPU seconds, ours against each peer's."""
    ours = measured["cpu seconds"][OURS]
    lines: list[list[object]] = [
        [who, f"{spent:.2f}", f"{spent / ours:.0f} ×", TARGETS.get(who, "")]
        for who, spent in measured["cpu seconds"].items()
    ]
    lines += [[who, error, "", TARGETS.get(who, "")] for who, error in measured["errors"].items()]
    print(f"## CPU seconds, {measured['rows']:,} rows a side, 20 columns, everything included\n")
    print(markdown(["", "CPU s", "ours is faster", "aim"], lines))
    print(f"20 numeric columns compared again: {measured['compared again (ms)']:.1f} ms\n")


def show_alarms(shares: dict[str, dict[int, float]], trials: int) -> None:
    """Shares of reports with an alarm, by size and by who reported."""
    print(f"## Unchanged rows: share of {trials} reports with an alarm\n")
    lines: list[list[object]] = [
        [f"{size:,}", *(f"{100 * s[size]:.0f} %" if size in s else "–" for s in shares.values())]
        for size in PEER_SIZES
    ]
    print(markdown(["rows a side", *shares], lines))


def main() -> None:
    """Measure, and print Markdown."""
    options = arguments()
    rows = options.rows or (100_000 if options.quick else 1_000_000)
    results: dict[str, Any] = {"own": own_rates(options.quick)}
    print("\n## Faults found by the default policy, 10,000 rows a side\n")
    found = [[n, f"{100 * s:.1f} %", kind] for n, (s, kind) in results["own"]["power"].items()]
    print(markdown(["fault", "found", "told as"], found))
    peers = Peers(options.cache, () if options.no_peers else options.peers.split(","))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results["speed"] = speed(peers, rows, folder)
        show_speed(results["speed"])
        if len(peers.names) > 1:
            trials = 5 if options.quick else 50
            results["alarms"] = alarms(peers, trials, folder)
            show_alarms(results["alarms"], trials)
            results["faults"] = told = faults(peers, 2 if options.quick else 10, folder)
            print("## Faults found, 10,000 rows a side\n")
            lines = [[n, *(who[peer] for peer in peers.names)] for n, who in told.items()]
            print(markdown(["fault", *peers.names], lines))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
