"""Reading assets by name: as they are, as they were, and a clear word when there is none."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from mlops_assets.reading import Assets
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.lake.errors import LakeError, SnapshotNotFound, TableNotFound
from mlops_assets.settings import Settings

JANUARY, FEBRUARY = "2013-01-01", "2013-02-01"


@pytest.fixture
def assets(tmp_path: Path) -> Assets:
    """January, February, and January once more, corrected."""
    settings = Settings.load(home=tmp_path)
    lake = Lake.open(settings.lake_catalog)
    for partition, rows, run in (
        (JANUARY, [1, 2], "first"),
        (FEBRUARY, [3], "second"),
        (JANUARY, [1, 2, 9], "third"),
    ):
        frame = pd.DataFrame({"n": rows, "partition": partition})
        lake.write("flights.clean", partition, frame, properties={"dagster.run_id": run})
    return Assets.open(settings)


def test_by_name_it_is_what_it_is_now(assets: Assets) -> None:
    assert assets.read("flights/clean")["n"].tolist() == [1, 2, 9, 3]
    assert assets.read("flights/clean", [FEBRUARY], columns=["n"]).to_dict("list") == {"n": [3]}
    assert assets.partitions("flights/clean") == [JANUARY, FEBRUARY]


def test_the_history_names_each_commit_with_its_run(assets: Assets) -> None:
    """Who wants to know why a model was good has to find the version that it saw."""
    history = assets.history("flights/clean")
    assert history["partition"].tolist() == [JANUARY, FEBRUARY, JANUARY]
    assert history["rows"].tolist() == [2, 1, 3]
    assert history["run_id"].tolist() == ["first", "second", "third"]
    assert history["committed_at"].is_monotonic_increasing
    assert assets.snapshot("flights/clean") == history["snapshot_id"].iloc[-1]


def test_a_version_stays_what_it_was(assets: Assets) -> None:
    """A correction that changes what was read before: nothing could be reproduced."""
    first, second, _ = assets.history("flights/clean")["snapshot_id"]
    assert assets.read("flights/clean", snapshot=first)["n"].tolist() == [1, 2]
    assert assets.read("flights/clean", snapshot=second)["n"].tolist() == [1, 2, 3]


def test_a_moment_is_the_version_that_stood_then(assets: Assets) -> None:
    history = assets.history("flights/clean")
    moment = history["committed_at"].iloc[1].to_pydatetime()
    stood = assets.snapshot("flights/clean", moment)
    assert stood in set(history.loc[history["committed_at"] <= moment, "snapshot_id"])
    assert assets.read("flights/clean", at=moment).equals(
        assets.read("flights/clean", snapshot=stood)
    )


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"name": "flights/clear"}, TableNotFound, "there is: flights.clean"),
        ({"name": "flights"}, LakeError, "needs AssetKey"),
        ({"name": "flights/clean", "snapshot": 1}, SnapshotNotFound, "no snapshot 1"),
        (
            {"name": "flights/clean", "at": dt.datetime(2000, 1, 1, tzinfo=dt.UTC)},
            LakeError,
            "nothing was committed by 2000-01-01",
        ),
        (
            {"name": "flights/clean", "at": dt.datetime(2000, 1, 1)},  # noqa: DTZ001
            LakeError,
            "has no time zone",
        ),
        (
            {"name": "flights/clean", "snapshot": 1, "at": dt.datetime.now(dt.UTC)},
            LakeError,
            "not both",
        ),
    ],
)
def test_what_is_not_there_is_said(
    asked: dict[str, object], error: type[Exception], words: str, assets: Assets
) -> None:
    """An empty frame would look like an answer."""
    with pytest.raises(error, match=words):
        assets.read(**asked)  # type: ignore[arg-type]
