"""Why a flagged column probably changed: broken data told from a changed world, in words.

Here: the likely cause of what `compare` flagged. Not here: whether anything changed (`effects`),
conversions of units (`units`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mlops_assets.ml.drift.effects import share_change
from mlops_assets.ml.drift.report import Finding, Measure
from mlops_assets.ml.drift.sides import Atom, Categories, Numbers
from mlops_assets.ml.drift.units import clock_shift, scale_break, unit_break

Measures = Mapping[str, Measure]

# Two shares count as the same one when they differ by less than this part, or by chance.
_SAME = 0.2
# By KS: hardly a value is where the values were.
_ELSEWHERE = 0.9
_GONE = 0.1
_COMMON = 20
_LARGE = 0.01
_MOST_RECODED = 20


def numeric(
    window: Numbers, baseline: Numbers, flagged: Measures, atom: Atom | None
) -> list[Finding]:
    """The findings of a numeric column.

    Args:
        flagged: the measures above their thresholds, by name; without any there is no finding.
        atom: where most of one value is, if the column has such a place.
    """
    name = window.name
    moved = next((flagged[m] for m in ("ks", "shift") if m in flagged), None)
    found = _filled(window, baseline, flagged)
    if moved is not None:
        unit = unit_break(window.knots, baseline.knots, window.present, baseline.present)
        if unit is None and abs(moved.effect) >= _ELSEWHERE:
            unit = scale_break(window.moments, baseline.moments)
        if unit is not None:
            by = f"× {unit.factor:.4g}" + (f" {unit.offset:+.4g}" if unit.offset else "")
            words = f"the shape is kept, every value is {by}: {unit.words}"
            return [_finding("unit", name, words, moved), *found]
        hours = clock_shift(window.knots, baseline.knots)
        if hours:
            words = f"the same day, moved by {hours:+d} hours around the clock: another time zone"
            return [_finding("unit", name, words, moved), *found]
    if not found and "missing" in flagged:
        found.append(_missing(name, window, baseline, flagged["missing"]))
    causes = {finding.kind for finding in found}
    if "strange" in flagged and "filled" not in causes:
        found.append(_outside(window, baseline, flagged["strange"]))
        causes.add(found[-1].kind)
    elsewhere = moved is not None and abs(moved.effect) >= _ELSEWHERE
    told = elsewhere or bool(causes & {"filled", "sentinel"})
    if "atom" in flagged and atom is not None and not told:
        found.append(_atom(window, baseline, flagged["atom"], atom))
        causes.add(found[-1].kind)
    if moved is not None and not causes & {"filled", "clipped"}:
        found.append(_moved(window, baseline, moved))
    return found


def categorical(window: Categories, baseline: Categories, flagged: Measures) -> list[Finding]:
    """The findings of a categorical column."""
    name, found = window.name, []
    recoded = _recoded(window, baseline) if flagged else {}
    if recoded:
        pairs = ", ".join(f"{old!r} is now {new!r}" for old, new in list(recoded.items())[:3])
        more = f" and {len(recoded) - 3} more" if len(recoded) > 3 else ""
        strongest = max(flagged.values(), key=lambda m: abs(m.effect))
        words = f"the same shares under other names: {pairs}{more}"
        found.append(_finding("recoded", name, words, strongest))
    new = [level for level in _new(window, baseline) if level not in recoded.values()]
    if "missing" in flagged:
        drop = -flagged["missing"].effect
        filler = [v for v in new if _alike(window.counts[v] / window.rows, drop, window.rows)]
        gone = window.missing / window.rows <= _GONE * baseline.missing / baseline.rows
        if drop > 0 and gone and filler:
            words = f"missing values ({drop:.1%} of the rows) are now {filler[0]!r}"
            found.append(_finding("filled", name, words, flagged["missing"]))
            new.remove(filler[0])
        else:
            found.append(_missing(name, window, baseline, flagged["missing"]))
    if "strange" in flagged and new:
        largest = max(new, key=lambda level: window.counts[level])
        words = f"{largest!r} ({window.counts[largest] / window.present:.1%} of the rows) is new"
        if len(new) > 1:
            words += f", and {len(new) - 1} more levels"
        found.append(_finding("category", name, words, flagged["strange"]))
    if "categories" in flagged and not recoded:
        found.append(_mix(window, baseline, flagged["categories"]))
    return found


def _moved(window: Numbers, baseline: Numbers, moved: Measure) -> Finding:
    before, now = baseline.profile, window.profile
    middle = len(baseline.knots) // 2
    words = f"moved: median {baseline.knots[middle]:.4g} → {window.knots[middle]:.4g}"
    if before.std > 0:
        words += f", mean {(now.mean - before.mean) / before.std:+.2f} σ"
    label = "KS" if moved.name == "ks" else "P(above) - ½"
    return _finding("drift", window.name, f"{words} ({label} {moved.effect:.3f})", moved)


def _missing(
    name: str, window: Numbers | Categories, baseline: Numbers | Categories, measure: Measure
) -> Finding:
    before, now = baseline.missing / baseline.rows, window.missing / window.rows
    return _finding("missing", name, f"missing in {now:.1%} of the rows, was {before:.1%}", measure)


def _outside(window: Numbers, baseline: Numbers, measure: Measure) -> Finding:
    where = f"the baseline's range, {baseline.minimum:.4g} to {baseline.maximum:.4g}"
    single = window.single_outside(baseline)
    if single is not None:
        words = f"{measure.effect:.1%} of the rows are {single:.6g}, outside {where}: a sentinel?"
        return _finding("sentinel", window.name, words, measure)
    if window.infinite and not baseline.infinite:
        words = f"{window.infinite / window.rows:.1%} of the rows are infinite; a division by zero?"
        return _finding("range", window.name, words, measure)
    ends = f"{window.minimum:.4g} to {window.maximum:.4g}"
    words = f"{measure.effect:.1%} of the rows are outside {where} (now {ends})"
    return _finding("range", window.name, words, measure)


def _atom(window: Numbers, baseline: Numbers, measure: Measure, atom: Atom) -> Finding:
    value, share = window.value_in(atom.low, atom.high), measure.effect
    for word, lost, kept in (
        ("above", _above(baseline, atom.high), _above(window, atom.high)),
        ("below", _below(baseline, atom.low), _below(window, atom.low)),
    ):
        if lost >= share * (1 - _SAME) and kept <= _GONE * lost:
            words = (
                f"nothing is {word} {value:.4g} any more, where {lost:.1%} of the baseline was, "
                f"and {share:.1%} are just there: clipped"
            )
            return _finding("clipped", window.name, words, measure)
    words = f"{share:.1%} of the rows are {value:.6g}, which was rare: a sentinel or a default?"
    return _finding("sentinel", window.name, words, measure)


def _below(side: Numbers, value: float) -> float:
    return side.profile.count_below(value) / side.present


def _above(side: Numbers, value: float) -> float:
    return 1 - _below(side, value)


def _filled(window: Numbers, baseline: Numbers, flagged: Measures) -> list[Finding]:
    """No missing values any more, and about as many more of one value."""
    drop = -flagged["missing"].effect if "missing" in flagged else 0.0
    if drop <= 0 or window.missing / window.rows > _GONE * baseline.missing / baseline.rows:
        return []
    gain = window.counts / window.rows - baseline.counts / baseline.rows
    place = int(gain.argmax())
    if not _alike(float(gain[place]), drop, min(window.rows, baseline.rows)):
        return []
    words = f"missing values ({drop:.1%} of the rows) are now {window.value_of(place):.4g}"
    return [_finding("filled", window.name, words, flagged["missing"])]


def _mix(window: Categories, baseline: Categories, measure: Measure) -> Finding:
    levels = window.counts.keys() | baseline.counts.keys()
    change = {
        level: window.counts.get(level, 0) / window.present
        - baseline.counts.get(level, 0) / baseline.present
        for level in levels
    }
    largest = sorted(change, key=lambda level: (-abs(change[level]), level))[:2]
    words = "the mix changed: " + ", ".join(f"{v!r} {100 * change[v]:+.1f} points" for v in largest)
    return _finding("drift", window.name, words, measure)


def _new(window: Categories, baseline: Categories) -> list[str]:
    return [level for level in window.counts if not baseline.counts.get(level)]


def _recoded(window: Categories, baseline: Categories) -> dict[str, str]:
    """{old level: its new name}, where one vanished and another came with the same share."""
    gone = {
        level: count / baseline.present
        for level, count in baseline.counts.items()
        if window.counts.get(level, 0) / window.present <= _GONE * count / baseline.present
    }
    new = {level: window.counts[level] / window.present for level in _new(window, baseline)}
    rows = min(window.present, baseline.present)
    pairs: dict[str, str] = {}
    for old in sorted(gone, key=lambda level: (-gone[level], level))[:_MOST_RECODED]:
        left = [level for level in new if level not in pairs.values()]
        alike = [level for level in left if _plain(level) == _plain(old)]
        # Among small shares some are always alike: routes that end, and others that begin.
        if not alike and gone[old] >= _LARGE and gone[old] * window.present >= _COMMON:
            alike = [level for level in left if _alike(new[level], gone[old], rows)]
        if alike:
            pairs[old] = min(alike, key=lambda level: (abs(new[level] - gone[old]), level))
    return pairs


def _plain(level: str) -> str:
    """A level's name without case, blanks, leading zeros and a trailing .0."""
    text = level.strip().casefold().replace(" ", "_").replace("-", "_")
    return text.removesuffix(".0").lstrip("0") or "0"


def _alike(one: float, other: float, rows: int) -> bool:
    """Whether two shares are the same, but for chance."""
    if abs(one - other) <= _SAME * other:
        return True
    _, p = share_change([one * rows], [rows], [other * rows], [rows])
    return other * rows >= _COMMON and float(p[0]) > 0.01


def constant(name: str, value: object, share: float) -> Finding:
    """A column that holds one value only."""
    words = f"every row is {value}, which {_part(share)} of the baseline's were"
    return Finding("constant", name, words)


def all_null(name: str, share: float) -> Finding:
    """A column of which nothing arrived."""
    words = f"every row is missing, which {_part(share)} of the baseline's were: a lost join?"
    return Finding("all_null", name, words)


def _part(share: float) -> str:
    return f"{share:.1%}" if share else "none"


def _finding(kind: str, column: str, words: str, measure: Measure) -> Finding:
    return Finding(
        kind,  # type: ignore[arg-type]
        column,
        words,
        float(np.round(measure.effect, 6)),
        measure.threshold,
        measure.p_value,
    )
