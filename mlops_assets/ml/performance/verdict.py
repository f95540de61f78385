"""Is a served model as good as promised? From figures with intervals to lines and one status.

Noise must not page, and a bad model must not hide in it, so a bound has three outcomes: the whole
95 % interval beyond it is ``failing``, only the figure itself is ``warning``, neither ``healthy``.
Against the held-out figure the bound is its tolerance, and a warning also wants the model surely
worse than promised, for that figure is a sample, too.
What cannot be told (no labels, too few rows, a gap in capture, nothing to compare with) is
``unknown``, which is never healthy; but what fails on the rows that are there fails all the same.
An estimate never enters the status: it has lines of its own.

Belongs here: the rules, pure. Does not belong here: measuring (`intervals`, `calibration`,
`estimate`, `band`), who is told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot
from typing import Literal

from mlops_assets.ml.metrics import IN_LABELS_UNIT, LOWER_IS_BETTER
from mlops_assets.ml.performance.band import Band
from mlops_assets.ml.performance.estimate import ASSUMES
from mlops_assets.ml.performance.intervals import Measured

Status = Literal["healthy", "warning", "failing", "unknown"]

# What fails is told before what cannot be told, and that before what only warns.
_WORST: tuple[Status, ...] = ("failing", "unknown", "warning", "healthy")
ENOUGH_LABELLED = 0.5
"""While labels still arrive, the early ones are no fair sample: half must be there."""


@dataclass(frozen=True)
class Bound:
    """A bound on a metric; exactly one side is given."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        return f"≥ {self.at_least:.4g}" if self.at_least is not None else f"≤ {self.at_most:.4g}"


@dataclass(frozen=True)
class Line:
    """One line of a verdict, as a person reads it."""

    name: str
    figure: str
    bound: str
    status: Status


@dataclass(frozen=True)
class Counts:
    """How much of what should be there is.

    Args:
        captured: events with an answer.
        labelled: those whose label is known.
        expected: events of the partition that should have an answer; None where nobody knows.
        settled: whether no more labels are to be expected.
    """

    captured: int
    labelled: int
    expected: float | None
    settled: bool


def worst(lines: Iterable[Line]) -> Status:
    """The status of all lines together; of none it is unknown.

    >>> worst([Line("auc", ".7", "≥ .6", "healthy"), Line("labels", "0", "≥ 500", "unknown")])
    'unknown'
    """
    found = {line.status for line in lines}
    return next((status for status in _WORST if status in found), "unknown")


def coverage(counts: Counts, *, least_rows: int, capture_gap: float) -> tuple[Line, ...]:
    """Whether there are answers and labels enough to say anything.

    >>> [line.status for line in coverage(Counts(900, 880, 1000, True),
    ...                                   least_rows=500, capture_gap=0.05)]
    ['healthy', 'unknown']
    """
    share = counts.labelled / counts.captured if counts.captured else 0.0
    few = counts.labelled < least_rows
    early = not counts.settled and share < ENOUGH_LABELLED
    labels = Line(
        "labels",
        f"{counts.labelled:,} of {counts.captured:,} answers ({share:.1%})",
        f"≥ {least_rows:,}" + ("" if counts.settled else f", ≥ {ENOUGH_LABELLED:.0%} so far"),
        "unknown" if few or early else "healthy",
    )
    if counts.expected is None:
        capture = Line("capture", f"{counts.captured:,} events", "no count to compare", "unknown")
    elif counts.expected <= 0:
        capture = Line("capture", f"{counts.captured:,} events", "none expected", "unknown")
    else:
        gap = max(1 - counts.captured / counts.expected, 0.0)
        capture = Line(
            "capture",
            f"{gap:.1%} of {counts.expected:,.0f} events have no answer",
            f"≤ {capture_gap:.1%}",
            "unknown" if gap > capture_gap else "healthy",
        )
    return labels, capture


def blocks(count: int, length: dt.timedelta, least: int) -> Line:
    """Whether the labelled answers are of blocks enough to tell how much blocks differ.

    >>> blocks(1, dt.timedelta(days=1), 2).status
    'unknown'
    """
    hours = length / dt.timedelta(hours=1)
    return Line(
        "blocks",
        f"{count:,} blocks of {hours:g} h with labels",
        f"≥ {least}",
        "healthy" if count >= least else "unknown",
    )


