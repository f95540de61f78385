"""The record that held at a moment: against a search by hand, and the ways to look ahead."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.ml.feature_history import DELETED, ENTITY, EVENT, INVOKED, WRITTEN, as_of

START = pd.Timestamp("2024-01-01", tz="UTC")
HOURS = st.integers(0, 6)
WRITES = st.lists(
    st.tuples(st.sampled_from("abc"), HOURS, HOURS, HOURS, st.booleans(), st.integers(0, 99)),
    max_size=25,
)
ASKED = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-1, 7)), max_size=12)


def hour(number: int) -> pd.Timestamp:
    return START + pd.Timedelta(hours=number)


def history(writes: list[tuple]) -> pd.DataFrame:
    """Writes of (entity, event, invoked, hours until written, deleted, value)."""
    return pd.DataFrame(
        {
            ENTITY: pd.Series([w[0] for w in writes], dtype=object),
            EVENT: times([w[1] for w in writes]),
            INVOKED: times([w[2] for w in writes]),
            WRITTEN: times([w[2] + w[3] for w in writes]),
            DELETED: pd.Series([w[4] for w in writes], dtype=bool),
            "x": pd.Series([None if w[4] else w[5] for w in writes], dtype="Int64"),
        }
    )


def times(hours: list[int]) -> pd.Series:
    return pd.Series([hour(each) for each in hours], dtype="datetime64[us, UTC]")


def by_hand(writes: list[tuple], entity: str, moment: int, known: str) -> int | None:
    """The definition, read literally: of what may be known, the greatest; nothing if deleted."""
    seen = [
        (event, invoked, invoked + later, place, deleted, value)
        for place, (of, event, invoked, later, deleted, value) in enumerate(writes)
        if of == entity and event <= moment and (known == "event_time" or invoked <= moment)
    ]
    if not seen:
        return None
    *_, deleted, value = max(seen)
    return None if deleted else value


@pytest.mark.parametrize("known", ["event_time", "invocation"])
@given(writes=WRITES, asked=ASKED)
def test_it_is_what_a_search_by_hand_finds(writes, asked, known):
    moments = times([moment for _, moment in asked])
    entities = [entity for entity, _ in asked]
    found = as_of(history(writes), entities, moments, ["x"], known=known)
    expected = [by_hand(writes, entity, moment, known) for entity, moment in asked]
    assert [None if pd.isna(x) else x for x in found["x"]] == expected


@given(writes=WRITES, asked=ASKED)
def test_what_comes_later_changes_no_answer(writes, asked):
    """Leakage: a model trained on what only became known after its prediction."""
    latest = max((moment for _, moment in asked), default=0)
    later = [*writes, *(("abc"[n % 3], latest + 1 + n, 0, 0, n % 2 == 0, 1000) for n in range(6))]
    moments = times([moment for _, moment in asked])
    entities = [entity for entity, _ in asked]
    found = [as_of(history(each), entities, moments, ["x"]) for each in (writes, later)]
    pd.testing.assert_frame_equal(*found)


@given(writes=WRITES, order=st.randoms(use_true_random=False), asked=ASKED)
def test_neither_the_order_nor_a_second_copy_of_the_writes_matters(writes, order, asked):
    """Files come in any order, and a batch that was written twice is in two of them."""
    distinct = list({write[:4]: write for write in writes}.values())
    shuffled = [*distinct, *distinct]
    order.shuffle(shuffled)
    moments = times([moment for _, moment in asked])
    entities = [entity for entity, _ in asked]
    found = [as_of(history(each), entities, moments, ["x"]) for each in (distinct, shuffled)]
    pd.testing.assert_frame_equal(*found)


def test_a_deletion_hides_until_a_later_record():
    writes = [("a", 1, 1, 0, False, 5), ("a", 3, 3, 0, True, 0), ("a", 5, 5, 0, False, 7)]
    moments = times([0, 1, 2, 3, 4, 5])
    found = as_of(history(writes), ["a"] * 6, moments, ["x"])
    assert [None if pd.isna(x) else x for x in found["x"]] == [None, 5, 5, None, None, 7]
    assert found[EVENT].isna().tolist() == [True, False, False, True, True, False]


def test_a_correction_is_not_known_before_it_came():
    """The same event, told again two hours later: whoever predicted in between saw the first."""
    writes = [("a", 1, 1, 0, False, 5), ("a", 1, 3, 0, False, 6)]
    moments = times([2, 4])
    by_event = as_of(history(writes), ["a", "a"], moments, ["x"])
    assert by_event["x"].tolist() == [6, 6]
    by_store = as_of(history(writes), ["a", "a"], moments, ["x"], known="invocation")
    assert by_store["x"].tolist() == [5, 6]


def test_the_answer_has_the_rows_index_and_types():
    moments = times([2, 0]).set_axis(["r", "s"])
    found = as_of(history([("a", 1, 1, 0, False, 5)]), ["a", "a"], moments, ["x"])
    assert list(found.index) == ["r", "s"]
    assert str(found["x"].dtype) == "Int64"


@pytest.mark.parametrize(
    ("moments", "columns", "said"),
    [
        (times([1]), ["y"], "no feature y"),
        (pd.Series(pd.to_datetime(["2024-01-01"])), ["x"], "a time with a time zone"),
        (pd.Series([pd.NaT], dtype="datetime64[us, UTC]"), ["x"], "no null"),
    ],
)
def test_a_question_that_has_no_answer_is_refused(moments, columns, said):
    with pytest.raises(ValueError, match=said):
        as_of(history([]), ["a"], moments, columns)
