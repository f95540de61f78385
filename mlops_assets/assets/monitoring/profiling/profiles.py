"""Profiles in the lake: their rows, their grids, and how a window is read without its data.

Here: what stations and sensors share of them. Not here: the stations (`profile`,
`served_profile`), counting and comparing (`ml.profiles`, `ml.drift`).

The grids of a pipeline are objects of their own, written once each (``grids/<pipeline>/0000.json``
and on): the first partition with a value of a column fixes the column's grid, whoever comes first.
A later one adds only columns that there were none of, unless grids are renewed on purpose.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlops_assets.ml.profiles import codec
from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.columns import is_number
from mlops_assets.ml.profiles.grid import from_record
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import AnyGrid, Profile, fit_grids, merge, profile, regrid
from mlops_assets.ml.profiles.statistics import statistics
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

SERVED = "served_profile"
TYPES = {
    "partition": "str",
    "column": "str",
    "kind": "str",
    "rows": "int64",
    "missing": "int64",
    "nan": "int64",
    "inf": "int64",
    "distinct": "Int64",
    "mean": "float64",
    "std": "float64",
    "minimum": "float64",
    "p01": "float64",
    "p50": "float64",
    "p99": "float64",
    "maximum": "float64",
    "beyond": "int64",
    "grid": "str",
    "fingerprint": "str",
    "payload": "object",
}
"""Columns of the lake's table of profiles, one row a column of the data; ``payload`` is the profile
(`ml.profiles.codec`), everything before it is there to be read by people and SQL."""


def with_class_names(pipeline: MLPipeline, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows with the names of classes for their numbers, where the label has several: the
    numbers have no order, so they are counted as categories."""
    names = dict(enumerate(pipeline.label.classes))
    return rows.assign(**{column: rows[column].map(names).astype("str")}) if names else rows


def make(
    pipeline: MLPipeline, store: Store, frame: pd.DataFrame, *, renew: bool = False
) -> Profile:
    """The profile of a frame on the pipeline's grids; new columns get theirs from this frame."""
    grids = pipeline_grids(pipeline, store, frame, renew=renew)
    return profile(frame, grids, hide=pipeline.personal)


def read_profile(
    pipeline: MLPipeline, lake: "Lake", partitions: Sequence[str], table: str = "profile"
) -> Profile:
    """The profile of a window, merged from its partitions'; the data itself is not read.

    Where grids were renewed within the window, older profiles are laid over the newest grids.

    Args:
        table: ``profile`` (of features) or ``served_profile`` (of captured requests).

    Raises:
        PartitionNotFound: a partition has none.
        ValueError: no partition is named.
    """
    by_partition = read_profiles(pipeline, lake, partitions, table)
    newest: dict[str, AnyGrid] = {}
    for _, found in sorted(by_partition.items()):
        newest |= {name: column.grid for name, column in found.numeric.items() if column.present}
    return merge(regrid(each, newest) for each in by_partition.values())


def read_profiles(
    pipeline: MLPipeline,
    lake: "Lake",
    partitions: Sequence[str],
    table: str = "profile",
    *,
    snapshot_id: int | None = None,
) -> dict[str, Profile]:
    """{partition: its profile}, read at once, as of a snapshot. Raises as `read_profile`."""
    rows = lake.read(
        pipeline.table(table),
        list(dict.fromkeys(partitions)),
        columns=["partition", "payload"],
        snapshot_id=snapshot_id,
    )
    found = {p: group["payload"] for p, group in rows.groupby("partition", sort=False)}
    return {p: _together([codec.loads(b) for b in found.get(p, ())]) for p in partitions}


def _together(columns: list[Profile]) -> Profile:
    """A partition's profile, of its columns' rows in the table."""
    if not columns:
        return profile(pd.DataFrame(), {})
    return Profile(
        rows=columns[0].rows,
        fingerprint=columns[0].fingerprint,
        numeric={n: c for column in columns for n, c in column.numeric.items()},
        categorical={n: c for column in columns for n, c in column.categorical.items()},
    )


def as_table(pipeline: MLPipeline, partition: str, found: Profile) -> pd.DataFrame:
    """A profile as rows of the lake, one a column of the data."""
    rows = [
        {
            "partition": partition,
            "column": name,
            **_figures(found, name, name in pipeline.personal),
            "fingerprint": found.fingerprint,
            "payload": codec.dumps(found.select([name])),
        }
        for name in in_order(pipeline, found)
    ]
    return pd.DataFrame(rows, columns=list(TYPES)).astype(TYPES)


