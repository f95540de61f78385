"""The cap on named categories: no order of merging shows, the frequent are never lost."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.ml.profiles import distances
from mlops_assets.ml.profiles.categorical import ALL, CAP, CategoricalProfile
from mlops_assets.ml.profiles.codec import dumps
from mlops_assets.ml.profiles.grid import Vocabulary
from mlops_assets.ml.profiles.numeric import ProfileMismatch
from mlops_assets.ml.profiles.profile import fit_grids, merge, profile


def many(rng, rows: int = 30_000, levels: int = 100_000) -> pd.DataFrame:
    """Half of the rows in ten categories, the others spread over very many."""
    rare = rng.integers(0, levels, rows)
    return pd.DataFrame({"x": np.where(rng.random(rows) < 0.5, rare % 10, rare).astype(str)})


@pytest.fixture(scope="module")
def crowd():
    frame = many(np.random.default_rng(0))
    grids = fit_grids(frame)
    return frame, grids, profile(frame, grids)


def test_very_many_categories_are_capped_and_none_is_lost(crowd):
    frame, grids, found = crowd
    column = found.columns["x"]
    assert len(column.counts) == CAP + len(grids["x"].frequent)
    assert sum(column.counts.values()) + column.other == column.present == len(frame)
    counts = frame["x"].value_counts()
    assert all(column.counts[name] == counts[name] for name in column.counts), "named: exact"
    assert {str(n) for n in range(10)} <= column.counts.keys(), "the frequent are named"
    assert column.distinct == pytest.approx(counts.size, rel=0.15), "how many there are: a guess"


def test_capped_profiles_merge_in_any_order_and_chunking(crowd):
    """ "The most frequent so far" would keep other names for another order of partitions."""
    frame, grids, found = crowd
    parts = [profile(frame.iloc[n : n + 1700], grids) for n in range(0, len(frame), 1700)]
    for order in (parts, parts[::-1], parts[1::2] + parts[::2]):
        assert dumps(merge(order)) == dumps(found)
    assert dumps(merge([merge(parts[:3]), merge(parts[3:])])) == dumps(found)


def test_what_is_left_of_a_capped_profile_is_exact(crowd):
    frame, grids, found = crowd
    part, rest = (profile(f, grids) for f in (frame.iloc[:9000], frame.iloc[9000:]))
    left = (found - part).columns["x"]
    assert left == rest.columns["x"].reached(left.reach)


def test_few_categories_are_all_named_and_subtract_to_themselves():
    frame = pd.DataFrame({"x": [f"level {n % 105}" for n in range(5000)]})
    grids = fit_grids(frame)
    part, rest = profile(frame.iloc[:2000], grids), profile(frame.iloc[2000:], grids)
    both = merge([part, rest])
    assert (len(both.columns["x"].counts), both.columns["x"].reach) == (105, ALL)
    assert both - part == rest
    assert dumps(both - part) == dumps(rest)


@settings(deadline=None, max_examples=40)
@given(
    sides=st.lists(
        st.lists(st.integers(0, 1400), max_size=900).map(lambda n: [str(v) for v in n]),
        min_size=1,
        max_size=4,
    ),
    seed=st.randoms(),
)
def test_around_the_cap_every_order_gives_the_same(sides, seed):
    vocabulary = Vocabulary(tuple(str(n) for n in range(20)))

    def counted(values: list[str]) -> CategoricalProfile:
        return CategoricalProfile.of({v: values.count(v) for v in set(values)}, vocabulary)

    whole = counted([value for side in sides for value in side])
    parts = [counted(side) for side in sides]
    seed.shuffle(parts)
    assert CategoricalProfile.merge(parts) == whole


def test_categories_that_no_part_has_cannot_be_taken_away():
    words = Vocabulary(("a",))
    with pytest.raises(ProfileMismatch, match="no part"):
        CategoricalProfile.of({"a": 1}, words) - CategoricalProfile.of({"b": 1}, words)


def test_profiles_of_different_vocabularies_meet_on_common_ground(crowd):
    """After grids were renewed the past still adds up: named is what both would name."""
    frame, grids, found = crowd
    half = len(frame) // 2
    renewed = {"x": Vocabulary(tuple(str(n) for n in range(50_000, 50_400)))}
    parts = [profile(frame.iloc[:half], grids), profile(frame.iloc[half:], renewed)]
    both = merge(parts).columns["x"]
    assert both == found.columns["x"].forgotten()
    assert merge(parts[::-1]).columns["x"] == both
    assert sum(both.counts.values()) + both.other == len(frame)
    a, b = (part.columns["x"] for part in parts)
    assert distances.total_variation(a, b) < 0.05, "not told apart by what is named"


def test_a_new_vocabulary_renames_what_has_kept_its_name():
    column = CategoricalProfile.of({"a": 1, "b": 2}, Vocabulary(("a",)))
    again = column.regrid(Vocabulary(("b",)))
    assert (again.counts, again.frequent) == ({"a": 1, "b": 2}, frozenset({"b"}))


def test_distances_of_categories_are_those_of_the_rows():
    a = CategoricalProfile.of({"a": 60, "b": 40}, Vocabulary(("a",)))
    b = CategoricalProfile.of({"a": 50, "c": 50}, Vocabulary(("a",)))
    assert distances.total_variation(a, b) == pytest.approx(0.5)
    assert distances.total_variation(a, a) == 0
    assert distances.psi(a, a) == 0
    assert distances.psi(a, b) > 1


def test_a_shift_of_a_frequent_category_shows_among_very_many(crowd):
    """The frequent must stay named: hidden in ``other``, their drift would be invisible."""
    frame, grids, found = crowd
    moved = frame.copy()
    moved.loc[moved["x"] == "3", "x"] = "4"
    window = profile(moved, grids).columns["x"]
    share = (frame["x"] == "3").mean()
    assert distances.total_variation(window, found.columns["x"]) == pytest.approx(share, abs=1e-3)
