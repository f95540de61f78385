"""Comparing two windows by their profiles: pure, of the whole report and of each column.

Here: which columns can be compared, and what the findings are. Not here: the statistics
(`effects`), the causes (`diagnosis`), what the baseline varies by itself (`band`).
"""

from __future__ import annotations

import math
from collections.abc import Collection

from mlops_assets.ml.drift import diagnosis
from mlops_assets.ml.drift.measures import Band, Column, Pair, measure
from mlops_assets.ml.drift.policy import Drift
from mlops_assets.ml.drift.report import Finding, Report
from mlops_assets.ml.drift.sides import Categories, Numbers, paired
from mlops_assets.ml.profiles.profile import MixedProfile, Profile


def compare(
    window: Profile,
    baseline: Profile,
    policy: Drift | None = None,
    *,
    band: Band | None = None,
    columns: Collection[str] | None = None,
) -> Report:
    """What changed from the baseline to the window, by `policy`; never raises for a column.

    Args:
        band: of `band.band`: thresholds by column and measure, where the baseline's own variation
            is above the floors.
        columns: only these; by default all of either side but ``policy.ignored``.
    """
    policy = policy or Drift()
    if min(window.rows, baseline.rows) < policy.least_rows:
        words = (
            f"insufficient data: {window.rows:,} rows against {baseline.rows:,}, "
            f"and nothing is told from fewer than {policy.least_rows:,}"
        )
        finding = Finding("insufficient", None, words)
        return Report(window.rows, baseline.rows, "unknown", (finding,))
    wanted = [
        name
        for name in dict.fromkeys([*baseline.columns, *window.columns])
        if name not in policy.ignored and (columns is None or name in columns)
    ]
    alpha = policy.alpha / (4 * max(len(wanted), 1))
    pairs: list[Pair] = []
    findings: dict[str, list[Finding]] = {}
    whole: dict[str, float] = {}
    for name in wanted:
        here, there = paired(name, window, baseline)
        odd = _mixed(name, window, baseline) or _incomparable(name, here, there, policy, alpha)
        if odd is not None:
            findings[name], whole[name] = [odd], odd.effect or 0.0
        if here is not None and there is not None and type(here) is type(there):
            pairs.append((here, there))
    measured, atoms = measure(pairs, policy, band)
    for here, there in pairs:
        if here.name in findings:
            continue
        flagged = {name: m for name, m in measured[here.name].items() if m.flagged}
        if isinstance(here, Numbers) and isinstance(there, Numbers):
            found = diagnosis.numeric(here, there, flagged, atoms.get(here.name))
        elif isinstance(here, Categories) and isinstance(there, Categories):
            found = diagnosis.categorical(here, there, flagged)
        if found:
            findings[here.name] = found
    effects = {
        name: max(
            (abs(m.effect) for m in measured.get(name, {}).values()), default=whole.get(name, 0.0)
        )
        for name in wanted
    }
    return Report(
        rows=window.rows,
        baseline_rows=baseline.rows,
        status="changed" if findings else "unchanged",
        findings=tuple(f for name in wanted for f in findings.get(name, ())),
        effects=effects | whole,
        measures=tuple(m for name in measured for m in measured[name].values()),
    )


def _mixed(name: str, window: Profile, baseline: Profile) -> Finding | None:
    sides = {"window": window.columns.get(name), "baseline": baseline.columns.get(name)}
    mixed = [side for side, column in sides.items() if isinstance(column, MixedProfile)]
    if not mixed:
        return None
    words = f"the type is mixed: the {mixed[0]} holds numbers in some partitions and text in others"
    return Finding("schema", name, words, effect=1.0)


def _incomparable(
    name: str, here: Column | None, there: Column | None, policy: Drift, alpha: float
) -> Finding | None:
    """What makes a column a finding before anything is measured; None: nothing."""
    if here is None:
        return Finding("schema", name, "the column is gone", effect=1.0)
    if there is None:
        return Finding("schema", name, "the column is new: the baseline has none", effect=0.0)
    if not there.present:
        words = "cannot be compared: the baseline has no value"
        # Nothing before and nothing now is no change.
        return Finding("incomparable", name, words, effect=0.0) if here.present else None
    missing = there.missing / there.rows
    if not here.present:
        # A column that is nearly always missing may be missing throughout by chance.
        likely = missing > 0 and here.rows * -math.log(missing) < math.log(1 / alpha)
        return None if likely else diagnosis.all_null(name, missing)
    if type(here) is not type(there):
        kinds = ["numbers" if isinstance(side, Numbers) else "text" for side in (there, here)]
        words = f"the type changed: {kinds[0]} are now {kinds[1]}"
        return Finding("schema", name, words, effect=1.0)
    return _constant(here, there, policy, alpha)


def _constant(here: Column, there: Column, policy: Drift, alpha: float) -> Finding | None:
    if here.present < policy.least_rows:
        return None
    if isinstance(here, Numbers) and isinstance(there, Numbers):
        if here.minimum != here.maximum or there.minimum == there.maximum:
            return None
        value: object = f"{here.minimum:.6g}"
        share = float(there.counts[here.counts.argmax()]) / max(there.present, 1)
    elif isinstance(here, Categories) and isinstance(there, Categories):
        if len(here.counts) != 1 or here.other or len(there.counts) + bool(there.other) == 1:
            return None
        level = next(iter(here.counts))
        value, share = repr(level), there.counts.get(level, 0) / there.present
    if share > 0 and here.present * -math.log(share) < math.log(1 / alpha):
        return None
    return diagnosis.constant(here.name, value, share)
