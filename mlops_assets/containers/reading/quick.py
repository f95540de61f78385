"""The usual bodies, read without a detour: rows for the compiled encoder, or nothing.

CSV without quotes, JSON and JSON Lines as most callers send them. `None`, or one of GIVES_UP, means
that parse.py has to read the body: for anything unusual, and to say what is wrong with it. Belongs
here: what costs little. Does not: any message. The tests hold both to the same matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

import orjson

from mlops_assets.containers.reading.parse import Form, Parser
from mlops_assets.containers.reply import CSV, JSON, JSON_LINES
from mlops_assets.ml.artifact import compiled
from mlops_assets.ml.artifact.compiled import CompiledRows, Fill
from mlops_assets.ml.artifact.spec import FeatureSpec, NumberColumn

GIVES_UP = (*compiled.GIVES_UP, KeyError, IndexError)

Rows = Sequence[Sequence[Any]]
Row = Callable[[Any], Sequence[Any]]

_BOM = b"\xef\xbb\xbf"
_HEADERS_KEPT = 64
_NUMBER_LIKE = set("0123456789+-.eE")


class QuickReader:
    """Reads bodies for one spec. Safe to use from several threads at once."""

    def __init__(self, spec: FeatureSpec, parser: Parser, rows: CompiledRows) -> None:
        self._parser = parser
        self._names = list(spec.names)
        self._refuses_extra = parser.refuses_extra
        self._get = _getter(self._names)
        self._values, self._texts = rows.values, rows.texts
        words = [w for c in spec.columns if not isinstance(c, NumberColumn) for w in c.vocabulary]
        # Whether "true" in a body is likely to be a text rather than a boolean.
        self._spells_booleans = any("true" in t or "false" in t for t in (*words, *self._names))
        numbers = [c.name for c in spec.columns if isinstance(c, NumberColumn)]
        # A first row whose numbers are numbers cannot name columns, with names as people give them.
        self._numbers_rule_header_out = (
            bool(numbers)
            and 2 * len(numbers) >= len(self._names)
            and not any(_NUMBER_LIKE.issuperset(name.strip()) for name in self._names)
        )
        self._headers: dict[bytes, tuple[int, Row]] = {}
        self.read: dict[Form, Callable[[bytes], tuple[Fill, Rows] | None]] = {
            Form(CSV, ""): self._csv,
            Form(JSON, ""): self._json,
            Form(JSON_LINES, ""): self._json_lines,
        }

    def _csv(self, body: bytes) -> tuple[Fill, Rows] | None:
        if b'"' in body:
            return None
        if not body.isascii():
            body = body.removeprefix(_BOM)
            body.decode()
        if b"\r" in body:
            body = body.replace(b"\r\n", b"\n")
            if b"\r" in body:
                return None
        if not body:
            return None
        if body[-1:] == b"\n":
            body = body[:-1]
        if b"\n" not in body:
            if not self._numbers_rule_header_out and self._header(body):
                return None
            return self._texts, (body.split(b","),)
        lines = body.split(b"\n")
        if len(self._names) > 1:
            while not lines[-1]:
                lines.pop()
        header = self._headers.get(lines[0]) or self._header(lines[0])
        if header is None:
            return self._texts, [line.split(b",") for line in lines]
        width, pick = header
        rows = [line.split(b",") for line in lines[1:]]
        if not rows or {*map(len, rows)} != {width}:
            return None
        return self._texts, [*map(pick, rows)]

    def _header(self, line: bytes) -> tuple[int, Row] | None:
        """How many fields a row has under a header line, and how to order them; None for a line
        that is none. Raises Refused for a header that lacks a column."""
        names = [name.strip() for name in line.decode().split(",")]
        if not self._parser.is_header(names):
            return None
        self._parser.check_header(names)
        pick = _getter([names.index(name) for name in self._names])
        if len(self._headers) >= _HEADERS_KEPT:
            self._headers.clear()
        header = self._headers[line] = (len(names), pick)
        return header

    def _json(self, body: bytes) -> tuple[Fill, Rows] | None:
        content = orjson.loads(body)
        if type(content) is dict:
            if "instances" in content:
                content = content["instances"]
            elif content["columns"] == self._names:
                content = content["data"]
                if type(content) is not list or list not in map(type, content):
                    return None
            else:
                return None
        return self._rows(content, body)

    def _json_lines(self, body: bytes) -> tuple[Fill, Rows] | None:
        return self._rows([orjson.loads(line) for line in body.splitlines()], body)

    def _rows(self, rows: Any, body: bytes) -> tuple[Fill, Rows] | None:
        if type(rows) is not list:
            return None
        kind = type(rows[0])
        if len(rows) > 1 and len({*map(type, rows)}) != 1:
            return None
        if kind is dict:
            if self._refuses_extra and any(len(row) != len(self._names) for row in rows):
                return None
            rows = [*map(self._get, rows)]
        elif kind is not list:
            return None
        if (b"true" in body or b"false" in body) and (
            not self._spells_booleans or _holds_boolean(rows)
        ):
            return None
        return self._values, rows


def _getter(keys: Sequence[Any]) -> Row:
    """itemgetter that gives a tuple for a single key too."""
    if len(keys) == 1:
        (key,) = keys
        return lambda row: (row[key],)
    return itemgetter(*keys)


def _holds_boolean(rows: Iterable[Iterable[Any]]) -> bool:
    return any(type(value) is bool for row in rows for value in row)
