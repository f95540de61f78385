"""The texts of feature records: nothing is lost between training's values and serving's."""

import math
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.ml.feature_record import entity_id, entity_parts, value_text

PARTS = st.text(min_size=1)
KEYS = st.one_of(PARTS, st.integers())


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_to_the_last_bit(value):
    """A rounded feature can fall on the other side of a tree's threshold."""
    text = value_text(value)
    assert text is not None
    assert bits(float(text)) == bits(value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_reads_back_as_the_number_that_training_saw(value):
    text = value_text(np.float32(value))
    assert text is not None
    assert np.float32(text) == np.float32(value)
    assert float(text) == float(np.float32(value))


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_a_key_reads_back_from_its_identifier(key):
    assert entity_parts(entity_id(key)) == tuple(map(str, key))


@given(st.lists(PARTS, min_size=1, max_size=3), st.lists(PARTS, min_size=1, max_size=3))
def test_two_keys_never_share_an_identifier(one, other):
    """Two entities in one record would serve each other's features."""
    assert (entity_id(one) == entity_id(other)) == (one == other)


@given(st.text(min_size=1))
def test_an_identifier_is_one_line(part):
    """Feature Store's pattern for values does not match line ends."""
    assert entity_id([part]).splitlines() in ([entity_id([part])],)


@pytest.mark.parametrize("value", [17, 17.0, "17", np.int64(17), np.int8(17), np.float64(17)])
def test_a_whole_number_is_the_same_key_however_it_is_sent(value):
    assert entity_id([value]) == "17"


@pytest.mark.parametrize("value", [None, math.nan, "", 1.5, True, pd.NaT, pd.NA, b"x", []])
def test_what_names_no_entity_is_refused(value):
    with pytest.raises(ValueError, match="must"):
        entity_id([value])


@pytest.mark.parametrize("value", [None, math.nan, pd.NA, pd.NaT, "", np.float32("nan")])
def test_missing_values_have_no_text(value):
    assert value_text(value) is None


@pytest.mark.parametrize("value", [math.inf, -math.inf, "a\nb", pd.Timestamp(0), b"x"])
def test_values_that_no_store_can_hold_are_refused(value):
    with pytest.raises(ValueError, match=r"store|number or a text"):
        value_text(value)
