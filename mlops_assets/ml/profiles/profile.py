"""A frame in figures: what each column holds, to be added, taken away and compared.

Here: profiles of whole frames, their grids, merging and subtracting. Not here: single columns
(`numeric`, `categorical`), distances (`distances`), storing (`codec`).

Merging in any order and any chunking equals profiling the whole, bit for bit; taking a part away
gives back the rest (what cannot be: `NumericProfile.extremes`, `CategoricalProfile.reach`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, TypeVar

import pandas as pd

from mlops_assets.ml.profiles import columns as values
from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.grid import Grid, Vocabulary
from mlops_assets.ml.profiles.numeric import NumericProfile, ProfileMismatch

AnyGrid = Grid | Vocabulary
Grids = Mapping[str, AnyGrid]
MIXED = "mixed"
"""The fingerprint of rows that came with different columns or types."""

_P = TypeVar("_P", NumericProfile, CategoricalProfile)


@dataclass(frozen=True)
class MixedProfile:
    """A column that held numbers in some rows and categories in others: nothing to compare."""

    numeric: NumericProfile
    categorical: CategoricalProfile

    kind: ClassVar[str] = "mixed"

    @property
    def rows(self) -> int:
        return self.numeric.rows + self.categorical.rows

    @property
    def missing(self) -> int:
        return self.numeric.missing + self.categorical.missing

    @property
    def present(self) -> int:
        return self.numeric.present + self.categorical.present


ColumnProfile = NumericProfile | CategoricalProfile | MixedProfile


@dataclass(frozen=True)
class Profile:
    """What the columns of ``rows`` rows look like.

    Args:
        fingerprint: of column names and types; ``mixed`` where merged rows differed in them.
        numeric, categorical: by column. A column is in both only if its type changed.
    """

    rows: int
    fingerprint: str
    numeric: Mapping[str, NumericProfile]
    categorical: Mapping[str, CategoricalProfile]

    @cached_property
    def columns(self) -> dict[str, ColumnProfile]:
        """Each column as what it is. One without a single value in some rows is what it is in the
        others."""
        names = dict.fromkeys([*self.numeric, *self.categorical])
        return {name: self._column(name) for name in names}

    def _column(self, name: str) -> ColumnProfile:
        if name not in self.categorical:
            return self.numeric[name]
        if name not in self.numeric:
            return self.categorical[name]
        number, category = self.numeric[name], self.categorical[name]
        if number.present and category.present:
            return MixedProfile(number, category)
        rows, missing = number.rows + category.rows, number.missing + category.missing
        if category.present:
            return replace(category, rows=rows, missing=missing)
        return replace(number, rows=rows, missing=missing)

    @property
    def grids(self) -> dict[str, Grid]:
        """The grids of the numeric columns."""
        return {name: column.grid for name, column in self.numeric.items()}

    def select(self, names: Collection[str]) -> Profile:
        """Only some columns."""
        return replace(
            self,
            numeric={n: c for n, c in self.numeric.items() if n in names},
            categorical={n: c for n, c in self.categorical.items() if n in names},
        )

    def __sub__(self, part: Profile) -> Profile:
        """What is left of a merged profile without one of its parts.

        Raises:
            ProfileMismatch: the part is none.
        """
        for own, other in (self.numeric, part.numeric), (self.categorical, part.categorical):
            if extra := other.keys() - own.keys():
                raise ProfileMismatch(f"no part of it: it has no {', '.join(sorted(extra))}")
        rows = self.rows - part.rows
        return replace(
            self,
            rows=rows,
            numeric=_left(self.numeric, part.numeric, rows),
            categorical=_left(self.categorical, part.categorical, rows),
        )


def profile(frame: pd.DataFrame, grids: Grids, *, hide: Collection[str] = ()) -> Profile:
    """The profile of a frame's columns. The index is not looked at.

    Args:
        grids: of `fit_grids`, those of the profiles that it shall be added to. A column without
            one, or that has changed its type, gets one of its own.
        hide: columns whose categories are told by digests only. Who knows a value can recognise
            its digest: a profile of personal columns stays where the data may be.

    Raises:
        ValueError: two columns have one name.

    >>> frame = pd.DataFrame({"delay": [3, 5, None], "depot": ["north", "south", "north"]})
    >>> found = profile(frame, fit_grids(frame))
    >>> found.columns["delay"].mean, found.columns["depot"].counts["north"]
    (4.0, 2)
    """
    numeric: dict[str, NumericProfile] = {}
    categorical: dict[str, CategoricalProfile] = {}
    for name, series in _columns(frame):
        grid = grids.get(name)
        if values.is_number(series.dtype):
            bins = grid if isinstance(grid, Grid) else _fit(series) or Grid.without_values()
            numeric[name] = NumericProfile.of(
                values.numbers(series), bins, rows=len(series), absent=values.absent(series)
            )
        else:
            counts, missing = _categories(series, name in hide)
            words = grid if isinstance(grid, Vocabulary) else Vocabulary.fit(counts)
            categorical[name] = CategoricalProfile.of(counts, words, missing=missing)
    return Profile(len(frame), fingerprint(frame), numeric, categorical)


def fit_grids(frame: pd.DataFrame, *, hide: Collection[str] = ()) -> dict[str, AnyGrid]:
    """A grid for each column of a frame that has a value: bins of numbers, names of categories.

    >>> list(fit_grids(pd.DataFrame({"delay": [3, 5], "empty": [None, None]})))
    ['delay']
    """
    grids: dict[str, AnyGrid] = {}
    for name, series in _columns(frame):
        grid: AnyGrid | None = None
        if values.is_number(series.dtype):
            grid = _fit(series)
        else:
            found = _categories(values.sample(series), name in hide)[0]
            # Rows beyond the sample may be all that have a value.
            grid = Vocabulary.fit(found) if found or series.notna().any() else None
        if grid is not None:
            grids[name] = grid
    return grids


def merge(profiles: Iterable[Profile]) -> Profile:
    """The profile of all rows together; the same in any order, bit for bit.

    Raises:
        ProfileMismatch: a column was counted on different grids; the message names it.
        ValueError: there is none.
    """
    parts = list(profiles)
    if not parts:
        raise ValueError("no profiles to merge: give at least one")
    prints = {part.fingerprint for part in parts}
    return Profile(
        rows=sum(part.rows for part in parts),
        fingerprint=prints.pop() if len(prints) == 1 else MIXED,
        numeric=_each([part.numeric for part in parts], NumericProfile.merge),
        categorical=_each([part.categorical for part in parts], CategoricalProfile.merge),
    )


def regrid(found: Profile, grids: Grids) -> Profile:
    """The same rows on other grids, so that they add up with profiles on these.

    Numbers are right to a bin's width of the old grid; counts, missing values and extremes stay.
    """
    numeric = dict(found.numeric)
    categorical = dict(found.categorical)
    for name, grid in grids.items():
        if isinstance(grid, Grid) and name in numeric:
            numeric[name] = numeric[name].regrid(grid)
        elif isinstance(grid, Vocabulary) and name in categorical:
            categorical[name] = categorical[name].regrid(grid)
    return replace(found, numeric=numeric, categorical=categorical)


def fingerprint(frame: pd.DataFrame) -> str:
    """A digest of column names and types, in any order of the columns."""
    types = sorted((str(name), str(dtype)) for name, dtype in frame.dtypes.items())
    return hashlib.sha256(json.dumps(types).encode()).hexdigest()[:16]


def _columns(frame: pd.DataFrame) -> Iterable[tuple[str, pd.Series]]:
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"columns occur twice: {', '.join(twice)}. Rename or drop one of each.")
    for place, name in enumerate(names):
        yield name, frame.iloc[:, place]


def _fit(series: pd.Series) -> Grid | None:
    return Grid.fit_chunks(values.numbers(series), len(series))


def _categories(series: pd.Series, hidden: bool) -> tuple[dict[str, int], int]:
    counts, missing = values.categories(series)
    if hidden:
        counts = {f"#{values.digest(name)}": rows for name, rows in counts.items()}
    return counts, missing


def _each(parts: Sequence[Mapping[str, _P]], add: Callable[[Sequence[_P]], _P]) -> dict[str, _P]:
    merged: dict[str, _P] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        try:
            merged[name] = add([part[name] for part in parts if name in part])
        except ProfileMismatch as error:
            raise ProfileMismatch(f"column {name!r}: {error}") from error
    return merged


def _left(whole: Mapping[str, _P], part: Mapping[str, _P], rows: int) -> dict[str, _P]:
    left: dict[str, _P] = {}
    for name, column in whole.items():
        try:
            rest = column - part[name] if name in part else column
        except ProfileMismatch as error:
            raise ProfileMismatch(f"column {name!r}: {error}") from error
        if rest.rows or not rows:
            left[name] = rest
    return left
