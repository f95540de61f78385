"""Values that are the old ones in another unit, or on another clock: told by their shape.

Here: which known conversion maps the baseline's quantiles onto the window's. Not here: whether the
column changed at all (`effects`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# What one unit is in another. Factors near 1 are left out: growth of that size is an everyday one.
_FACTORS: tuple[tuple[float, str, str], ...] = (
    (1.609344, "miles", "kilometres"),
    (1.852, "knots or nautical miles", "km/h or kilometres"),
    (2.54, "inches", "centimetres"),
    (25.4, "inches", "millimetres"),
    (3.28084, "metres", "feet"),
    (2.204623, "kilograms", "pounds"),
    (3.785412, "gallons", "litres"),
    (2.236936, "m/s", "miles per hour"),
    (3.6, "m/s", "km/h"),
    (33.8639, "inches of mercury", "hectopascal"),
    (57.29578, "radians", "degrees"),
    (24.0, "days", "hours"),
    (60.0, "hours or minutes", "minutes or seconds"),
    (1440.0, "days", "minutes"),
    (3600.0, "hours", "seconds"),
    (86400.0, "days", "seconds"),
    (100.0, "shares or units", "percent or cents"),
    (10.0, "units", "tenths"),
    (1e3, "thousands (or kilo)", "single units"),
    (1e6, "millions", "single units"),
    (1e9, "billions or seconds", "single units or nanoseconds"),
)
_OFFSETS: tuple[tuple[float, float, str], ...] = (
    (1.8, 32.0, "degrees Celsius are now Fahrenheit"),
    (1 / 1.8, -32 / 1.8, "degrees Fahrenheit are now Celsius"),
    (1.0, 273.15, "degrees Celsius are now Kelvin"),
    (1.0, -273.15, "degrees Kelvin are now Celsius"),
    (-1.0, 0.0, "the sign is the other one"),
)
# A change of unit moves nearly everything, and undone it leaves nearly nothing.
_LEAST_BEFORE, _MOST_AFTER, _MOST_LEFT = 0.2, 0.06, 0.25
_NEAR, _FARTHEST = 0.01, 0.1
_INNER = slice(5, -5)
_HOURS, _LEAST_AROUND = 24, 0.02


@dataclass(frozen=True)
class UnitBreak:
    """``window = factor · baseline + offset``, and what that is called."""

    factor: float
    offset: float
    words: str


@dataclass(frozen=True)
class Moments:
    """Mean, standard deviation and number of a column's values."""

    mean: float
    deviation: float
    rows: int


def unit_break(window: Floats, baseline: Floats, n: int, m: int) -> UnitBreak | None:
    """The conversion that maps the baseline's quantiles onto the window's; None if none does.

    Args:
        window, baseline: quantiles at the same evenly spaced probabilities, ascending.
        n, m: the rows behind them.

    >>> heights = np.random.default_rng(0).normal(170, 10, 5000)
    >>> ticks = np.linspace(0, 1, 256)
    >>> now, then = np.quantile(heights / 2.54, ticks), np.quantile(heights, ticks)
    >>> unit_break(now, then, 5000, 5000).words
    'centimetres are now inches'
    """
    before = quantile_distance(window, baseline)
    noise = 1.36 * np.sqrt(1 / n + 1 / m)  # KS at p = .05
    most = min(max(_MOST_AFTER, noise), _MOST_LEFT * before)
    if before < _LEAST_BEFORE:
        return None
    for factor, offset, words in _OFFSETS:
        turned = np.sort(baseline * factor + offset)
        if quantile_distance(window, turned) <= most:
            return UnitBreak(factor, offset, words)
    inner_window, inner = window[_INNER], baseline[_INNER]
    square = float(inner @ inner)
    if square == 0 or (ratio := float(inner_window @ inner) / square) <= 0:
        return None
    # How well the ratio is known: the relative error of a mean about the origin.
    error = np.std(inner) / np.sqrt(square / len(inner)) * np.sqrt(1 / n + 1 / m)
    near = max(_NEAR, 3 * float(error))
    if near > _FARTHEST or quantile_distance(window, baseline * ratio) > most:
        return None
    return _known(ratio, near)


def scale_break(window: Moments, baseline: Moments) -> UnitBreak | None:
    """As `unit_break`, by mean and standard deviation: where the window is so far off the
    baseline's scale that its quantiles are known too coarsely. Both must tell the same factor.

    >>> scale_break(Moments(0.17, 0.01, 5000), Moments(170, 10, 5000)).words
    'single units are now thousands (or kilo)'
    """
    if not (baseline.mean and baseline.deviation and window.deviation):
        return None
    ratio = window.mean / baseline.mean
    if ratio <= 0:
        return None
    chance = np.sqrt(1 / window.rows + 1 / baseline.rows)
    near = max(_NEAR, 3 * abs(baseline.deviation / baseline.mean) * float(chance))
    spread = window.deviation / baseline.deviation / ratio
    if near > _FARTHEST or abs(spread - 1) > max(_FARTHEST, 3 * float(chance)):
        return None
    return _known(ratio, near)


def _known(ratio: float, near: float) -> UnitBreak | None:
    for factor, small, large in _FACTORS:
        for known, words in (
            (factor, f"{small} are now {large}"),
            (1 / factor, f"{large} are now {small}"),
        ):
            if abs(ratio / known - 1) <= near:
                return UnitBreak(ratio, 0.0, words)
    return None


def clock_shift(window: Floats, baseline: Floats) -> int | None:
    """By how many hours a time of day was moved around the clock; None where it was not.

    Both are quantiles of whole hours of the day (0 to 23), or of minutes of the day (0 to 1,439).
    Some of them must have come around midnight: any other column that merely grew by so much is no
    clock.
    """
    if min(window[0], baseline[0]) < 0 or (np.concatenate([window, baseline]) % 1).any():
        return None
    highest = max(window[-1], baseline[-1])
    per_hour = 1.0 if highest <= _HOURS else 60.0
    if highest > _HOURS * per_hour or baseline[-1] - baseline[0] < 12 * per_hour:
        return None
    hours = [
        np.bincount((values // per_hour).astype(int) % _HOURS, minlength=_HOURS) / len(values)
        for values in (window, baseline)
    ]
    distances = [0.5 * np.abs(hours[0] - np.roll(hours[1], step)).sum() for step in range(_HOURS)]
    step = int(np.argmin(distances))
    if distances[0] < _LEAST_BEFORE / 2 or distances[step] > _MOST_LEFT * distances[0]:
        return None
    hour = step if step <= _HOURS // 2 else step - _HOURS
    around = hours[1][-hour:] if hour > 0 else hours[1][:-hour]
    return hour if around.sum() >= _LEAST_AROUND else None


def quantile_distance(one: Floats, other: Floats) -> float:
    """KS of two samples given by quantiles at the same probabilities; exact to one quantile.

    >>> quantile_distance(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]))
    0.0
    """
    both = np.concatenate([one, other])
    return max(
        float(np.abs(np.searchsorted(one, both, side) - np.searchsorted(other, both, side)).max())
        / len(one)
        for side in ("left", "right")
    )