def quality(
    metrics: Mapping[str, Measured],
    *,
    bounds: Sequence[Bound],
    held_out: Mapping[str, Measured],
    primary: str,
    tolerance: float,
    told: bool = True,
) -> tuple[Line, ...]:
    """Realised metrics against their bounds, and the primary one against the held-out figure.

    Args:
        told: whether there are labels enough; without, every line is unknown.
        tolerance: in the primary metric's own unit.
        held_out: the model's own figures on its held-out rows; where they have no interval,
            ``low`` and ``high`` are the value. Two independent samples: the interval of the
            difference is the root of the sum of squares of both halves.

    >>> now = {"auc": Measured(0.70, 0.68, 0.72)}
    >>> lines = quality(now, bounds=[Bound("auc", at_least=0.71)], primary="auc", tolerance=0.02,
    ...                 held_out={"auc": Measured(0.78, 0.78, 0.78)})
    >>> [(line.name, line.status) for line in lines]
    [('auc', 'warning'), ('auc against held-out', 'failing')]
    """
    known = metrics if told else {}
    lines = [against_bound(bound, known.get(bound.metric)) for bound in bounds]
    name = f"{primary} against held-out"
    now, promised = known.get(primary), held_out.get(primary)
    if promised is None:
        lines.append(Line(name, _shown(now), "no held-out figure", "unknown"))
    elif now is None:
        lines.append(Line(name, "not known", _allowed(primary, promised, tolerance), "unknown"))
    else:
        lines.append(_against_held_out(name, primary, now, promised, tolerance))
    return tuple(lines)


def against_bound(bound: Bound, now: Measured | None) -> Line:
    """A figure against its bound: failing only where the whole interval is beyond it."""
    if now is None:
        return Line(bound.metric, "not known", str(bound), "unknown")
    value, near = now.value, now.high if bound.at_least is not None else now.low
    status: Status = "healthy"
    if _beyond(bound, value) > 0:
        status = "failing" if _beyond(bound, near) > 0 else "warning"
    return Line(bound.metric, _shown(now), str(bound), status)


def only_warns(line: Line) -> Line:
    """The line, whose failure is no reason to page."""
    status: Status = "warning" if line.status == "failing" else line.status
    return replace(line, status=status)


def drifted(name: str, measured: Measured, usual: Band, *, only_above: bool = False) -> Line:
    """A figure against the band of the baseline partitions; a warning, for it does not say why."""
    outside = usual.beyond(measured.low, measured.high, only_above=only_above)
    bound = f"{usual.low:.4f} to {usual.high:.4f} ({usual.partitions} partitions)"
    if only_above:
        bound = f"≤ {usual.high:.4f} ({usual.partitions} partitions)"
    return Line(name, _shown(measured), bound, "warning" if outside else "healthy")


def moved(name: str, measured: Measured, promised: Measured, tolerance: float) -> Line:
    """A figure without a better direction, such as a calibration gap, against the held-out one."""
    away = abs(measured.value - promised.value)
    margin = hypot(measured.high - measured.low, promised.high - promised.low) / 2
    status: Status = "warning" if away - margin > tolerance else "healthy"
    bound = f"{promised.value:.4f} ± {tolerance:.4g}"
    return Line(name, _shown(measured), bound, status)


def estimated(
    figures: Mapping[str, float],
    *,
    bounds: Sequence[Bound],
    held_out: Mapping[str, Measured],
    primary: str,
    tolerance: float,
) -> tuple[Line, ...]:
    """What the estimate says, against the same bounds: lines that never enter the status."""
    lines = []
    for bound in bounds:
        if (value := figures.get(bound.metric)) is not None:
            broken = _beyond(bound, value) > 0
            lines.append(_estimate_line(bound.metric, value, str(bound), broken))
    value, promised = figures.get(primary), held_out.get(primary)
    if value is not None and promised is not None:
        worse = _worse(primary, value, promised.value) > tolerance
        shown = f"held out {_allowed(primary, promised, tolerance)}"
        lines.append(_estimate_line(f"{primary} against held-out", value, shown, worse))
    return tuple(lines)


def _estimate_line(name: str, value: float, bound: str, broken: bool) -> Line:
    return Line(
        f"estimate of {name}", f"{value:.4f}, {ASSUMES}", bound, "warning" if broken else "healthy"
    )


def _against_held_out(
    name: str, metric: str, now: Measured, promised: Measured, tolerance: float
) -> Line:
    worse = _worse(metric, now.value, promised.value)
    if metric in LOWER_IS_BETTER:
        margin = hypot(now.value - now.low, promised.high - promised.value)
    else:
        margin = hypot(now.high - now.value, promised.value - promised.low)
    status: Status = "healthy"
    # Worse by more than the tolerance may be luck on few rows: then it is not surely worse at all.
    if worse > max(tolerance, margin):
        status = "failing" if worse - margin > tolerance else "warning"
    return Line(name, _shown(now), _allowed(metric, promised, tolerance), status)


def _allowed(metric: str, promised: Measured, tolerance: float) -> str:
    words = f"{promised.value:.4f}, at most {tolerance:.4g} worse"
    if metric in IN_LABELS_UNIT and promised.value:
        words += f" ({tolerance / promised.value:.0%})"
    return words


def _beyond(bound: Bound, value: float) -> float:
    """How far a value is on the wrong side; at most 0 on the right one."""
    if bound.at_least is not None:
        return bound.at_least - value
    return value - (bound.at_most if bound.at_most is not None else float("inf"))


def _worse(metric: str, value: float, other: float) -> float:
    return value - other if metric in LOWER_IS_BETTER else other - value


def _shown(measured: Measured | None) -> str:
    if measured is None:
        return "not known"
    return f"{measured.value:.4f} [{measured.low:.4f}, {measured.high:.4f}]"
