"""The feature rows of a captured request, as the model server understood them.

Here: which values a body holds, by the container's own readers, typed by the feature schema. Not
here: what stands around the body (`capture_records`), files (`captured_files`).

Rows that name their columns may leave some out (the endpoint reads them itself, or its model does
not take them); those are missing here, and named. Rows without names are in the order of the
model's own features.json.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.containers.online_features.online_rows import Row, read_rows
from mlops_assets.containers.reading.arrays import ArrayReader
from mlops_assets.containers.reading.arrays import load as load_array
from mlops_assets.containers.reading.parse import Form, Parser, form_of
from mlops_assets.containers.reply import (
    ARROW,
    BODIES,
    CSV,
    NPY,
    OTHER_PARQUET,
    PARQUET,
    Refused,
)
from mlops_assets.ml.artifact.spec import CategoryColumn, FeatureSpec
from mlops_assets.resources.monitoring.capture_records import BadRecord, Payload
from mlops_assets.resources.monitoring.capture_values import is_number, reader

SpecOf = Callable[[int], FeatureSpec | None]
"""From a version of the model package to its features.json; None where that cannot be had."""

_MOST_ROWS = 1_000_000
_TABLES = (ARROW, PARQUET, OTHER_PARQUET)


@dataclass(frozen=True)
class Rows:
    """Raw columns of a request: {feature: values}, and for each row the features left out."""

    columns: Mapping[str, Sequence[Any]]
    left_out: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.left_out)


class RowReader:
    """Reads request bodies for the features of one pipeline.

    Args:
        features: {feature: dtype of the schema}.
        spec_of: asked only for rows whose columns have no names.
    """

    def __init__(self, features: Mapping[str, str], spec_of: SpecOf = lambda _: None) -> None:
        self._features = dict(features)
        self._read = {name: reader(kind) for name, kind in features.items()}
        self._spec_of = spec_of

    def __call__(self, request: Payload, version: int) -> Rows:
        """The rows of a request.

        Raises:
            BadRecord: the server would not have understood it either, or the schema has no place
                for a value; the message names row and column, and never a personal value.
        """
        try:
            form = form_of(request.content_type, BODIES)
            raw, left_out = self._raw(form, request, version)
        except Refused as refused:
            raise BadRecord(f"the request cannot be read: {_anonymous(refused)}") from None
        return Rows({name: self._typed(name, raw[name]) for name in raw}, left_out)

    def _raw(
        self, form: Form, request: Payload, version: int
    ) -> tuple[dict[str, Sequence[Any]], tuple[str, ...]]:
        if form.kind in _TABLES:
            return self._table(form.kind, request.body)
        if form.kind == NPY and (names := load_array(request.body).dtype.names):
            there = self._known(names)
            found = ArrayReader(_texts(there), Parser(_texts(there)))(request.body)
            return self._complete(found, there)
        if form.kind != NPY and (rows := self._named(form, request)) is not None:
            return self._objects(rows)
        return self._positional(form, request.body, version)

    def _named(self, form: Form, request: Payload) -> list[Row] | None:
        """The rows of a body that names its columns."""
        if form.kind == CSV and not self._has_header(form, request.body):
            return None
        found = read_rows(request.content_type, request.body, ())
        return None if found is None else found.rows

    def _has_header(self, form: Form, body: bytes) -> bool:
        """As the server tells a header, but that columns may be left out."""
        if form.header:
            return form.header == "present"
        try:
            first = next(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")), [])
        except (ValueError, csv.Error):
            return False
        fields = [field.strip() for field in first]
        named = self._features.keys() & set(fields)
        return bool(named) and (
            2 * len(named) > len(self._features) or not any(map(is_number, fields))
        )

    def _objects(self, rows: list[Row]) -> tuple[dict[str, Sequence[Any]], tuple[str, ...]]:
        self._known(name for row in rows for name in row)
        columns: dict[str, Sequence[Any]] = {}
        for name in self._features:
            values = [row.get(name) for row in rows]
            for number, value in enumerate(values, 1):
                if isinstance(value, (list, dict)):
                    raise BadRecord(f"row {number}, column {name!r}: is no single value")
            columns[name] = values
        lacks: dict[frozenset[str], str] = {}
        left_out = []
        for row in rows:
            there = frozenset(row)
            if there not in lacks:
                lacks[there] = ",".join(name for name in self._features if name not in there)
            left_out.append(lacks[there])
        return columns, tuple(left_out)

    def _table(self, kind: str, body: bytes) -> tuple[dict[str, Sequence[Any]], tuple[str, ...]]:
        import pyarrow as pa  # read by few callers

        from mlops_assets.containers.reading.arrow_guard import refuse_compressed
        from mlops_assets.containers.reading.tables import TableReader

        try:
            if kind == ARROW:
                refuse_compressed(body)
                with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
                    names = stream.schema.names
            else:
                import pyarrow.parquet as pq

                names = pq.read_schema(pa.BufferReader(body)).names
        except Refused:
            raise
        except Exception as error:  # bytes from strangers: whatever a reader makes of them
            raise BadRecord(f"the request is no {kind} ({type(error).__name__})") from None
        there = self._known(names)
        reader = TableReader(_texts(there), Parser(_texts(there)), _MOST_ROWS)
        found = reader.arrow(body) if kind == ARROW else reader.parquet(body)
        return self._complete(found, there)

    def _positional(
        self, form: Form, body: bytes, version: int
    ) -> tuple[dict[str, Sequence[Any]], tuple[str, ...]]:
        spec = self._spec_of(version)
        if spec is None:
            Parser(_texts(tuple(self._features)))(form, body)  # says what else may be wrong
            raise BadRecord(
                "the rows do not name their columns, and the order of the model's "
                f"(version {version}) cannot be had"
            )
        parser = Parser(spec)
        if form.kind == NPY:
            found: Any = ArrayReader(spec, parser)(body)
            if not isinstance(found, Mapping):
                raise BadRecord("the rows were encoded by the caller: they hold no features")
        else:
            found = parser(form, body)
        there = tuple(name for name in self._features if name in found)
        return self._complete(found, there)

    def _known(self, names: Iterable[str]) -> tuple[str, ...]:
        found = set(names)
        there = tuple(name for name in self._features if name in found)
        if not there:
            raise BadRecord("the rows name none of the features")
        return there

    def _complete(
        self, found: Any, there: Sequence[str]
    ) -> tuple[dict[str, Sequence[Any]], tuple[str, ...]]:
        """Columns that were sent, and the others as missing."""
        columns: dict[str, Sequence[Any]] = {name: _listed(found[name]) for name in there}
        rows = len(columns[there[0]])
        absent = [name for name in self._features if name not in columns]
        columns |= {name: [None] * rows for name in absent}
        return columns, (",".join(absent),) * rows

    def _typed(self, name: str, values: Sequence[Any]) -> list[Any]:
        read = self._read[name]
        try:
            return [read(value) for value in values]
        except ValueError:
            number = next(n for n, value in enumerate(values, 1) if not _readable(read, value))
        kind = self._features[name]
        raise BadRecord(f"row {number}, column {name!r}: is no {kind}")


def _readable(read: Callable[[Any], Any], value: Any) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


def _anonymous(refused: Refused) -> str:
    """The reader's message without the value it complains of, which may be personal."""
    place, found, _ = refused.message.partition(": ")
    return place if found and place.startswith("row ") else refused.message[:200]


def _texts(names: Sequence[str]) -> FeatureSpec:
    """A spec that lets any single value through: the feature schema types it."""
    columns = tuple(CategoryColumn(name, "ordinal", ("?",), "nan", "nan") for name in names)
    return FeatureSpec("regression", "", columns)


def _listed(values: Any) -> list[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)
