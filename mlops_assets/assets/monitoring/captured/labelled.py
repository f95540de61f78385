"""Captured predictions with their labels: what every later judgement of a served model reads.

Here: which label belongs to which captured answer, and since when it was known. Not here: how
captures and labels come into the lake (`captures`, `ground_truth`), any metric (`performance`).
"""

from typing import TYPE_CHECKING

import pandas as pd

from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.tables import ANSWERED, typed_captures, typed_labels

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

LATE = "late"
"""Name in ``labelled(…).attrs`` of the number of events whose label came too late to count."""


def known_partitions(pipeline: MLPipeline, partition: str) -> list[str]:
    """The partitions in which labels of a partition's events may become known.

    From the prediction on (``horizon`` before the event: a cancelled flight is known early) until
    ``monitors.performance.labels_within`` after it.
    """
    window = pipeline.partitions.window(partition)
    if window is None:
        return [partition]
    within = pd.Timedelta(pipeline.monitors.performance.labels_within)
    return pipeline.partitions.between(
        window[0] - pd.Timedelta(pipeline.horizon), window[1] + within
    )


def labelled(pipeline: MLPipeline, lake: "Lake", partition: str) -> pd.DataFrame:
    """The captured answers of a partition's events, each with its label where one is known.

    The label is the last one collected in time as ground truth, else the one that ``features``
    bring along. A label known later than ``labels_within`` after the event counts as none;
    ``attrs["late"]`` says how many did.

    Returns:
        One row a captured answer (an event asked twice has two, see `last_answers`; a shadow's
        answers are left out): event_id, event_time, inference_time, variant, version, prediction,
        of several classes their probabilities (`Label.answers`), label, known_at, label_source
        ("ground_truth" or "source"), provenance, and the features as they were sent. Empty where
        nothing was captured.
    """
    captured = _read(lake, pipeline.table("captures"), [partition])
    captured = typed_captures(captured, _dtypes(pipeline), pipeline.label.answers)
    captured = captured.loc[captured["variant"].isin(ANSWERED)].reset_index(drop=True)
    truth = ground_truth(pipeline, lake, partition)
    source = _source_labels(pipeline, lake, partition) if len(captured) else truth.head(0)
    within = pd.Timedelta(pipeline.monitors.performance.labels_within)
    times = captured.drop_duplicates("event_id").set_index("event_id")["event_time"]
    late, chosen = 0, []
    for labels in (truth, source):
        of_events = labels.loc[labels["event_id"].isin(times.index)]
        # By position: pandas maps by an empty series as if it held numbers.
        deadline = times.reindex(of_events["event_id"]).set_axis(of_events.index) + within
        in_time = ~(of_events["known_at"] > deadline)  # a label of unknown age is not late
        late += int(of_events.loc[~in_time, "event_id"].nunique())
        last = of_events.loc[in_time].sort_values("known_at", kind="stable", na_position="first")
        chosen.append(last.drop_duplicates("event_id", keep="last"))
    best = pd.concat(chosen, ignore_index=True).drop_duplicates("event_id", keep="first")
    joined = captured.merge(best, on="event_id", how="left", validate="many_to_one")
    first = ["event_id", "event_time", "inference_time", "variant", "version", "prediction"]
    labels_of = ["label", "known_at", "label_source", "provenance"]
    joined = joined[[*first, *pipeline.label.answers, *labels_of, *pipeline.feature_columns]]
    joined.attrs[LATE] = late
    return joined


def snapshots_read(pipeline: MLPipeline, lake: "Lake", partition: str) -> dict[str, int | None]:
    """{table: the snapshot that last wrote what `labelled` reads of it}, None where none did."""
    truth = pipeline.table("ground_truth")
    tables = (pipeline.table(name) for name in ("captures", "features", "clean"))
    return {
        **{table: lake.partition_snapshot(table, partition) for table in tables},
        truth: lake.last_change(truth, known_partitions(pipeline, partition)),
    }


def last_answers(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an event: the last answer before the event happened, else the last answer.

    A caller may ask again as the event comes nearer; what counts is what was said last. In a replay
    every answer comes after its event, and the last one counts.
    """
    order = rows.assign(_before=rows["inference_time"] <= rows["event_time"])
    order = order.sort_values(["_before", "inference_time"], kind="stable")
    kept = order.drop_duplicates("event_id", keep="last").index
    return rows.loc[rows.index.isin(kept)].reset_index(drop=True)


def ground_truth(pipeline: MLPipeline, lake: "Lake", partition: str) -> pd.DataFrame:
    """The labels that became known while a partition's events could be labelled: event_id, label,
    known_at, label_source, provenance."""
    table = pipeline.table("ground_truth")
    there = set(lake.partitions(table)) if lake.exists(table) else set()
    known = [p for p in known_partitions(pipeline, partition) if p in there]
    labels = typed_labels(_read(lake, table, known) if known else pd.DataFrame())
    return labels[["event_id", "label", "known_at", "provenance"]].assign(
        label_source="ground_truth"
    )


def _source_labels(pipeline: MLPipeline, lake: "Lake", partition: str) -> pd.DataFrame:
    """The labels that the source delivered itself, with when they were known where it says so."""
    rows = _read(lake, pipeline.table("features"), [partition])
    if rows.empty:
        return typed_labels(pd.DataFrame())[["event_id", "label", "known_at", "provenance"]].assign(
            label_source="source"
        )
    labels = pd.DataFrame(
        {
            "event_id": event_id(pipeline, rows),
            "label": pd.to_numeric(rows[pipeline.label.column]).astype("float64"),
        }
    )
    labels = labels.assign(known_at=_known_at(pipeline, lake, partition, rows))
    labels = labels.assign(provenance="source", label_source="source")
    return labels.loc[labels["label"].notna()].drop_duplicates("event_id", keep="last")


def _known_at(pipeline: MLPipeline, lake: "Lake", partition: str, rows: pd.DataFrame) -> pd.Series:
    """When the source knew each row's label; NaT where it does not say."""
    unknown = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    column = pipeline.label.known_at
    if column is None:
        return unknown
    if column in rows:
        return pd.to_datetime(rows[column], utc=True).dt.as_unit("us")
    clean = _read(lake, pipeline.table("clean"), [partition])
    if clean.empty:
        return unknown
    times = pd.Series(
        pd.to_datetime(clean[column], utc=True).dt.as_unit("us").array,
        index=event_id(pipeline, clean).array,
    )
    found = event_id(pipeline, rows).map(times[~times.index.duplicated(keep="last")])
    return pd.to_datetime(found, utc=True).dt.as_unit("us")


def _read(lake: "Lake", table: str, partitions: list[str]) -> pd.DataFrame:
    """The rows of partitions, none where there are none."""
    if not lake.exists(table) or not set(partitions) <= set(lake.partitions(table)):
        return pd.DataFrame()
    return lake.read(table, partitions)


def _dtypes(pipeline: MLPipeline) -> dict[str, str]:
    schema = pipeline.feature_schema.to_schema().columns
    return {name: str(schema[name].dtype) for name in pipeline.feature_columns}
