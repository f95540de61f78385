"""Counting texts by their bytes equals counting them one by one, whatever the texts are."""

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_assets.ml.profiles import columns, texts

ROWS = 60_000


def told(array) -> Counter[str | None]:
    found: Counter[str | None] = Counter()
    for text, rows in texts.counted(array):
        found[text] += rows
    return +found


def names(length: int, different: int, rng: np.random.Generator) -> list[str]:
    """Texts of ASCII, as many different ones as the length allows."""
    letters = rng.integers(97, 123, (different, length), np.uint8)
    return sorted({bytes(row).decode() for row in letters})


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 12, 15, 16, 17])
def test_texts_of_one_length(length, kind):
    """Each length is read in another way: with the bytes behind it, whole, in two parts."""
    rng = np.random.default_rng(length)
    drawn = rng.choice(names(length, 200, rng), ROWS).tolist()
    assert told(pa.array(drawn, kind)) == Counter(drawn)


def test_a_text_that_comes_late_is_not_taken_for_the_one_in_its_slot():
    """Slots are those of the words known so far; without comparing, others would be miscounted."""
    rng = np.random.default_rng(0)
    few, many = names(6, 3, rng), names(6, 250, rng)
    drawn = rng.choice(few, ROWS).tolist() + rng.choice(many, ROWS).tolist()
    assert told(pa.array(drawn)) == Counter(drawn)


@pytest.mark.parametrize("different", [255, 257, 20_000])
def test_more_texts_than_a_table_takes(different):
    rng = np.random.default_rng(different)
    found = names(10, different, rng)
    drawn = rng.choice(found, ROWS).tolist()
    assert told(pa.array(drawn)) == Counter(drawn)
    # Few at first: the table is given up when it already holds rows.
    drawn = rng.choice(found[:9], ROWS).tolist() + drawn
    assert told(pa.array(drawn)) == Counter(drawn)


def test_texts_that_differ_in_their_heads_alone():
    rng = np.random.default_rng(1)
    drawn = [f"{head}/delayed" for head in rng.choice(names(4, 30, rng), ROWS)]
    assert told(pa.array(drawn)) == Counter(drawn)


def test_slices_and_chunks_are_read_where_they_lie():
    """An offset that is forgotten would count the rows before the slice."""
    rng = np.random.default_rng(2)
    drawn = rng.choice(["JFK", "LGA", "EWR"], 3 * ROWS).tolist()
    array = pa.array(drawn)
    assert told(array[ROWS + 1 : -5]) == Counter(drawn[ROWS + 1 : -5])
    mixed = ["north", "south"] * ROWS
    chunks = pa.chunked_array([array, pa.array(mixed), pa.array(drawn[:7]), array[:ROWS]])
    assert told(chunks) == Counter([*drawn, *mixed, *drawn[:7], *drawn[:ROWS]])


def test_missing_lengths_nul_and_letters_beyond_ascii():
    rng = np.random.default_rng(3)
    odd = ["a", "a\0", "\0", "", "ä", "aa", None]
    drawn = [odd[n] for n in rng.integers(0, len(odd), ROWS)]
    assert told(pa.array(drawn)) == Counter(drawn)
    for alike in (["a\0", "\0a", "\0\0", "ä"], ["日", "abc"], ["JFK", "LGA", None]):
        drawn = [alike[n] for n in rng.integers(0, len(alike), ROWS)]
        assert told(pa.array(drawn)) == Counter(drawn)


def test_bytes_of_a_foreign_buffer_are_not_read_beyond_its_end():
    """Short texts are read eight bytes at a time; the last ones have no eight bytes left."""
    data = pa.py_buffer(b"ab" * ROWS)
    offsets = pa.py_buffer(np.arange(0, 2 * ROWS + 1, 2, dtype=np.int32))
    array = pa.Array.from_buffers(pa.string(), ROWS, [None, offsets, data])
    assert told(array) == {"ab": ROWS}


@pytest.mark.parametrize("rows", [70_000, 131_073])
def test_the_sample_of_texts_is_that_of_rows(rows):
    """Chunk by chunk, or the vocabulary would depend on how a column is stored."""
    drawn = np.random.default_rng(4).choice(["JFK", "LGA", "EWR"], rows)
    series = pd.Series(drawn, dtype="str")
    half = pa.chunked_array([pa.array(series.array[:50_000]), pa.array(series.array[50_000:])])
    chunked = pd.Series(pd.arrays.ArrowStringArray(half))
    wanted = series.iloc[np.arange(65_536) * rows // 65_536].tolist()
    assert columns.sample(series).tolist() == columns.sample(chunked).tolist() == wanted
