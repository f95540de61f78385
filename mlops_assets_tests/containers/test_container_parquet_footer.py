"""The codecs of a Parquet file, without asking pyarrow, which may end the process."""

from __future__ import annotations

import io
import random
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_assets.containers.reading.parquet_footer import codecs

WRITTEN = ["UNCOMPRESSED", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4_RAW"]


def _file(codec: object = "NONE", rows: int = 50) -> bytes:
    stream = io.BytesIO()
    table = pa.table({"a": [1.5] * rows, "b": ["x"] * rows, "c": list(range(rows))})
    pq.write_table(table, stream, compression=codec, row_group_size=20)
    return stream.getvalue()


@pytest.mark.parametrize("codec", WRITTEN)
def test_the_codec_is_the_one_that_was_written(codec: str) -> None:
    """By pyarrow, with several row groups."""
    assert codecs(_file("NONE" if codec == "UNCOMPRESSED" else codec)) == {codec}


def test_every_column_counts() -> None:
    """Guards against a bomb in the last column."""
    packed = {"a": "NONE", "b": "SNAPPY", "c": "GZIP"}
    assert codecs(_file(packed)) == {"UNCOMPRESSED", "SNAPPY", "GZIP"}


@pytest.mark.parametrize(
    "body",
    [b"", b"PAR1", b"PAR1" + b"\0" * 20, _file()[:-1], b"PAR1\xff\xff\xff\xffPAR1"],
)
def test_what_is_no_footer_is_refused(body: bytes) -> None:
    """ValueError and nothing else: the caller turns it into a 400."""
    with pytest.raises(ValueError):  # noqa: PT011
        codecs(body)


@pytest.mark.integration
def test_mutations_raise_nothing_else() -> None:
    """Nested without end, cut off, with sizes of 2^60: bounded by the footer's own bytes."""
    dice = random.Random(5)
    original = _file("SNAPPY")
    for _ in range(5_000):
        body = bytearray(original)
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(len(body) - 900, len(body) - 8)] = dice.randrange(256)
        with suppress(ValueError):
            codecs(bytes(body))
    nested = b"\x1c" * 5_000
    with pytest.raises(ValueError, match="deep"):
        codecs(b"PAR1" + nested + len(nested).to_bytes(4, "little") + b"PAR1")
