"""How long the code location takes to load, against the floor of what it cannot do without.

Floor: ``import dagster, pandas, pandera.pandas`` in a fresh process. Both are run in turn, and the
ratio is of CPU seconds, pair by pair: wall times of a shared machine say little.

    python benchmarks/load.py --runs 7
"""

import argparse
import resource
import statistics
import subprocess
import sys

FLOOR = "import dagster, pandas, pandera.pandas"
OURS = "from mlops_assets.definitions import defs; defs()"


def cpu_seconds(code: str) -> float:
    """User and system seconds of a fresh interpreter that runs ``code``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    for code in (FLOOR, OURS):  # bytecode and page cache
        cpu_seconds(code)
    pairs = [(cpu_seconds(OURS), cpu_seconds(FLOOR)) for _ in range(runs)]
    ours, floor = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = sorted(a / b for a, b in pairs)
    print(f"code location      {ours:5.2f} CPU s")
    print(f"floor              {floor:5.2f} CPU s   ({FLOOR})")
    print(
        f"ratio              {statistics.median(ratios):5.2f}   "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


if __name__ == "__main__":
    main()
