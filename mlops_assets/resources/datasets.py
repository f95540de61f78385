"""Datasets for training: immutable, addressed by their content, one folder per split.

Belongs here: writing and reading such a dataset. Does not belong here: which rows are in which
split (assets/, ml/splitting.py), tables that change (lake/).

``<prefix>/<digest>/<split>/part-0.parquet`` is what a SageMaker channel downloads;
``<prefix>/<digest>/dataset.json`` is written last: a dataset without it does not exist, so that
nobody sees half of one, and the rerun of a killed write completes it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.resources.lake.digest import content_digest
from mlops_assets.resources.lake.frames import fit, to_arrow, to_pandas

_SPLIT = re.compile(r"[a-z0-9_]+")


class DatasetError(Exception):
    """A dataset that is not there, incomplete, or not what its digest says."""


@dataclass(frozen=True)
class Dataset:
    """A complete dataset: ``uri`` ends in the first 16 digits of ``digest``; rows by split."""

    uri: str
    digest: str
    rows: dict[str, int]


def write_dataset(objects: Objects, prefix_uri: str, splits: Mapping[str, pd.DataFrame]) -> Dataset:
    """Write the splits as one dataset, unless it is there already.

    The digest is over the splits' names, columns, types, values and row order, not over the
    Parquet bytes. Raises DatasetError for split names, LakeError for values without a type.
    """
    if not splits or not all(_SPLIT.fullmatch(name) for name in splits):
        raise DatasetError(f"splits {sorted(splits)}: name one or more, of a-z, 0-9 and _")
    tables: dict[str, pa.Table] = {}
    described = {}
    for name, frame in sorted(splits.items()):
        data, dtypes = to_arrow(frame)
        tables[name] = fit(data, pa.schema([]))
        described[name] = {
            "rows": data.num_rows,
            "digest": content_digest(tables[name]),
            "columns": _columns(tables[name]),
            "dtypes": dtypes,
        }
    manifest = json.dumps({"version": 1, "splits": described}, indent=1, sort_keys=True)
    digest = hashlib.sha256(manifest.encode()).hexdigest()
    uri = f"{prefix_uri.rstrip('/')}/{digest[:16]}"
    if not objects.exists(f"{uri}/dataset.json"):
        for name, table in tables.items():
            sink = io.BytesIO()
            pq.write_table(table, sink, compression="zstd")
            objects.write(f"{uri}/{name}/part-0.parquet", sink.getvalue())
        objects.write(f"{uri}/dataset.json", manifest.encode())
    return Dataset(uri, digest, {name: table.num_rows for name, table in tables.items()})


def read_split(objects: Objects, dataset_uri: str, split: str) -> pd.DataFrame:
    """The rows of a split as they were written, checked against the digest.

    Raises DatasetError if the dataset is incomplete, has no such split, or was altered.
    """
    uri = dataset_uri.rstrip("/")
    try:
        described = json.loads(objects.read(f"{uri}/dataset.json"))["splits"]
    except ObjectNotFound as error:
        raise DatasetError(
            f"{uri} is no complete dataset (it has no dataset.json): write it again"
        ) from error
    if split not in described:
        raise DatasetError(f"{uri} has no split {split!r}; there is: {sorted(described)}")
    try:
        data = objects.read(f"{uri}/{split}/part-0.parquet")
        table = fit(pq.read_table(pa.BufferReader(data)), pa.schema([]))
    except (ObjectNotFound, pa.ArrowException) as error:
        raise DatasetError(f"{uri}/{split} cannot be read: {error}") from error
    known = described[split]
    if _columns(table) != known["columns"] or content_digest(table) != known["digest"]:
        raise DatasetError(f"{uri}/{split} was altered: its rows do not match dataset.json")
    return to_pandas(table, known["dtypes"])


def _columns(table: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in table.schema}
