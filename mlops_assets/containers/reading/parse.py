"""Request bodies to raw columns: CSV, JSON and JSON Lines, with an error that names row and column.

Belongs here: text and structure. Does not: what a value means to the model (ml/artifact/encode.py),
except that JSON's booleans and texts are not numbers. Rows count from 1, a CSV header not counted.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from mlops_assets.containers.reply import CSV, JSON, JSON_LINES, Refused, media_type
from mlops_assets.ml.artifact.spec import FeatureSpec, NumberColumn
from mlops_assets.ml.artifact.values import shown

Columns = dict[str, list[Any]]

_NUMBERS = {int, float, type(None)}
_CATEGORIES = {str, int, float, type(None)}
# int and float read more than a number as people write it (1_000, infinity, ٣): see _csv_number.
_DIGITS = frozenset("0123456789+-.eE")


class Form(NamedTuple):
    """How a body is written: its media type, and what `header=` declares of CSV."""

    kind: str
    header: str


def form_of(content_type: str, kinds: Sequence[str]) -> Form:
    """What a Content-Type header says. Raises Refused (415) for a type outside `kinds`, or a
    charset that is not read here."""
    kind, parameters = media_type(content_type)
    if kind not in kinds:
        raise Refused(415, f"content type {shown(kind)} is not read: send one of {list(kinds)}")
    charset = parameters.get("charset", "utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise Refused(415, f"charset {shown(charset)} is not read: send utf-8")
    header = parameters.get("header", "") if kind == CSV else ""
    return Form(kind, header if header in ("present", "absent") else "")


class Parser:
    """Reads request bodies for the columns of one spec.

    Columns that the spec does not name are left out, or refused where `refuses_extra`.
    """

    def __init__(self, spec: FeatureSpec, *, refuses_extra: bool = False) -> None:
        self.refuses_extra = refuses_extra
        self._names = spec.names
        self._numeric = {c.name for c in spec.columns if isinstance(c, NumberColumn)}
        self._readers: dict[str, Callable[[bytes, str], Columns]] = {
            CSV: self._csv,
            JSON: self._json,
            JSON_LINES: self._json_lines,
        }

    def __call__(self, form: Form, body: bytes) -> Columns:
        """The raw columns in a body, numbers as numbers or None, categories as text or None.

        Raises Refused (400) for anything wrong.
        """
        columns = self._readers[form.kind](body.removeprefix(b"\xef\xbb\xbf"), form.header)
        if not columns[self._names[0]]:
            raise Refused(400, "the request holds no rows")
        return columns

    def _csv(self, body: bytes, header: str) -> Columns:
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise Refused(400, f"the body is not utf-8 at byte {error.start + 1}") from None
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error as error:
            raise Refused(400, f"the body is not CSV: {error}") from None
        if len(self._names) > 1:
            while rows and not rows[-1]:
                rows.pop()
        else:  # with one column an empty line is a row whose value is missing
            rows = [row or [""] for row in rows]
        names: Sequence[str] = self._names
        if rows and self.is_header(rows[0], header):
            names = [name.strip() for name in rows.pop(0)]
            self.check_header(names)
        for number, row in enumerate(rows, 1):
            if len(row) != len(names):
                raise Refused(400, _ragged(number, len(row), names))
        fields = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
        return {
            name: _csv_numbers(name, fields.get(name, ()))
            if name in self._numeric
            else list(fields.get(name, ()))
            for name in self._names
        }

    def is_header(self, row: Sequence[str], declared: str = "") -> bool:
        """Whether the first row names columns: it does if all fields are names of the model's
        columns, or more than half of these are among them; or as `header=` declares (RFC 4180)."""
        if declared:
            return declared == "present"
        fields = {field.strip() for field in row}
        named = fields.intersection(self._names)
        return bool(fields) and (named == fields or 2 * len(named) > len(self._names))

    def check_header(self, names: Sequence[str]) -> None:
        """Raise Refused (400) if names of columns repeat, lack one, or hold one too many."""
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise Refused(400, f"the header names column {shown(twice)} more than once")
        for name in self._names:
            if name not in names:
                raise Refused(400, f"column {name!r} is missing from the header")
        if self.refuses_extra and len(names) > len(self._names):
            raise Refused(400, f"the header {self._extra(names)}")

    def _json(self, body: bytes, header: str) -> Columns:
        content = _loads(body, "the body")
        if isinstance(content, dict):
            if "instances" in content:
                content = content["instances"]
            elif "columns" in content and "data" in content:
                return self._frame(content["columns"], content["data"])
            else:
                raise Refused(400, 'the object holds neither "instances" nor "columns" and "data"')
        return self._rows(content)

    def _json_lines(self, body: bytes, header: str) -> Columns:
        lines = body.splitlines()
        while lines and not lines[-1].strip():
            lines.pop()
        return self._rows([_loads(line, f"row {number}") for number, line in enumerate(lines, 1)])

    def _frame(self, names: Any, data: Any) -> Columns:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Refused(400, '"columns" must be a list of names')
        self.check_header(names)
        return self._lists(data, names)

    def _rows(self, rows: Any) -> Columns:
        if not isinstance(rows, list):
            raise Refused(400, f"rows must come as a list, not {_kind(rows)}")
        if not rows or not isinstance(rows[0], dict):
            return self._lists(rows, self._names)
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict):
                raise Refused(400, f"row {number} must be an object like row 1, not {_kind(row)}")
        columns: Columns = {}
        for name in self._names:
            try:
                columns[name] = [row[name] for row in rows]
            except KeyError:
                number = next(i for i, row in enumerate(rows, 1) if name not in row)
                message = f"row {number}, column {name!r}: is not there; send null if unknown"
                raise Refused(400, message) from None
        if self.refuses_extra:
            for number, row in enumerate(rows, 1):
                if len(row) > len(self._names):
                    raise Refused(400, f"row {number} {self._extra(row)}")
        return self._checked(columns)

    def _extra(self, names: Iterable[str]) -> str:
        extra = next(name for name in names if name not in self._names)
        return f"names column {shown(extra)}, which the model does not take: leave it out"

    def _lists(self, rows: Any, names: Sequence[str]) -> Columns:
        if not isinstance(rows, list):
            raise Refused(400, f"rows must come as a list, not {_kind(rows)}")
        for number, row in enumerate(rows, 1):
            if not isinstance(row, list):
                raise Refused(400, f"row {number} must be a list of values, not {_kind(row)}")
            if len(row) != len(names):
                raise Refused(400, _ragged(number, len(row), names))
        fields = zip(*rows, strict=True) if rows else ([] for _ in names)
        columns = dict(zip(names, map(list, fields), strict=True))
        return self._checked({name: columns[name] for name in self._names})

    def _checked(self, columns: Columns) -> Columns:
        """The columns, none of whose values has a JSON type that its column does not take."""
        for name, values in columns.items():
            allowed = _NUMBERS if name in self._numeric else _CATEGORIES
            if allowed.issuperset(map(type, values)):
                continue
            number, value = next((i, v) for i, v in enumerate(values, 1) if type(v) not in allowed)
            wanted = "a number" if name in self._numeric else "a text"
            found = shown(value) if type(value) is str else _kind(value)
            raise Refused(400, f"row {number}, column {name!r}: must be {wanted}, not {found}")
        return columns


def _csv_numbers(name: str, texts: Sequence[str]) -> list[Any]:
    return [_csv_number(name, number, text) for number, text in enumerate(texts, 1)]


def _csv_number(name: str, number: int, text: str) -> float | None:
    """A CSV field as a number; None for an empty field and for nan, which NumPy writes."""
    stripped = text.strip()
    if not stripped or stripped in ("nan", "NaN"):
        return None
    try:
        value = float(stripped) if _DIGITS.issuperset(stripped) else None
    except ValueError:
        value = None
    if value is None:
        message = f"row {number}, column {name!r}: must be a number, not {shown(text)}"
        raise Refused(400, message)
    if math.isinf(value):
        message = f"row {number}, column {name!r}: {shown(text)} is too large"
        raise Refused(400, message)
    return value


class _NotJson(str):
    """NaN or Infinity as Python writes them, kept so that its row and column can be named."""


def _loads(data: bytes, what: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        # 1e999, NaN and Infinity: read on, because the caller is better served with their place.
        try:
            return json.loads(data, parse_constant=_NotJson)
        except (ValueError, RecursionError):
            raise Refused(400, f"{what} is not JSON: {error}") from None


def _ragged(number: int, found: int, names: Sequence[str]) -> str:
    if found < len(names):
        missing = f", column {names[found]!r} is the first that is missing"
    else:
        missing = f", more than the {len(names)} columns"
    return f"row {number} holds {found} values instead of {len(names)}{missing}"


def _kind(value: Any) -> str:
    if isinstance(value, _NotJson):
        return f"{value}, which is not JSON (null stands for a missing value)"
    kinds = {bool: "a boolean", list: "a list", dict: "an object", str: "a text"}
    return "null" if value is None else kinds.get(type(value), "a number")
