"""FileSource: partitions of files by pattern, from a directory or a bucket."""

import pandas as pd
import pytest

from mlops_assets.resources.sources import FileSource, SourceError


@pytest.fixture
def sales(tmp_path):
    for month in ("2024-01", "2024-02"):
        for part in (1, 2):
            path = tmp_path / month / f"part-{part}.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"id,amount\n{part},{part}.5\n")
    (tmp_path / "notes.txt").write_text("not data")
    return FileSource(str(tmp_path), "{partition}/*.csv")


def test_partitions_come_from_the_pattern(sales):
    assert sales.partitions() == ["2024-01", "2024-02"]


def test_several_files_are_one_partition_in_the_order_of_their_names(sales):
    assert sales.read("2024-01")["id"].tolist() == ["1", "2"]


def test_a_missing_partition_says_what_there_is(sales):
    with pytest.raises(SourceError, match=r"nothing for partition '2024-03'. It has: 2024-01"):
        sales.read("2024-03")


def test_version_changes_with_the_content_of_its_partition_only(sales, tmp_path):
    before = {key: sales.version(key) for key in sales.partitions()}
    (tmp_path / "2024-02" / "part-3.csv").write_text("id,amount\n3,3.5\n")
    assert sales.version("2024-01") == before["2024-01"]
    assert sales.version("2024-02") != before["2024-02"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_formats(tmp_path, suffix):
    frame = pd.DataFrame({"id": [1, 2], "name": ["a", "b"]})
    path = tmp_path / f"data.{suffix}"
    {
        "csv": lambda: frame.to_csv(path, index=False),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(path),
    }[suffix]()
    source = FileSource(str(tmp_path), f"*.{suffix}")
    assert source.partitions() == ["all"]
    # CSV has no types: the schema gives them.
    expected = frame.astype("str") if suffix == "csv" else frame
    pd.testing.assert_frame_equal(source.read("all"), expected)


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"not parquet")
    with pytest.raises(SourceError, match=r"bad\.parquet cannot be read"):
        FileSource(str(tmp_path), "*.parquet").read("all")


def test_an_unknown_format_is_refused():
    with pytest.raises(SourceError, match=r"must end in one of \.csv, \.jsonl, \.parquet"):
        FileSource("somewhere", "*.xlsx")


def test_buckets_are_read_like_directories(tmp_path, monkeypatch):
    """A local bucket is a directory: the same declaration must work in both worlds."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    path = tmp_path / "buckets" / "incoming" / "sales" / "2024-01.csv"
    path.parent.mkdir(parents=True)
    path.write_text("id\n7\n")
    source = FileSource("s3://incoming/sales", "{partition}.csv")
    assert source.partitions() == ["2024-01"]
    assert source.read("2024-01")["id"].tolist() == ["7"]
