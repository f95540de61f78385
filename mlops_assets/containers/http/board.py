"""Memory that the workers of one server share: each publishes its counters, all read them.

Belongs here: the layout. Does not: what is published (metrics.py). A worker writes only its own
slot, into the half that is not being read, and then turns to it: a reader never waits, and a slot
outlives its worker, so that counters go on where a dead worker's ended.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile

_SLOT = 64 * 1024
_HALF = _SLOT // 2 - 8
_TURN = struct.Struct("<q")
_LENGTH = struct.Struct("<I")


def create(slots: int) -> int:
    """A file descriptor of zeroed shared memory for so many workers; a child may inherit it."""
    with tempfile.TemporaryFile() as file:
        file.truncate(slots * _SLOT)
        return os.dup(file.fileno())


class Board:
    """One worker's view of the shared memory."""

    def __init__(self, descriptor: int, index: int) -> None:
        self._memory = mmap.mmap(descriptor, 0)
        self._index = index
        self._slots = len(self._memory) // _SLOT

    def publish(self, data: bytes) -> None:
        """Show `data` in this worker's slot; what does not fit (32 KB) is not shown."""
        if len(data) > _HALF - _LENGTH.size:
            return
        base = self._index * _SLOT
        (turn,) = _TURN.unpack_from(self._memory, base)
        at = _half(base, turn + 1)
        _LENGTH.pack_into(self._memory, at, len(data))
        self._memory[at + _LENGTH.size : at + _LENGTH.size + len(data)] = data
        _TURN.pack_into(self._memory, base, turn + 1)

    def own(self) -> bytes:
        """What this slot held last, before this worker or by it; empty if nothing."""
        return self._read(self._index)

    def others(self) -> list[bytes]:
        """What the other workers show."""
        read = [self._read(i) for i in range(self._slots) if i != self._index]
        return [data for data in read if data]

    def _read(self, index: int) -> bytes:
        base = index * _SLOT
        while True:
            (turn,) = _TURN.unpack_from(self._memory, base)
            if turn == 0:
                return b""
            at = _half(base, turn)
            (length,) = _LENGTH.unpack_from(self._memory, at)
            data = self._memory[at + _LENGTH.size : at + _LENGTH.size + length]
            if _TURN.unpack_from(self._memory, base)[0] == turn:
                return data


def _half(base: int, turn: int) -> int:
    return base + 8 + (turn % 2) * _HALF
