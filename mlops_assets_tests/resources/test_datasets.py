"""Datasets: the same content is the same dataset, and half of one is none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from mlops_assets.objects import Objects, open_objects
from mlops_assets.resources.datasets import DatasetError, read_split, write_dataset
from mlops_assets.resources.lake.errors import LakeError

PREFIX = "s3://data/flight_delays/datasets"
TRAIN = pd.DataFrame(
    {
        "carrier": ["UA", None, "AA"],
        "wind": [1.5, np.nan, 3.0],
        "hour": np.array([5, 6, 7], dtype="int8"),
        "seats": pd.array([100, None, 2**62 + 1], dtype="Int64"),
        "late": [True, False, True],
    }
)
SPLITS = {"train": TRAIN, "holdout": TRAIN[:0]}


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return open_objects(f"dir:{tmp_path}")


def test_splits_come_back_as_they_were(objects: Objects) -> None:
    dataset = write_dataset(objects, PREFIX + "/", SPLITS)
    assert dataset.uri == f"{PREFIX}/{dataset.digest[:16]}"
    assert dataset.rows == {"train": 3, "holdout": 0}
    for name, frame in SPLITS.items():
        assert_frame_equal(read_split(objects, dataset.uri, name), frame)


def test_training_scripts_read_it_with_pandas_alone(objects: Objects, tmp_path: Path) -> None:
    dataset = write_dataset(objects, PREFIX, SPLITS)
    objects.download_tree(f"{dataset.uri}/train", tmp_path / "channel")
    frame = pd.read_parquet(tmp_path / "channel")
    assert frame["carrier"].tolist()[::2] == ["UA", "AA"]
    assert frame["wind"].isna().tolist() == [False, True, False]


def test_the_same_content_is_written_once(objects: Objects) -> None:
    dataset = write_dataset(objects, PREFIX, SPLITS)
    before = list(objects.list(PREFIX))
    again = write_dataset(objects, PREFIX, {name: frame.copy() for name, frame in SPLITS.items()})
    assert again == dataset
    assert list(objects.list(PREFIX)) == before


def test_other_content_is_another_dataset(objects: Objects) -> None:
    others = [
        SPLITS,
        {"train": TRAIN[::-1], "holdout": TRAIN[:0]},
        {"train": TRAIN.rename(columns={"wind": "gust"}), "holdout": TRAIN[:0]},
        {"train": TRAIN.astype({"hour": "int16"}), "holdout": TRAIN[:0]},
        {"train": TRAIN, "test": TRAIN[:0]},
        {"train": TRAIN},
    ]
    assert len({write_dataset(objects, PREFIX, splits).uri for splits in others}) == len(others)


def test_half_a_dataset_does_not_exist_and_a_rerun_completes_it(objects: Objects) -> None:
    """A killed write leaves splits without dataset.json: training on them must be impossible."""
    dataset = write_dataset(objects, PREFIX, SPLITS)
    objects.delete(f"{dataset.uri}/dataset.json")
    objects.write(f"{dataset.uri}/train/part-0.parquet", b"torn")
    with pytest.raises(DatasetError, match=r"no complete dataset .* write it again"):
        read_split(objects, dataset.uri, "train")
    assert write_dataset(objects, PREFIX, SPLITS) == dataset
    assert_frame_equal(read_split(objects, dataset.uri, "train"), TRAIN)


@pytest.mark.integration
def test_a_writer_killed_anywhere_leaves_nothing_or_all(tmp_path: Path) -> None:
    """Kill -9 after each single object that is written: the dataset is there only at the end."""
    program = (
        "import os, sys, pandas as pd; from mlops_assets.objects import open_objects\n"
        "from mlops_assets.resources.datasets import write_dataset\n"
        "objects, left = open_objects(sys.argv[1]), int(sys.argv[2])\n"
        "write = objects.write\n"
        "def dying(uri, data):\n"
        "    global left\n"
        "    write(uri, data); left -= 1\n"
        "    if left == 0: os.kill(os.getpid(), 9)\n"
        "objects.write = dying\n"
        f"print(write_dataset(objects, {PREFIX!r}, "
        "{'a': pd.DataFrame({'n': [1]}), 'b': pd.DataFrame({'n': [2]})}).uri)\n"
    )

    def start(writes: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, f"dir:{tmp_path}", str(writes)],
            capture_output=True,
            text=True,
            check=False,
        )

    objects = open_objects(f"dir:{tmp_path}")
    for writes in (1, 2):
        assert start(writes).returncode == -9
        assert not [info for info in objects.list(PREFIX) if info.uri.endswith(".json")]
    uri = start(99).stdout.strip()
    assert read_split(objects, uri, "b")["n"].tolist() == [2]


def test_altered_rows_are_noticed(objects: Objects) -> None:
    """Fault 11 and security demand 3: a short or changed file must not train a model."""
    dataset = write_dataset(objects, PREFIX, SPLITS)
    part = f"{dataset.uri}/train/part-0.parquet"
    whole = objects.read(part)
    objects.write(part, whole[:-20])
    with pytest.raises(DatasetError, match=r"train cannot be read"):
        read_split(objects, dataset.uri, "train")
    objects.write(part, _parquet(TRAIN.assign(late=True)))
    with pytest.raises(DatasetError, match=r"train was altered"):
        read_split(objects, dataset.uri, "train")
    objects.delete(part)
    with pytest.raises(DatasetError, match=r"train cannot be read"):
        read_split(objects, dataset.uri, "train")
    objects.write(part, whole)
    assert len(read_split(objects, dataset.uri, "train")) == 3


def _parquet(frame: pd.DataFrame) -> bytes:
    import io

    import pyarrow as pa

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
    return sink.getvalue()


def test_names_and_values_without_meaning_are_refused(objects: Objects) -> None:
    for splits in ({}, {"../train": TRAIN}, {"Train": TRAIN}, {"": TRAIN}):
        with pytest.raises(DatasetError, match="of a-z, 0-9 and _"):
            write_dataset(objects, PREFIX, splits)
    with pytest.raises(LakeError, match="column 'a'"):
        write_dataset(objects, PREFIX, {"train": pd.DataFrame({"a": [1, "x"]})})
    dataset = write_dataset(objects, PREFIX, SPLITS)
    with pytest.raises(DatasetError, match=r"no split 'test'; there is: \['holdout', 'train'\]"):
        read_split(objects, dataset.uri, "test")
