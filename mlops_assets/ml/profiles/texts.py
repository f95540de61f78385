"""Counting texts of one length by their bytes: codes, days, names of levels.

Here: texts as Arrow holds them, up to 16 bytes each. Not here: other categories (`columns`).

A text of up to 8 bytes is one number of 64 bits, a longer one two. Of few different texts a
multiplication can be found, by trying, that gives each a slot of its own (Fredman, Komlós and
Szemerédi, "Storing a sparse table with O(1) worst case access time", J. ACM 31, 1984). So a text
costs a multiplication and a comparison with the one text known in its slot, and nothing is left to
chance: what is not equal is learned. Arrow's own hash table, which counts whatever is left, takes
about twice as long.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_WORD = 8
_LONGEST = 2 * _WORD
# Below this many rows, a table is not worth making.
_LEAST_ROWS = 8_192
_BLOCK = 24_576
_FIRST_BLOCK = 1_024
_MOST_WORDS = 256
_TRIES = 32


def counted(array: pa.Array | pa.ChunkedArray) -> Iterator[tuple[str | None, int]]:
    """Each text and its rows, None for missing ones; a text may come more than once.

    ``array``: of Arrow's type string or large_string.

    >>> import pyarrow as pa
    >>> sorted(counted(pa.array(["JFK", "LGA", "JFK"])))
    [('JFK', 2), ('LGA', 1)]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    words: dict[int, _Words] = {}
    rest = []
    for chunk in _chunks(array):
        done = 0
        if length := _length(chunk):
            data = np.frombuffer(chunk.buffers()[2], np.uint8)
            start = int(_offsets(chunk)[0])
            if length not in words:
                words[length] = _Words(length)
            done = words[length].add(data, start, len(chunk))
        if done < len(chunk):
            rest.append(chunk.slice(done))
    for known in words.values():
        yield from known.items()
    if rest:
        found = pc.value_counts(pa.chunked_array(rest))
        yield from zip(
            found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True
        )


def taken(array: pa.Array | pa.ChunkedArray, rows: np.ndarray) -> pa.ChunkedArray:
    """Some rows, ``rows`` ascending; chunk by chunk, which is thrice as fast as Arrow's take.

    >>> import pyarrow as pa
    >>> taken(pa.chunked_array([["a", "b"], ["c"]]), np.array([1, 2])).to_pylist()
    ['b', 'c']
    """
    import pyarrow as pa

    parts, start = [], 0
    for chunk in _chunks(array):
        first, last = np.searchsorted(rows, [start, start + len(chunk)])
        parts.append(chunk.take(pa.array(rows[first:last] - start)))
        start += len(chunk)
    return pa.chunked_array(parts, type=array.type)


def _chunks(array: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    import pyarrow as pa

    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]


def _offsets(chunk: pa.Array) -> np.ndarray:
    import pyarrow as pa

    kind = np.int64 if pa.types.is_large_string(chunk.type) else np.int32
    return np.frombuffer(chunk.buffers()[1], kind)[chunk.offset : chunk.offset + len(chunk) + 1]


def _length(chunk: pa.Array) -> int:
    """The bytes of each text, 1 to 16; 0 where they differ, or are not worth a table."""
    if len(chunk) < _LEAST_ROWS or chunk.null_count:
        return 0
    offsets = _offsets(chunk)
    length = int(offsets[1] - offsets[0])
    if not 1 <= length <= _LONGEST or offsets[-1] - offsets[0] != length * len(chunk):
        return 0
    for start in range(0, len(chunk), _BLOCK):
        block = offsets[start : start + _BLOCK + 1]
        if (block[1:] - block[:-1] != length).any():
            return 0
    return length


