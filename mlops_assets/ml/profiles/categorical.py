"""What a column of categories looks like: how often each occurs, up to a cap.

Here: the profile of one categorical column and its arithmetic. Not here: reading a column's
categories (`columns`), comparing two profiles (`distances`).

A cap on what is named must not make a profile depend on the order of merging, as "the 1,000 most
frequent" would: what one part dropped, the whole may need. Therefore a category's rank is a
property of the category alone. First come those of the column's `Vocabulary` (the most frequent
ones when it was fitted), which are always named; then all others by a hash of their text. Of these
the first 512 are named, the rest is added to ``other``. A category that is among the first 512 of
the whole is among the first 512 of every part, so its count is never lost: merging is exact in any
order, and what is named is a fair sample of the rare ("bottom-k": Cohen and Kaplan, "Summarizing
data using bottom-k sketches", PODC 2007).
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from mlops_assets.ml.profiles.grid import Vocabulary
from mlops_assets.ml.profiles.numeric import ProfileMismatch

CAP = 512
"""So many categories outside of the vocabulary are named."""
ALL = 2**64
"""The reach of a profile that names everything."""


@dataclass(frozen=True)
class CategoricalProfile:
    """One column of categories.

    Args:
        counts: {category: rows}, of those that are named.
        frequent: which of them belong to the column's vocabulary.
        other: rows of categories that are not named.
        reach: every category with a hash below it is named; 2⁶⁴ names all.
        missing: rows without a value.
        version: of the vocabulary.
    """

    rows: int
    missing: int
    counts: Mapping[str, int]
    frequent: frozenset[str]
    other: int
    reach: int
    version: str

    kind: ClassVar[str] = "categorical"

    @classmethod
    def of(
        cls, counts: Mapping[str, int], vocabulary: Vocabulary, *, missing: int = 0
    ) -> CategoricalProfile:
        """Of the counts of all categories."""
        return cls._capped(
            rows=sum(counts.values()) + missing,
            missing=missing,
            counts=dict(counts),
            frequent=vocabulary.members & counts.keys(),
            other=0,
            reach=ALL,
            version=vocabulary.version,
        )

    @cached_property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def distinct(self) -> int:
        """How many categories there are; an estimate where not all are named."""
        named = len(self.counts) - len(self.frequent)
        return len(self.frequent) + round(named * ALL / max(self.reach, 1))

    @classmethod
    def merge(cls, parts: Sequence[CategoricalProfile]) -> CategoricalProfile:
        """The profile of all rows together; the same in any order.

        Under different vocabularies, what is named is what all of them would name: `forgotten`.
        """
        if len({part.version for part in parts}) > 1:
            parts = [part.forgotten() for part in parts]
        counts: Counter[str] = Counter()
        for part in parts:
            for name, rows in part.counts.items():
                counts[name] += rows
        return cls._capped(
            rows=sum(part.rows for part in parts),
            missing=sum(part.missing for part in parts),
            counts=counts,
            frequent=frozenset().union(*(part.frequent for part in parts)),
            other=sum(part.other for part in parts),
            reach=min(part.reach for part in parts),
            version=parts[0].version,
        )

    def __sub__(self, part: CategoricalProfile) -> CategoricalProfile:
        """What is left of a merged profile without one of its parts; exact.

        Where the merged profile had to leave categories unnamed, so does what is left.

        Raises:
            ProfileMismatch: the part is none.
        """
        reach = min(self.reach, part.reach)
        whole, less = self.reached(reach), part.reached(reach)
        counts = {n: rows - less.counts.get(n, 0) for n, rows in whole.counts.items()}
        other = whole.other - less.other
        if min(counts.values(), default=0) < 0 or other < 0 or less.counts.keys() - counts.keys():
            raise ProfileMismatch("what is taken away is no part of the profile")
        counts = {name: rows for name, rows in counts.items() if rows}
        return replace(
            whole,
            rows=whole.rows - less.rows,
            missing=whole.missing - less.missing,
            counts=counts,
            frequent=whole.frequent & counts.keys(),
            other=other,
        )

    def reached(self, reach: int) -> CategoricalProfile:
        """The same rows, with fewer of the rare categories named."""
        if reach >= self.reach:
            return self
        named = {
            name: rows
            for name, rows in self.counts.items()
            if name in self.frequent or _hash(name) < reach
        }
        other = self.other + sum(self.counts.values()) - sum(named.values())
        return replace(self, counts=named, other=other, reach=reach)

    def forgotten(self) -> CategoricalProfile:
        """The same rows without a vocabulary: named by hash alone, as any other profile would."""
        fields = {**vars(self), "frequent": frozenset(), "version": Vocabulary().version}
        return self._capped(**fields)

    def regrid(self, vocabulary: Vocabulary) -> CategoricalProfile:
        """The same rows under another vocabulary; `forgotten` where rows have lost their names."""
        if self.reach < ALL:
            return self if self.version == vocabulary.version else self.forgotten()
        frequent = vocabulary.members & self.counts.keys()
        return self._capped(**{**vars(self), "frequent": frequent, "version": vocabulary.version})

    @classmethod
    def _capped(
        cls,
        *,
        rows: int,
        missing: int,
        counts: Mapping[str, int],
        frequent: frozenset[str],
        other: int,
        reach: int,
        version: str,
        **_: object,
    ) -> CategoricalProfile:
        # As if nothing were unnamed yet, so that `reached` looks at every name.
        whole = cls(rows, missing, counts, frequent, other, ALL, version).reached(reach)
        if len(whole.counts) - len(frequent) <= CAP:
            return whole
        hashes = {name: _hash(name) for name in whole.counts.keys() - frequent}
        cut = heapq.nsmallest(CAP + 1, hashes.values())[-1]
        named = {n: rows for n, rows in whole.counts.items() if hashes.get(n, -1) < cut}
        other = whole.other + sum(whole.counts.values()) - sum(named.values())
        return replace(whole, counts=named, other=other, reach=cut)


def _hash(name: str) -> int:
    data = name.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
