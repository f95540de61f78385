"""The rows that hyperparameters are searched on: those that the model trains on, split once more.

Here: keeping what the gates judge on unseen by the search. Not here: the model's own split
(`splits`), nor the search (`hyperparameters`).
"""

from typing import TYPE_CHECKING

import pandas as pd

from mlops_assets.assets.records import SplitRecord
from mlops_assets.assets.splits import entity, labelled, store_split
from mlops_assets.ml.splitting import by_hash, time_ordered
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import Dataset, read_split
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake


def tuning_dataset(
    pipeline: MLPipeline, lake: "Lake", store: Store, split: SplitRecord
) -> tuple[Dataset, str]:
    """The dataset of a search as of a split, and in words what its ``holdout`` is.

    The newest partition that the model trains on is held out, or of a single one its last part (by
    event time, else by a hash of the entity). Where the model's own held-out rows are of that same
    partition they are left out altogether.
    """
    rows = _trained_on(pipeline, lake, store, split)
    *older, newest = rows
    if older:
        train, holdout = pd.concat([rows[p] for p in older]), rows[newest]
        words = newest
    else:
        share = pipeline.split.holdout_share
        if pipeline.event_time:
            masks = time_ordered(rows[newest][pipeline.event_time], share)
        else:
            # Salted apart from the model's own split: the same hash would hold nothing out.
            masks = by_hash(entity(rows[newest], pipeline), share, f"{pipeline.name}/tuning")
        train, holdout = rows[newest].loc[masks[0]], rows[newest].loc[masks[1]]
        words = f"{share:.0%} of the training rows of {newest}"
    return store_split(pipeline, store, train, holdout), words


def _trained_on(
    pipeline: MLPipeline, lake: "Lake", store: Store, split: SplitRecord
) -> dict[str, pd.DataFrame]:
    """{partition: its labelled rows that the model trains on}, without empty ones."""
    found = {}
    for partition in split.train_partitions:
        rows = lake.read(
            pipeline.table("features"), [partition], snapshot_id=split.features_snapshot
        )
        rows, _ = labelled(rows, pipeline)
        if partition == split.as_of:
            judged = entity(read_split(store.open(), split.dataset_uri, "holdout"), pipeline)
            rows = rows.loc[~entity(rows, pipeline).isin(judged)].reset_index(drop=True)
        if not rows.empty:
            found[partition] = rows
    return found