class _Words:
    """Counts of texts of one length, as numbers: ``tails``, and ``heads`` of those above 8 bytes.

    A slot that no word has holds another slot's word, which nothing that comes there can equal.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        # A short text is read with bytes behind it, a long one's head with some of its tail's.
        self._tail_size, self._head_size = min(length, _WORD), max(length - _WORD, 0)
        self._tails = self._heads = np.empty(0, np.uint64)
        self._heads_differ = False
        self._rows = np.empty(0, np.int64)
        self._random = np.random.default_rng(0)
        self._factors = np.ones(2, np.uint64)
        self._shift = np.uint64(63)
        self._by_slot = np.empty(0, np.int64)
        self._in_slot = self._heads_in_slot = self._tails
        self._tail, self._head, self._mixed, self._held = np.empty((4, _BLOCK), np.uint64)
        self._same, self._same_head = np.empty((2, _BLOCK), np.bool_)

    def add(self, data: np.ndarray, start: int, rows: int) -> int:
        """Count texts that lie one behind another in ``data``; how many of the first were.

        Fewer than ``rows`` where there are too many different ones, or the bytes end.
        """
        readable = (len(data) - start - max(self._length, _WORD)) // self._length + 1
        done, rows = 0, min(rows, readable)
        while done < rows:
            size = min(_BLOCK if len(self._tails) else _FIRST_BLOCK, rows - done)
            place, heads = start + done * self._length, None
            tails = self._read(data, place + self._head_size, self._tail_size, self._tail[:size])
            if self._head_size:
                heads = self._read(data, place, self._head_size, self._head[:size])
            if not self._count(tails, heads):
                break
            done += size
        return max(done, 0)

    def items(self) -> Iterator[tuple[str, int]]:
        """Each text and its rows."""
        self._collect()
        words = self._tails.tolist(), self._heads.tolist(), self._rows.tolist()
        for tail, head, rows in zip(*words, strict=True):
            word = head.to_bytes(_WORD, "little")[: self._head_size]
            word += tail.to_bytes(_WORD, "little")[: self._tail_size]
            yield word.decode(), rows

    def _read(self, data: np.ndarray, start: int, size: int, words: np.ndarray) -> np.ndarray:
        """So many bytes of each text, from the one at ``start`` of the first."""
        np.copyto(words, np.ndarray(words.shape, "<u8", data, start, (self._length,)))
        if size < _WORD:
            np.bitwise_and(words, np.uint64(2 ** (8 * size) - 1), out=words)
        return words

    def _count(self, tails: np.ndarray, heads: np.ndarray | None) -> bool:
        """Count a block, learning what is new in it; False where that is too much."""
        unknown = np.arange(0 if len(self._tails) else len(tails))
        while True:
            if len(unknown):
                new = np.zeros(len(unknown), np.uint64) if heads is None else heads[unknown]
                if not self._learn(tails[unknown], new):
                    return False
            slots = self._slots(tails, heads, self._mixed[: len(tails)])
            same = self._known(tails, heads, slots)
            if same.all():
                self._by_slot += np.bincount(slots, minlength=len(self._by_slot))
                return True
            unknown = np.flatnonzero(~same)

    def _known(self, tails: np.ndarray, heads: np.ndarray | None, slots: np.ndarray) -> np.ndarray:
        """Which texts are those known in their slots."""
        held, same = self._held[: len(tails)], self._same[: len(tails)]
        np.equal(tails, self._in_slot.take(slots, out=held, mode="clip"), out=same)
        if heads is None:
            return same
        if self._heads_differ:
            there = self._heads_in_slot.take(slots, out=held, mode="clip")
        else:
            there = self._heads[0]
        np.equal(heads, there, out=self._same_head[: len(heads)])
        return np.logical_and(same, self._same_head[: len(heads)], out=same)

    def _slots(self, tails: np.ndarray, heads: np.ndarray | None, mixed: np.ndarray) -> np.ndarray:
        np.multiply(tails, self._factors[0], out=mixed)
        if heads is not None and self._heads_differ:
            mixed += heads * self._factors[1]
        return np.right_shift(mixed, self._shift, out=mixed).view(np.int64)

    def _learn(self, tails: np.ndarray, heads: np.ndarray) -> bool:
        """Give slots to words that have none; False where there are too many."""
        # Two different words that mix alike: the second one is still unknown the next time.
        first = np.unique(tails ^ (heads * np.uint64(0x9E3779B97F4A7C15)), return_index=True)[1]
        if len(self._tails) + len(first) > _MOST_WORDS:
            return False
        self._collect()
        self._tails = np.concatenate([self._tails, tails[first]])
        self._heads = np.concatenate([self._heads, heads[first]])
        self._rows = np.concatenate([self._rows, np.zeros(len(first), np.int64)])
        self._heads_differ = bool((self._heads != self._heads[0]).any())
        # With K²/4 slots one try in seven succeeds; with 2 K² one in two, whatever the words are
        # (Dietzfelbinger et al., J. Algorithms 25, 1997).
        least = max(int(np.ceil(np.log2(len(self._tails) ** 2 / 4))), 8)
        for attempt in itertools.count():
            bits = least + attempt // _TRIES
            self._shift = np.uint64(64 - bits)
            self._factors = self._random.integers(0, 2**64, 2, np.uint64) | np.uint64(1)
            slots = self._slots(self._tails, self._heads, np.empty_like(self._tails))
            if np.bincount(slots).max() == 1:
                break
        self._in_slot = np.full(2**bits, self._tails[0])
        self._heads_in_slot = np.full(2**bits, self._heads[0])
        self._in_slot[slots], self._heads_in_slot[slots] = self._tails, self._heads
        self._by_slot = np.zeros(2**bits, np.int64)
        return True

    def _collect(self) -> None:
        """Take the rows counted so far from their slots."""
        if len(self._by_slot):
            slots = self._slots(self._tails, self._heads, np.empty_like(self._tails))
            self._rows += self._by_slot[slots]
            self._by_slot[:] = 0
