"""The default policy's error rates: alarms on unchanged rows, and faults found.

Belongs here: repeated draws, compared by profiles. Does not: other libraries (peers.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.drift.data import FAULTS, frame
from mlops_assets.ml.drift.compare import compare
from mlops_assets.ml.drift.policy import Drift
from mlops_assets.ml.drift.report import Report
from mlops_assets.ml.profiles.profile import fit_grids, profile

SIZES = (1_000, 2_000, 10_000, 100_000)


def report(window: pd.DataFrame, baseline: pd.DataFrame, policy: Drift | None = None) -> Report:
    """Two frames compared as in production: grids from the baseline, profiles, comparison."""
    grids = fit_grids(baseline)
    return compare(profile(window, grids), profile(baseline, grids), policy)


def unchanged(rows: int, baseline_rows: int, reports: int, seed: int) -> Iterator[Report]:
    """Reports on draws of one distribution; each one's rows are new."""
    for trial in range(reports):
        rng = np.random.default_rng([seed, rows, baseline_rows, trial])
        yield report(frame(rng, rows), frame(rng, baseline_rows))


def false_alarms(rows: int, baseline_rows: int, reports: int, seed: int = 1) -> tuple[int, Counter]:
    """(reports with any finding, findings by column and kind)."""
    alarms, what = 0, Counter()
    for found in unchanged(rows, baseline_rows, reports, seed):
        alarms += bool(found.findings)
        what.update((finding.column, finding.kind) for finding in found.findings)
    return alarms, what


def power(rows: int, trials: int, seed: int = 2) -> dict[str, tuple[float, str]]:
    """{fault: (share of trials that flag its column, the kind most often told)}."""
    found: dict[str, list[str]] = {name: [] for name in FAULTS}
    for trial in range(trials):
        rng = np.random.default_rng([seed, rows, trial])
        baseline, window = frame(rng, rows), frame(rng, rows)
        grids = fit_grids(baseline)
        there = profile(baseline, grids)
        for name, (column, fault) in FAULTS.items():
            # Only the broken column is profiled again; all count for alpha.
            broken = profile(fault(window, rng)[[column]], grids)
            result = compare(broken, there.select([column]), _for_all(len(grids)))
            found[name] += [f.kind for f in result.findings[:1]]
    return {
        name: (len(kinds) / trials, Counter(kinds).most_common(1)[0][0] if kinds else "")
        for name, kinds in found.items()
    }


def _for_all(columns: int) -> Drift:
    """The default policy for one of so many columns."""
    return Drift(alpha=Drift().alpha / columns)
