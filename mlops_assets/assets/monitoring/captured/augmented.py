"""Training rows from what was served: features with the labels that came later.

Here: rows of ``features`` with ground truth put in, and served rows that ``features`` lacks. Not
here: how rows are split (`splits`, which reads ``features``). To train on them, return them from
the pipeline's source, or write them to a table of their own: nothing is trained on unasked.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pandas as pd

from mlops_assets.assets.monitoring.captured.events import LONGEST, event_id
from mlops_assets.assets.monitoring.captured.labelled import labelled, last_answers
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.tables import dtype_of

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

PROVENANCE = "provenance"
"""The column that says where a row's label is from: ``source``, ``upload``, ``queue:ada``…"""


def augmented(pipeline: MLPipeline, lake: "Lake", partitions: Sequence[str]) -> pd.DataFrame:
    """Labelled rows of partitions, in the columns of ``feature_schema`` and ``provenance``.

    A label collected as ground truth wins over the one that the source brought. Features are the
    lake's where it has the event, else those that were sent; of these only rows that sent the key's
    values legibly can be used (an id of more than 64 characters is a digest), ``attrs["no_key"]``
    says how many could not.
    """
    frames = [_partition(pipeline, lake, partition) for partition in partitions]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    rows.attrs["no_key"] = sum(frame.attrs.get("no_key", 0) for frame in frames)
    return rows


def _partition(pipeline: MLPipeline, lake: "Lake", partition: str) -> pd.DataFrame:
    columns = list(pipeline.feature_schema.to_schema().columns)
    label = pipeline.label.column
    served = last_answers(labelled(pipeline, lake, partition))
    served = served.loc[served["label"].notna()]
    truth = served.loc[served["label_source"] == "ground_truth"].set_index("event_id")
    name = pipeline.table("features")
    if lake.exists(name) and partition in lake.partitions(name):
        offline = lake.read(name, [partition])
        ids = event_id(pipeline, offline)
        late = ids.map(truth["label"])
        offline = offline[columns].assign(
            **{
                label: late.where(late.notna(), offline[label].astype("float64")),
                PROVENANCE: ids.map(truth["provenance"]).fillna("source"),
            }
        )
    else:
        ids = pd.Series([], dtype="str")
        offline = pd.DataFrame(columns=[*columns, PROVENANCE])
    alone = served.loc[~served["event_id"].isin(set(ids))].reset_index(drop=True)
    legible = _legible(pipeline, alone["event_id"])
    made = _served(pipeline, alone.loc[legible].reset_index(drop=True), columns)
    frame = pd.concat([offline, made], ignore_index=True) if len(made) else offline
    frame = frame.loc[frame[label].notna()].reset_index(drop=True)
    frame.attrs["no_key"] = int((~legible).sum())
    return frame


def _legible(pipeline: MLPipeline, ids: pd.Series) -> pd.Series:
    parts = ids.str.count("/") + 1
    digest = (ids.str.len() == LONGEST) & ids.str.contains("~", regex=False)
    return (parts == len(pipeline.entity_key)) & ~digest & ~ids.str.contains("#", regex=False)


def _served(pipeline: MLPipeline, rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Served rows in the columns of features; the key's values are read from the event's id."""
    schema = pipeline.feature_schema.to_schema().columns
    made = {name: rows[name] for name in pipeline.feature_columns}
    parts = rows["event_id"].str.split("/", expand=True)
    for place, name in enumerate(pipeline.entity_key):
        texts = parts[place].map(unquote) if len(rows) else pd.Series([], dtype="str")
        made[name] = texts.astype(dtype_of(str(schema[name].dtype)))
    if pipeline.event_time is not None:
        made[pipeline.event_time] = rows["event_time"]
    made[pipeline.label.column] = rows["label"]
    return pd.DataFrame(made)[list(columns)].assign(**{PROVENANCE: rows["provenance"]})
