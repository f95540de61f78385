"""Request bodies to the model's matrix, each by the reader that is quickest for it.

Belongs here: the choice among the readers (quick.py, parse.py, tables.py, arrays.py). Does not:
reading. What the quick ones give up on, parse.py reads again: every mistake has one wording.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlops_assets.containers.reading.arrays import ArrayReader
from mlops_assets.containers.reading.parse import Form, Parser, form_of
from mlops_assets.containers.reading.quick import GIVES_UP, QuickReader, Rows
from mlops_assets.containers.reply import ARROW, BODIES, CSV, NPY, OTHER_PARQUET, PARQUET, too_many
from mlops_assets.ml.artifact.compiled import Fill
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.values import Values

if TYPE_CHECKING:
    from mlops_assets.containers.reading.tables import TableReader

# From here on pyarrow reads CSV quicker than the compiled encoder does, its import set aside.
TABLE_BYTES = 8 * 1024

# Cells of the encoded matrix (256 MiB): few bytes can be many rows, and one-hot columns are wide.
MOST_CELLS = 2**26

# Content-Type headers come from callers: no more than so many are remembered.
_KEPT = 256


class Bodies:
    """Reads and encodes bodies for one spec. Safe to use from several threads at once."""

    def __init__(self, encoder: Encoder, *, refuses_extra: bool = False) -> None:
        spec = encoder.spec
        self._encoder = encoder
        self._parse = Parser(spec, refuses_extra=refuses_extra)
        self._quick = QuickReader(spec, self._parse, encoder.rows).read
        self._most_rows = max(1, MOST_CELLS // spec.width)
        self._array = ArrayReader(spec, self._parse)
        self._forms: dict[str, Form] = {}
        self._table_reader: TableReader | None = None
        self._lock = threading.Lock()

    def quick(self, content_type: str, body: bytes) -> tuple[Fill, Rows] | None:
        """The rows of a usual body, and what encodes them (it raises one of GIVES_UP if they are
        not usual after all); None for all other bodies.

        Raises Refused: 415 for a type or charset that is not read here.
        """
        form = self._forms.get(content_type) or self._form(content_type)
        read = self._quick.get(form)
        if read is None or (form.kind == CSV and len(body) > TABLE_BYTES):
            return None
        try:
            return read(body)
        except GIVES_UP:
            return None

    def matrix(
        self, content_type: str, body: bytes, quick: tuple[Fill, Rows] | None
    ) -> NDArray[np.float32]:
        """The encoded matrix of any body; `quick` is what the method of that name found in it.

        Raises Refused or EncodingError, which name row and column, for a body that is wrong.
        """
        if quick is not None:
            self._check(len(quick[1]))
            try:
                return self._encoder.by_rows(*quick)
            except GIVES_UP:
                pass
        form = self._forms.get(content_type) or self._form(content_type)
        found = self._read(form, body)
        if isinstance(found, np.ndarray):
            self._check(len(found))
            return found
        self._check(len(next(iter(found.values()))))
        return self._encoder.encode(found)

    def _read(self, form: Form, body: bytes) -> Mapping[str, Values] | NDArray[np.float32]:
        if form.kind == NPY:
            return self._array(body)
        if form.kind == ARROW:
            return self._tables().arrow(body)
        if form.kind in (PARQUET, OTHER_PARQUET):
            return self._tables().parquet(body)
        if form.kind == CSV and len(body) > TABLE_BYTES:
            columns = self._tables().csv(body, form.header)
            if columns is not None:
                return columns
        return self._parse(form, body)

    def _check(self, rows: int) -> None:
        if rows > self._most_rows:
            raise too_many(rows, self._most_rows)

    def _form(self, content_type: str) -> Form:
        form = form_of(content_type, BODIES)
        if len(self._forms) >= _KEPT:
            self._forms.clear()
        self._forms[content_type] = form
        return form

    def _tables(self) -> TableReader:
        if self._table_reader is None:
            with self._lock:
                from mlops_assets.containers.reading.tables import TableReader

                self._table_reader = TableReader(self._encoder.spec, self._parse, self._most_rows)
        return self._table_reader
