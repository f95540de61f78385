"""Which champions may be compared on which held-out rows: none on rows that it was trained on."""

import pytest

from mlops_assets.assets.champion import Champion
from mlops_assets.assets.records import SplitRecord


def split(as_of: str, digest: str = "new") -> SplitRecord:
    return SplitRecord(
        as_of=as_of,
        dataset_uri="s3://lake/datasets/x",
        digest=digest,
        method="window",
        train_partitions=("2013-01-01",),
        missing_partitions=(),
        rows={"train": 1, "holdout": 1},
        unlabelled=0,
        features_snapshot=1,
    )


def champion(as_of: str, method: str, digest: str = "old") -> Champion:
    return Champion("arn", "s3://lake/m", "artifact", as_of, digest, method)


@pytest.mark.parametrize(
    ("holder", "held_out", "seen"),
    [
        (champion("2013-03-01", "window"), split("2013-04-01"), False),
        (champion("2013-05-01", "window"), split("2013-04-01"), True),
        (champion("2013-04-01", "window"), split("2013-04-01"), False),
        # Split within April: most of April's rows were trained on, and April is held out now.
        (champion("2013-04-01", "time"), split("2013-04-01"), True),
        (champion("2013-04-01", "time", "same"), split("2013-04-01", "same"), False),
        (champion("all", "hash"), split("all"), False),
    ],
)
def test_a_champion_is_not_compared_on_rows_that_it_was_trained_on(holder, held_out, seen):
    assert holder.has_seen(held_out) is seen
