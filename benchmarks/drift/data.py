"""Twenty columns as they come, and the faults that a monitor has to find in them.

Belongs here: drawing rows and breaking them. Does not: any comparison.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

NUMERIC = (
    "normal", "lognormal", "exponential", "uniform", "two_humps", "heavy_tail", "zero_inflated",
    "poisson", "small_integers", "rounded", "hour", "mostly_missing", "large", "amount",
)  # fmt: skip
CATEGORICAL = ("flag", "five", "twelve", "airport", "skewed", "mostly_one")
_LEVELS = {"flag": 2, "five": 5, "twelve": 12, "airport": 105, "skewed": 20}


def frame(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Independent rows of the 20 columns: 14 numeric, 6 categorical (one of 105 levels)."""
    normal = rng.normal(size=rows)
    made: dict[str, object] = {
        "normal": normal,
        "lognormal": rng.lognormal(size=rows),
        "exponential": rng.exponential(20, rows),
        "uniform": rng.random(rows),
        "two_humps": rng.normal(size=rows) + 6 * (rng.random(rows) < 0.4),
        "heavy_tail": rng.standard_t(2, rows),
        "zero_inflated": rng.exponential(5, rows) * (rng.random(rows) < 0.3),
        "poisson": rng.poisson(40, rows).astype(float),
        "small_integers": rng.integers(0, 12, rows).astype(float),
        "rounded": np.round(rng.gamma(3, 10, rows), 1),
        "hour": rng.choice(24, rows, p=_day()).astype(float),
        "mostly_missing": _missing(rng, rng.normal(50, 5, rows), 0.8),
        "large": 1e9 + rng.normal(0, 1e6, rows),
        "amount": _missing(rng, rng.gamma(2, 100, rows), 0.05),
    }
    for name, levels in _LEVELS.items():
        made[name] = _categories(rng, rows, levels)
    made["mostly_one"] = np.where(rng.random(rows) < 0.98, "usual", "rare")
    columns = pd.DataFrame(made)
    for name in CATEGORICAL:
        columns[name] = columns[name].astype("str")
    return columns


def _day() -> np.ndarray:
    weights = np.array([1, 1, 1, 1, 1, 20, 40, 40, 50, 40, 35, 35, 35, 40, 45, 50, 50, 50, 45, 45,
                        40, 25, 10, 3], dtype=float)  # fmt: skip
    return weights / weights.sum()


def _missing(rng: np.random.Generator, values: np.ndarray, share: float) -> np.ndarray:
    return np.where(rng.random(len(values)) < share, np.nan, values)


def _categories(rng: np.random.Generator, rows: int, levels: int) -> np.ndarray:
    weights = 1 / np.arange(1, levels + 1)  # Zipf's law, as airports and products have it
    names = np.array([f"level {i:03}" for i in range(levels)], dtype=object)
    return names[rng.choice(levels, rows, p=weights / weights.sum())]


Fault = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def _shift(column: str, sigmas: float) -> Fault:
    return lambda rows, rng: rows.assign(**{column: rows[column] + sigmas * rows[column].std()})


def _put(column: str, share: float, value: object) -> Fault:
    def fault(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return rows.assign(**{column: rows[column].mask(rng.random(len(rows)) < share, value)})

    return fault


def _mix(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Ten points of all rows go from other levels to the second one."""
    others = rows["five"] != "level 001"
    moved = others & (rng.random(len(rows)) < 0.1 / others.mean())
    return rows.assign(five=rows["five"].mask(moved, "level 001"))


def _later(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(hour=(rows["hour"] + 5) % 24)


def _clip(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(lognormal=rows["lognormal"].clip(upper=rows["lognormal"].quantile(0.95)))


FAULTS: dict[str, tuple[str, Fault]] = {
    "mean + .1 σ": ("normal", _shift("normal", 0.1)),
    "mean + .25 σ": ("normal", _shift("normal", 0.25)),
    "mean + .25 σ, two humps": ("two_humps", _shift("two_humps", 0.25)),
    "mean + .25 σ, rounded": ("rounded", _shift("rounded", 0.25)),
    "mean + .25 σ, 20 % there": ("mostly_missing", _shift("mostly_missing", 0.25)),
    "unit × 1.6": ("rounded", lambda rows, rng: rows.assign(rounded=rows["rounded"] * 1.6)),
    "mix + 10 points": ("five", _mix),
    "missing + 5 %": ("amount", _put("amount", 0.05 / 0.95, np.nan)),
    "half of it missing": ("normal", _put("normal", 0.5, np.nan)),
    "all of it missing": ("normal", lambda rows, rng: rows.assign(normal=np.nan)),
    "new category 1 %": ("twelve", _put("twelve", 0.01, "level 999")),
    "sentinel 1 %": ("uniform", _put("uniform", 0.01, -999.0)),
    "sentinel 1 %, inside": ("large", _put("large", 0.01, 1e9)),
    "nulls are 0": ("amount", lambda rows, rng: rows.assign(amount=rows["amount"].fillna(0.0))),
    "clipped at p95": ("lognormal", _clip),
    "time zone + 5 h": ("hour", _later),
    "constant": ("exponential", lambda rows, rng: rows.assign(exponential=20.0)),
    "recoded level": (
        "five",
        lambda rows, rng: rows.assign(five=rows["five"].replace("level 002", "LVL2")),
    ),
}
"""{fault: (the column it is in, how it is made)}."""
