"""Model archives: the same bytes each time, and nothing unpacked that should not be."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from mlops_assets.sagemaker_local import archives
from mlops_assets.sagemaker_local.archives import ArchiveError, pack, unpack


def written(path: Path, *members: tarfile.TarInfo, content: bytes = b"") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_times_order_owners_and_modes_leave_no_trace(tmp_path):
    """Two trainings of the same model must be comparable by their archives' bytes."""
    archive = []
    for number, names in enumerate((["b", "a/c"], ["a/c", "b"])):
        folder = tmp_path / str(number)
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            path.chmod(0o600 if number else 0o664)
            os.utime(path, (number, number))
        archive.append(tmp_path / f"{number}.tar.gz")
        assert pack(folder, archive[-1]) == 2
    assert archive[0].read_bytes() == archive[1].read_bytes()
    unpack(archive[0], tmp_path / "out")
    assert (tmp_path / "out" / "a" / "c").read_text() == "a/c"


def test_links_are_not_packed(tmp_path):
    """A link to /etc/shadow must not put its content, nor itself, into a model."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to("/etc/hostname")
    assert pack(tmp_path / "folder", tmp_path / "a.tar.gz") == 0


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside"),
        member("/outside"),
        member("a/../../outside"),
        member("link", tarfile.SYMTYPE, "/etc"),
        member("hard", tarfile.LNKTYPE, "/etc/hostname"),
        member("fifo", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
    ],
    ids=lambda info: info.name,
)
def test_members_that_reach_outside_are_refused(tmp_path, bad):
    """An archive from elsewhere is not trusted."""
    archive = written(tmp_path / "bad.tar.gz", bad)
    with pytest.raises(ArchiveError, match=r"bad\.tar\.gz"):
        unpack(archive, tmp_path / "folder" / "out")
    assert not any((tmp_path / "folder").rglob("outside"))


def test_an_archive_that_swells_is_refused(tmp_path):
    """A 194 KB archive unpacked to 200 MB in a trial."""
    archive = written(tmp_path / "bomb.tar.gz", member("zeros"), content=bytes(100 * 2**20))
    assert archive.stat().st_size < 200_000
    with pytest.raises(ArchiveError, match="unpacks to over"):
        unpack(archive, tmp_path / "out")


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    """A million empty files fill a disk's inodes."""
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    archive = written(tmp_path / "many.tar.gz", *(member(str(n)) for n in range(4)))
    with pytest.raises(ArchiveError, match="3 files"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("damage", [b"", b"not gzip", b"\x1f\x8b\x08\x00"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, damage):
    """Fault matrix 21: a truncated artifact."""
    (tmp_path / "torn.tar.gz").write_bytes(damage)
    with pytest.raises(ArchiveError, match="not a readable"):
        unpack(tmp_path / "torn.tar.gz", tmp_path / "out")


def test_a_torn_archive_is_refused(tmp_path):
    """An upload that broke off in the middle."""
    archive = written(tmp_path / "torn.tar.gz", member("a"), content=os.urandom(100_000))
    archive.write_bytes(archive.read_bytes()[:50_000])
    with pytest.raises(ArchiveError, match="not a readable"):
        unpack(archive, tmp_path / "out")