def in_order(pipeline: MLPipeline, found: Profile) -> list[str]:
    """A profile's columns in the order of the feature schema, any others first."""
    declared = [*pipeline.feature_columns, pipeline.label.column]
    others = [name for name in found.columns if name not in declared]
    return [*others, *(name for name in declared if name in found.columns)]


def _figures(found: Profile, name: str, hidden: bool) -> dict[str, Any]:
    column = found.columns[name]
    common = {"kind": column.kind, "rows": column.rows, "missing": column.missing}
    if isinstance(column, CategoricalProfile):
        distinct = column.distinct
        return {**common, "nan": 0, "inf": 0, "beyond": 0, "distinct": distinct,
                "grid": column.version}  # fmt: skip
    if not isinstance(column, NumericProfile):
        return {**common, "nan": 0, "inf": 0, "beyond": 0, "grid": ""}
    figures = {
        **common,
        "nan": column.nan,
        "inf": column.inf,
        "beyond": column.beyond,
        "distinct": column.distinct,
        "mean": column.mean,
        "std": column.std,
        "grid": column.grid.version,
    }
    if not hidden:
        figures |= dict(zip(("p01", "p50", "p99"), column.told([0.01, 0.5, 0.99]), strict=True))
        figures |= {"minimum": column.minimum, "maximum": column.maximum}
    return figures


def statistics_uri(pipeline: MLPipeline, store: Store, station: str, partition: str) -> str:
    """Where a partition's statistics.json is."""
    return store.uri("monitoring", pipeline.name, station, partition, "statistics.json")


def write_statistics(
    pipeline: MLPipeline, store: Store, station: str, partition: str, found: Profile
) -> str:
    """Write a partition's statistics.json; returns its URI."""
    uri = statistics_uri(pipeline, store, station, partition)
    content = statistics(found, hide=pipeline.personal)
    store.open().write(uri, json.dumps(content, indent=1, allow_nan=False).encode())
    return uri


def pipeline_grids(
    pipeline: MLPipeline, store: Store, frame: pd.DataFrame, *, renew: bool = False
) -> dict[str, AnyGrid]:
    """The pipeline's grids of a frame's columns; one without a value may have none yet.

    Args:
        renew: make new ones from this frame. Profiles on the old ones stay readable and are laid
            over the new ones when a window holds both.
    """
    kinds = {str(name): _kind(is_number(dtype)) for name, dtype in frame.dtypes.items()}
    made: dict[str, AnyGrid] | None = None
    while True:
        known, count = _known_grids(pipeline, store)
        lacking = [n for n, kind in kinds.items() if renew or (n, kind) not in known]
        if lacking and made is None:
            made = fit_grids(frame[lacking], hide=pipeline.personal)
        added = {name: grid for name, grid in (made or {}).items() if name in lacking}
        known |= {(name, kinds[name]): grid for name, grid in added.items()}
        if not added or _write(pipeline, store, count, added):
            return {n: known[n, kind] for n, kind in kinds.items() if (n, kind) in known}
        # Somebody was faster: theirs hold, and only what they lack is ours to add.
        renew = False


def _kind(number: bool) -> str:
    return "grid" if number else "vocabulary"


def _write(pipeline: MLPipeline, store: Store, place: int, grids: Mapping[str, AnyGrid]) -> bool:
    uri = store.uri("grids", pipeline.name, f"{place:04d}.json")
    records = {name: grid.record() for name, grid in grids.items()}
    return store.open().write_if_absent(uri, json.dumps(records, indent=1).encode())


def _known_grids(pipeline: MLPipeline, store: Store) -> tuple[dict[tuple[str, str], AnyGrid], int]:
    """({(column, kind): grid}, how many objects there are); later objects replace earlier ones.

    By kind, too: a column that changes its type back and forth keeps one grid of each.
    """
    objects = store.open()
    files = sorted(info.uri for info in objects.list(store.uri("grids", pipeline.name)))
    known: dict[tuple[str, str], AnyGrid] = {}
    for uri in files:
        for name, record in json.loads(objects.read(uri)).items():
            known[name, record["kind"]] = from_record(record)
    return known, len(files)
