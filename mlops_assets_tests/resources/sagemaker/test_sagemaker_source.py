"""The script's archive: the same files are the same address, and nothing else travels."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from mlops_assets.objects import open_objects
from mlops_assets.resources.sagemaker.source import source_files, upload_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "script"
    (source / "__pycache__").mkdir(parents=True)
    (source / "tests").mkdir()
    (source / "lib").mkdir()
    (source / "train.py").write_text("print('training')")
    (source / "lib" / "features.py").write_text("WIDTH = 3")
    for unwanted in ("__pycache__/train.pyc", "tests/test_train.py", ".env"):
        (source / unwanted).write_text("not for the job")
    return source


def test_an_untouched_folder_keeps_its_address(folder: Path, tmp_path: Path) -> None:
    """Guards against a retraining because files were checked out again, or their clock moved."""
    objects = open_objects(f"dir:{tmp_path / 'buckets'}")
    first = upload_source(objects, "lake", folder)
    os.utime(folder / "train.py", (1, 1))
    (folder / "__pycache__" / "more.pyc").write_text("cache")
    assert upload_source(objects, "lake", folder) == first
    (folder / "lib" / "features.py").write_text("WIDTH = 4")
    assert upload_source(objects, "lake", folder) != first


def test_the_archive_holds_the_script_and_nothing_private(folder: Path, tmp_path: Path) -> None:
    objects = open_objects(f"dir:{tmp_path / 'buckets'}")
    data = objects.read(upload_source(objects, "lake", folder))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        assert archive.getnames() == ["lib/features.py", "train.py"]
        assert {(m.mtime, m.uid, m.uname) for m in archive.getmembers()} == {(0, 0, "")}


def test_single_files_travel_by_name(folder: Path) -> None:
    files = source_files([folder / "train.py", folder / "lib" / "features.py"])
    assert sorted(files) == ["features.py", "train.py"]


def test_nothing_to_send_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no file"):
        source_files(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"gone\.py does not exist"):
        source_files(tmp_path / "gone.py")
