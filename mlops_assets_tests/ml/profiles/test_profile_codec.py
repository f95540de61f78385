"""What is stored comes back whole; what was tampered with does not come in."""

import contextlib
import json
import struct

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.ml.profiles import codec
from mlops_assets.ml.profiles.codec import MOST_BYTES, ProfileCorrupt, dumps, loads
from mlops_assets.ml.profiles.profile import fit_grids, merge, profile


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": np.where(rng.random(2000) < 0.1, np.nan, rng.standard_cauchy(2000) * 1e3),
            "i": rng.integers(0, 7, 2000),
            "s": pd.Series(["north", "süd", "\ud800", '"'] * 500, dtype=object),
            "none": np.full(2000, np.nan),
        }
    )
    frame.loc[:3, "x"] = [np.inf, -np.inf, 1e300, -1e300]
    return profile(frame, fit_grids(frame.iloc[:500]))


def test_everything_comes_back(found):
    again = loads(dumps(found))
    assert again == found
    assert dumps(again) == dumps(found)
    assert not again.numeric["x"].counts.flags.writeable
    assert again.numeric["x"].knots == pytest.approx(found.numeric["x"].knots, nan_ok=True)


def test_empty_profiles_come_back():
    for frame in (pd.DataFrame(), pd.DataFrame({"x": np.array([], float)})):
        found = profile(frame, {})
        assert loads(dumps(found)) == found


def test_what_was_loaded_adds_up_with_what_was_not(found):
    assert merge([loads(dumps(found)), found]) == merge([found, found])


@pytest.mark.parametrize("rows", [28_000, 1_000_000])
def test_fourteen_numeric_columns_take_less_than_64_kb(rows):
    column = np.random.default_rng(0).normal(size=rows)
    frame = pd.DataFrame({"x": column})
    assert 14 * len(dumps(profile(frame, fit_grids(frame)))) < 64 * 1024


def test_nothing_is_pickled(found):
    for data in (dumps(found), codec._unpacked(dumps(found))):
        assert b"numpy" not in data
        assert not data.startswith(b"\x80")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_harmless(found, data):
    """Any byte may flip in storage: no crash, no other exception, no endless allocation."""
    raw = bytearray(dumps(found.select(["i", "s"])))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProfileCorrupt):
        loads(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_damaged_header_is_refused(found, data):
    """Beyond zstd's own checks: the content itself may have been written by somebody else."""
    body = codec._unpacked(dumps(found.select(["i", "s"])))
    (size,) = struct.unpack_from("<I", body)
    header = json.loads(body[4 : 4 + size])
    target, key = _place(header, data)
    target[key] = data.draw(
        st.sampled_from([None, -1, 2**70, "x", [], {}, 1.5, True, "ffffffffffffffffffffffff"])
    )
    text = json.dumps(header).encode()
    try:
        again = loads(_packed(struct.pack("<I", len(text)) + text + body[4 + size :]))
    except ProfileCorrupt:
        return
    assert again.rows >= 0


def _place(header, data):
    target = header
    while True:
        keys = sorted(target) if isinstance(target, dict) else range(len(target))
        key = data.draw(st.sampled_from(list(keys)))
        if not isinstance(target[key], dict | list) or not target[key]:
            return target, key
        if data.draw(st.booleans()) and target is not header:
            return target, key
        target = target[key]


def _packed(body: bytes, size: int | None = None) -> bytes:
    packed = pa.Codec("zstd").compress(body, asbytes=True)
    return struct.pack("<4sBI", b"MLPF", 1, len(body) if size is None else size) + packed


def test_a_bomb_does_not_go_off():
    """Kilobytes that would unpack to gigabytes are refused by what they say, or by what they do."""
    with pytest.raises(ProfileCorrupt, match="allowed"):
        loads(_packed(b"\0" * 1000, size=MOST_BYTES + 1))
    bomb = _packed(b"\0" * (256 * 2**20), size=1000)
    assert len(bomb) < 100_000
    with pytest.raises(ProfileCorrupt):
        loads(bomb)


@pytest.mark.parametrize("data", [b"", b"MLPF", b"\x80\x04pickle...", b"MLPF\x02" + b"\0" * 40])
def test_other_bytes_are_refused(data):
    with pytest.raises(ProfileCorrupt):
        loads(data)


def test_leftover_bytes_are_refused(found):
    with pytest.raises(ProfileCorrupt, match="left over"):
        loads(_packed(codec._unpacked(dumps(found)) + b"\0"))
