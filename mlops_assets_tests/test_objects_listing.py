"""Listing from a key on, and folders: what incremental readers of long histories stand on."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.objects import Objects, open_objects
from mlops_assets_tests.test_objects import aws_url, s3, store

__all__ = ["aws_url", "s3", "store"]

_PARTS = st.sampled_from(["a", "a-b", "a.b", "a0", "b", "é", "Z", "2026"])
_KEYS = st.lists(st.lists(_PARTS, min_size=3, max_size=3).map("/".join), max_size=12, unique=True)


@pytest.mark.integration
@given(keys=_KEYS, after=st.lists(_PARTS, min_size=1, max_size=3).map("/".join))
def test_a_listing_from_a_key_on_is_the_rest_of_the_whole(keys: list[str], after: str) -> None:
    """Guards against a file that an incremental reader skips because folders sort as names do."""
    with tempfile.TemporaryDirectory() as scratch:
        objects = open_objects(f"dir:{scratch}")
        for key in keys:
            objects.write(f"s3://bucket/{key}", b"")
        listed = [
            info.uri[12:] for info in objects.list("s3://bucket", after=f"s3://bucket/{after}")
        ]
    wanted = [key for key in keys if key.encode() > after.encode()]
    assert listed == sorted(wanted, key=str.encode)


def test_both_stores_list_after_a_key_and_name_folders(store: tuple[Objects, str]) -> None:
    objects, bucket = store
    for key in ("c/v1/e/x", "c/v1/f/y", "c/v10/e/z", "c/file", "d/other"):
        objects.write(f"{bucket}/{key}", b"1")
    found = objects.list(f"{bucket}/c", after=f"{bucket}/c/v1/e/x")
    assert [info.uri.removeprefix(bucket) for info in found] == ["/c/v1/f/y", "/c/v10/e/z"]
    assert list(objects.list(f"{bucket}/c", after=f"{bucket}/c/v2")) == []
    assert list(objects.folders(f"{bucket}/c")) == ["v1", "v10"]
    assert list(objects.folders(f"{bucket}/c/v1/")) == ["e", "f"]
    assert list(objects.folders(f"{bucket}/none")) == []


def test_what_lies_before_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that grows with all history would make the sensors slower from month to month."""
    import os

    objects = open_objects(f"dir:{tmp_path}")
    for day in range(1, 29):
        objects.write(f"s3://bucket/c/2026/01/{day:02}/file", b"")
    opened: list[bytes] = []
    real = os.scandir

    def counting(path: bytes) -> object:
        opened.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", counting)
    found = objects.list("s3://bucket/c", after="s3://bucket/c/2026/01/27")
    assert next(found).uri == "s3://bucket/c/2026/01/27/file"
    assert len(opened) == 4
    assert len(list(objects.list("s3://bucket/c"))) == 28
    assert len(opened) > 30
