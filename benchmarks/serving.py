"""The inference server beside other ways to serve the same model, in one run.

    PYTHONPATH=. python benchmarks/serving.py [--quick] [--peers ours,core_fastapi] [--list]
        [--json results.json] [--plot docs/images/serving.png]

One real model (the flights', trained once), distinct rows in rotation, every answer compared with
XGBoost's own to 1e-5. Each server runs on one core and the load generator on another; servers take
turns for several rounds, and medians are shown. Peers are installed on demand, each in an
environment of its own (benchmarks/serving/peers/*.txt); a peer that cannot be is named with the
reason. Needs Linux, two cores at rest, Python 3.11 for the pinned peers, and Java 11 or newer for
multi-model-server. A full run takes some 15 minutes after installation.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.serving import plot
from benchmarks.serving.answers import WrongAnswer
from benchmarks.serving.case import Case, prepare
from benchmarks.serving.catalog import PEERS, Peer
from benchmarks.serving.environments import Environments, NotInstalled
from benchmarks.serving.floor import equality, floor
from benchmarks.serving.measure import Plan, measure
from benchmarks.serving.process import ServerFailed
from benchmarks.serving.report import Results, markdown, median

FAILURES = (WrongAnswer, ServerFailed, NotInstalled, OSError, subprocess.SubprocessError)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", help="names, separated by commas; default: all")
    parser.add_argument("--list", action="store_true", help="print the peers' names and end")
    parser.add_argument("--quick", action="store_true", help="one round, .4 s each: a trial")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=15, help="begin no round that ends later")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--rows", type=int, default=4_000, help="distinct single rows")
    parser.add_argument("--rates", default="20,500,5000", help="open loop, requests/s")
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--columns", type=int, help="only so many, the most important; default all")
    parser.add_argument("--cache", type=Path, default=Path(".mlops/benchmarks/serving"))
    parser.add_argument("--json", type=Path, help="write all figures of all rounds")
    parser.add_argument("--plot", type=Path, help="write the plot (PNG)")
    return parser.parse_args()


def run(options: argparse.Namespace, peers: list[Peer]) -> tuple[Results, dict[str, list]]:
    """Prepare, measure in rounds, reduce to medians; and every round's figures."""
    every = sorted(os.sched_getaffinity(0))
    if len(every) < 2:
        raise SystemExit("one core: server and load generator would measure each other")
    case = prepare(options.cache, options.trees, options.columns)
    environments = Environments(options.cache, case.artifact)
    absent: dict[str, str] = {}
    for peer in peers:
        try:
            environments.prepare(peer)
        except FAILURES as error:
            absent[peer.name] = f"{type(error).__name__}: {error}"
            print(f"{peer.name}: {absent[peer.name]}", flush=True)
    os.sched_setaffinity(0, every[-1:])
    rates = [int(rate) for rate in options.rates.split(",") if rate]
    plan = Plan(options.seconds, options.rows, 8, rates, frozenset(every[:1]))
    rounds: dict[str, list] = {peer.name: [] for peer in peers}
    floors = [floor(case, options.seconds, options.rows)]
    begun, done = time.monotonic(), 0
    while done < options.rounds:
        for peer in peers:
            if peer.name in absent:
                continue
            began = time.perf_counter()
            try:
                figures = measure(peer, case, environments, plan, options.cache / "logs")
            except FAILURES as error:
                absent[peer.name] = f"{type(error).__name__}: {error}"
                print(f"{peer.name}: {absent[peer.name]}", flush=True)
                continue
            rounds[peer.name].append(figures)
            print(
                f"round {done + 1} {peer.name:<20} {figures['sixteen_rate']:>9,.0f}/s"
                f" {figures['one_p50_s'] * 1e3:8.3f} ms"
                f" {figures['batch_csv_rows']:>9,.0f} rows/s"
                f"   ({time.perf_counter() - began:.0f} s)",
                flush=True,
            )
        floors.append(floor(case, options.seconds / 3, options.rows))
        done += 1
        if (time.monotonic() - begun) / done * (done + 1) > options.minutes * 60:
            break
    medians = {name: median(found) for name, found in rounds.items() if name not in absent}
    busiest = max((f["sixteen_generator"] for f in medians.values()), default=0.0)
    about = _about(options, case, done) | {
        "load generator": f"at most {busiest:.0%} of its core used"
    }
    same = {} if options.quick else equality(case)
    return Results(peers, medians, absent, median(floors), same, about), rounds | {"floor": floors}


def _about(options: argparse.Namespace, case: Case, rounds: int) -> dict[str, str]:
    return {
        "model": f"flight_delays, {options.trees} trees, {len(case.names)} columns, encoded to"
        f" {case.encoded.shape[1]}; {options.rows:,} distinct rows",
        "rounds": f"{rounds} of {options.seconds} s a measurement, medians",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.2f}"
        f" after 1 min; Python {platform.python_version()}",
    }


def main() -> int:
    options = arguments()
    if options.quick:
        options.rounds, options.seconds, options.rows = 1, 0.4, 500
    names = [peer.name for peer in PEERS]
    if options.list:
        print("\n".join(f"{peer.name:<20} {peer.title}" for peer in PEERS))
        return 0
    wanted = options.peers.split(",") if options.peers else names
    if unknown := set(wanted) - set(names):
        raise SystemExit(f"--peers {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    peers = [peer for peer in PEERS if peer.name in wanted]
    # Ended from outside, it still stops the server that it has started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    results, rounds = run(options, peers)
    print("\n" + markdown(results))
    if options.json:
        content = dataclasses.asdict(dataclasses.replace(results, peers=[])) | {"rounds": rounds}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    if options.plot:
        plot.save(results, options.plot)
    return int(bool(results.absent))


if __name__ == "__main__":
    sys.exit(main())
