"""Archives from storage: sound ones unpack, the others leave nothing behind."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.unpack import unpack


def archive(path: Path, *members: tuple[str, bytes | None, dict[str, Any]]) -> Path:
    """A .tar.gz of (name, content, attributes of its TarInfo)."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content, attributes in members:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            tar.addfile(info, io.BytesIO(content or b""))
    return path


def plain(name: str, content: bytes = b"x") -> tuple[str, bytes, dict[str, Any]]:
    """An ordinary file."""
    return name, content, {}


def refused(path: Path, said: str, **caps: int) -> None:
    """The archive is refused, and not a file of it is left."""
    before = {p for p in path.parent.rglob("*") if p != path}
    with pytest.raises(ArtifactError, match=said):
        unpack(path, path.parent / "model", **caps)
    assert {p for p in path.parent.rglob("*") if p != path} == before


def test_a_sound_archive_unpacks(tmp_path: Path) -> None:
    """The control of every refusal below."""
    made = archive(tmp_path / "a.tar.gz", plain("./manifest.json"), plain("code/deep/f.py", b"yy"))
    unpack(made, tmp_path / "new" / "model")
    found = {p.name: p.read_bytes() for p in (tmp_path / "new").rglob("*") if p.is_file()}
    assert found == {"manifest.json": b"x", "f.py": b"yy"}


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (plain("../evil"), "unsafe path"),
        (plain("a/../../evil"), "unsafe path"),
        (plain("/etc/evil"), "unsafe path"),
        (plain("a\\..\\evil"), "unsafe path"),
        (("l", None, {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}), "neither file"),
        (("l", None, {"type": tarfile.SYMTYPE, "linkname": "ok"}), "neither file"),
        (("l", None, {"type": tarfile.LNKTYPE, "linkname": "ok"}), "neither file"),
        (("d", None, {"type": tarfile.CHRTYPE, "devmajor": 1}), "neither file"),
        (("b", None, {"type": tarfile.BLKTYPE, "devmajor": 8}), "neither file"),
        (("l", None, {"type": tarfile.LNKTYPE, "linkname": "../../../etc/passwd"}), "neither file"),
        (("p", None, {"type": tarfile.FIFOTYPE}), "neither file"),
        (("ok", None, {"type": tarfile.DIRTYPE}), "twice"),
        (plain("ok/below"), "twice"),
        (plain("x" * 256), "name that is too long"),
        (plain("ok"), "twice"),
        (plain("./ok"), "twice"),
    ],
)
def test_unsafe_members_are_refused(
    tmp_path: Path, member: tuple[str, bytes | None, dict[str, Any]], said: str
) -> None:
    """Guards against writing outside the directory, by whatever way tar knows."""
    refused(archive(tmp_path / "a.tar.gz", plain("ok"), member), said)


@pytest.mark.integration
def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    """194 KB once unpacked to 200 MB; the same content with an honest ratio is fine."""
    made = archive(tmp_path / "a.tar.gz", plain("zeros", bytes(200 * 1024**2)))
    assert made.stat().st_size < 210_000
    refused(made, "unpacks to more than")
    unpack(made, tmp_path / "allowed", max_ratio=2_000)
    assert (tmp_path / "allowed" / "zeros").stat().st_size == 200 * 1024**2


def test_a_header_bomb_is_refused(tmp_path: Path) -> None:
    """tarfile keeps a whole extended header in memory, before any member is seen."""
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 50 * 1024**2
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(header.tobuf(tarfile.USTAR_FORMAT))
        stream.write(bytes(header.size))
    refused(path, "header of unreasonable size", max_ratio=10_000)


def test_a_file_of_holes_is_refused(tmp_path: Path) -> None:
    """Guards against a terabyte of nothing: a sparse member's size is no byte in the archive, but
    every one that is read later. The control: tarfile makes it."""
    holes = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1"}
    size = 2**40
    header = {**holes, "GNU.sparse.size": str(size), "GNU.sparse.numblocks": "1"}
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("sparse")
        info.size, info.pax_headers = 1, header
        tar.addfile(info, io.BytesIO(b"x"))
    with tarfile.open(path) as tar:
        (member,) = tar.getmembers()
        assert (member.isreg(), member.issparse(), member.size) == (True, True, size)
    refused(path, "a file with holes")


def test_caps_on_size_and_count(tmp_path: Path) -> None:
    """Guards against a million empty files, and against what simply is too large."""
    many = [plain(f"f{index}") for index in range(20)]
    refused(archive(tmp_path / "a.tar.gz", *many), "more than 10 members", max_members=10)
    refused(archive(tmp_path / "a.tar.gz", *many), "unpacks to more", max_bytes=5_000)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "not gzip", "empty", "tail"])
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: str) -> None:
    """Guards against half a model that looks whole."""
    path = archive(tmp_path / "a.tar.gz", plain("f", bytes(range(256)) * 400), plain("g"))
    data = bytearray(path.read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[-6] ^= 255  # the checksum
    elif damage == "not gzip":
        data = bytearray(b"PK not an archive")
    elif damage == "empty":
        data = bytearray()
    else:
        data = data[:-8]
    path.write_bytes(data)
    refused(path, r"not a sound \.tar\.gz")


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    """Guards against mixing two models."""
    made = archive(tmp_path / "a.tar.gz", plain("f"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("old")
    refused(made, "not empty")
