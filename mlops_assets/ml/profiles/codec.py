"""Profiles as bytes: zstd over a JSON header and plain little-endian arrays. Nothing is executed.

Here: the format and its limits. Not here: SageMaker's statistics.json (`statistics`).

``MLPF``, version, size of what follows when unpacked (uint32), zstd. Unpacked: size of the header
(uint32), the header, the arrays. Bins are stored as differences to their neighbours in the fewest
bytes, byte by byte (all lowest bytes first), which is what makes them small. A reader allocates
what the limits allow, whatever the bytes say.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlops_assets.ml.profiles.categorical import ALL, CategoricalProfile
from mlops_assets.ml.profiles.grid import BINS, Grid
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import Profile
from mlops_assets.ml.profiles.tails import Tails

MOST_BYTES = 64 * 2**20
"""No profile is larger when unpacked."""

_MAGIC, _VERSION = b"MLPF", 1
_PREFIX = struct.Struct("<4sBI")
_LENGTH = struct.Struct("<I")
_LEVEL = 12
# What reading a header of another shape than ours may raise.
_SENSELESS = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    struct.error,
    RecursionError,
)


class ProfileCorrupt(ValueError):
    """Bytes that are no profile; the message says what is wrong with them."""


def dumps(profile: Profile) -> bytes:
    """The profile as bytes; equal profiles give equal bytes.

    Raises:
        ValueError: it is larger than 64 MB.
    """
    import pyarrow as pa

    arrays: list[np.ndarray] = []
    header = {
        "rows": profile.rows,
        "fingerprint": profile.fingerprint,
        "numeric": {n: _number(profile.numeric[n], arrays) for n in sorted(profile.numeric)},
        "categorical": {
            n: _category(profile.categorical[n], arrays) for n in sorted(profile.categorical)
        },
    }
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    body = b"".join([_LENGTH.pack(len(text)), text, *(a.tobytes() for a in arrays)])
    if len(body) > MOST_BYTES:
        raise ValueError(f"a profile of {len(body):,} bytes is larger than {MOST_BYTES:,}")
    packed = pa.Codec("zstd", compression_level=_LEVEL).compress(body, asbytes=True)
    return _PREFIX.pack(_MAGIC, _VERSION, len(body)) + packed


def loads(data: bytes) -> Profile:
    """The profile that `dumps` wrote.

    Raises:
        ProfileCorrupt: the bytes are none, or would unpack to more than 64 MB.
    """
    body = _unpacked(data)
    try:
        (size,) = _LENGTH.unpack_from(body)
        header = json.loads(body[_LENGTH.size : _LENGTH.size + size])
        reader = _Reader(body, _LENGTH.size + size)
        found = Profile(
            rows=_whole(header["rows"]),
            fingerprint=str(header["fingerprint"]),
            numeric={n: _read_number(c, reader) for n, c in header["numeric"].items()},
            categorical={n: _read_category(c, reader) for n, c in header["categorical"].items()},
        )
    except ProfileCorrupt:
        raise
    except _SENSELESS as error:
        raise ProfileCorrupt(f"the profile's header makes no sense: {error!r}") from error
    if reader.place != len(body):
        raise ProfileCorrupt(f"{len(body) - reader.place} bytes are left over")
    return found


def _unpacked(data: bytes) -> bytes:
    import pyarrow as pa

    if len(data) < _PREFIX.size:
        raise ProfileCorrupt(f"{len(data)} bytes are too few for a profile")
    magic, version, size = _PREFIX.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise ProfileCorrupt(f"it begins with {data[:5]!r}: no profile of version {_VERSION}")
    if size > MOST_BYTES:
        raise ProfileCorrupt(f"it would unpack to {size:,} bytes; {MOST_BYTES:,} are allowed")
    try:
        body = pa.Codec("zstd").decompress(
            memoryview(data)[_PREFIX.size :], decompressed_size=size, asbytes=True
        )
    except (pa.ArrowException, OSError) as error:
        raise ProfileCorrupt(f"it does not unpack: {error}") from error
    if len(body) != size:
        raise ProfileCorrupt(f"it unpacks to {len(body):,} bytes, not {size:,}")
    return bytes(body)


class _Reader:
    def __init__(self, body: bytes, place: int) -> None:
        self._body, self.place = body, place

    def take(self, size: int) -> memoryview:
        end = self.place + size
        if size < 0 or end > len(self._body):
            raise ProfileCorrupt(f"an array of {size:,} bytes goes beyond the end")
        part = memoryview(self._body)[self.place : end]
        self.place = end
        return part


def _number(column: NumericProfile, arrays: list[np.ndarray]) -> dict[str, Any]:
    return {
        "grid": [column.grid.low.hex(), column.grid.step.hex(), column.grid.centred],
        "rows": [column.rows, column.missing, column.nan, column.inf],
        "bins": _put(column.counts, arrays),
        "cells": len(column.tails.cells),
        "tails": [_put(column.tails.cells, arrays), _put(column.tails.counts, arrays)],
        "sums": [format(s, "x") for s in (*column.sums, column.squares)],
        "extremes": [e.hex() for e in column.extremes] if column.extremes else None,
    }


def _read_number(fields: Mapping[str, Any], reader: _Reader) -> NumericProfile:
    low, step, centred = fields["grid"]
    rows, missing, nan, inf = map(_whole, fields["rows"])
    cells = _whole(fields["cells"])
    counts = _take(fields["bins"], BINS + 2, reader)
    where, how_many = (_take(width, cells, reader) for width in fields["tails"])
    below, inside, above, squares = (int(text, 16) for text in fields["sums"])
    least = fields["extremes"]
    if counts.min() < 0 or int(counts.sum()) + missing != rows:
        raise ProfileCorrupt("a column's counts do not add up to its rows")
    return NumericProfile(
        grid=Grid(float.fromhex(low), float.fromhex(step), bool(centred)),
        rows=rows,
        missing=missing,
        nan=nan,
        inf=inf,
        counts=counts,
        tails=Tails(where.astype(np.int32), how_many),
        sums=(below, inside, above),
        squares=squares,
        extremes=(float.fromhex(least[0]), float.fromhex(least[1])) if least else None,
    )


def _category(column: CategoricalProfile, arrays: list[np.ndarray]) -> dict[str, Any]:
    names = sorted(column.counts)
    return {
        "rows": [column.rows, column.missing, column.other],
        "names": names,
        "counts": _put(np.array([column.counts[n] for n in names], np.int64), arrays),
        "rare": [place for place, name in enumerate(names) if name not in column.frequent],
        "reach": format(column.reach, "x"),
        "vocabulary": column.version,
    }


def _read_category(fields: Mapping[str, Any], reader: _Reader) -> CategoricalProfile:
    names = fields["names"]
    rows, missing, other = map(_whole, fields["rows"])
    counts = _take(fields["counts"], len(names), reader).tolist()
    rare = set(fields["rare"])
    reach = int(fields["reach"], 16)
    if not 0 <= reach <= ALL or len(set(names)) < len(names):
        raise ProfileCorrupt("a column's categories make no sense")
    if sum(counts) + other + missing != rows or min(counts, default=0) < 0:
        raise ProfileCorrupt("a column's counts do not add up to its rows")
    return CategoricalProfile(
        rows=rows,
        missing=missing,
        counts=dict(zip(names, counts, strict=True)),
        frequent=frozenset(name for place, name in enumerate(names) if place not in rare),
        other=other,
        reach=reach,
        version=str(fields["vocabulary"]),
    )


def _put(values: np.ndarray, arrays: list[np.ndarray]) -> int:
    """Append whole numbers to what is stored; returns the bytes that each takes."""
    whole: np.ndarray = values.astype(np.int64)
    steps = np.concatenate([whole[:1], whole[1:] - whole[:-1]])
    folded = ((steps << 1) ^ (steps >> 63)).view(np.uint64)
    width = max((int(folded.max(initial=0)).bit_length() + 7) // 8, 1)
    planes = folded.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T
    arrays.append(np.ascontiguousarray(planes))
    return width


def _take(width: Any, count: int, reader: _Reader) -> np.ndarray:
    if width not in range(1, 9):
        raise ProfileCorrupt(f"numbers of {width!r} bytes")
    planes = np.frombuffer(reader.take(width * count), np.uint8).reshape(width, count)
    full = np.zeros((count, 8), np.uint8)
    full[:, :width] = planes.T
    folded = full.reshape(-1).view("<u8").astype(np.uint64)
    steps = (folded >> np.uint64(1)).astype(np.int64) ^ -(folded & np.uint64(1)).astype(np.int64)
    return np.cumsum(steps, dtype=np.int64)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ProfileCorrupt(f"{value!r} is no count")
    return value
