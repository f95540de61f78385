"""Bodies to columns: the same rows by every way, and every wrong one by its row and column."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.containers.reading.parse import Columns, Parser, form_of
from mlops_assets.containers.reply import BODIES, CSV, JSON, JSON_LINES, Refused
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.errors import EncodingError
from mlops_assets.ml.artifact.spec import FeatureSpec

NAMES = ["distance", "carrier", "delay"]
SPEC = FeatureSpec.from_json(
    {
        "version": 1,
        "kind": "binary",
        "label": "late",
        "columns": [
            {"name": "distance", "type": "number"},
            {"name": "carrier", "type": "category", "vocabulary": ['A,"', "B\nB", "3"]},
            {"name": "delay", "type": "number"},
        ],
    }
)
ONE = FeatureSpec.from_json(
    {"version": 1, "kind": "binary", "label": "y", "columns": [{"name": "x", "type": "number"}]}
)
PARSER = Parser(SPEC)


def parse(kind: str, body: bytes, parser: Parser = PARSER) -> Columns:
    """The raw columns of a body."""
    return parser(form_of(kind, BODIES), body)


_text = st.sampled_from(['A,"', "B\nB", "3"]) | st.text(
    # Python's csv writer leaves a lone carriage return unquoted when lines end in "\n".
    st.characters(codec="utf-8", exclude_characters="\x00\r"),
    max_size=5,
)
_number = st.none() | st.floats(-1e30, 1e30) | st.integers(-(2**53), 2**53)
_rows = st.lists(st.tuples(_number, st.none() | _text, _number), min_size=1, max_size=5)


def as_csv(rows: list[Any], header: bool = False, end: str = "\r\n") -> bytes:
    """The rows as Python's csv module writes them."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator=end)
    writer.writerows([NAMES, *rows] if header else rows)
    return stream.getvalue().encode()


def lines(rows: list[Any]) -> bytes:
    """The rows as JSON Lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@given(_rows)
def test_rows_are_the_same_by_every_way(rows: list[tuple[Any, ...]]) -> None:
    """Guards against a type whose missing values, quotes or digits are read differently."""
    named = [dict(zip(NAMES, row, strict=True)) for row in rows]
    turned = [dict(reversed(row.items())) for row in named]
    frame = {"columns": NAMES[::-1], "data": [list(row[::-1]) for row in rows]}
    bodies = [
        (CSV + ";header=absent", as_csv(rows)),
        (CSV, as_csv(rows, header=True)),
        (CSV, as_csv(rows, header=True, end="\n")),
        (CSV, b"\xef\xbb\xbf" + as_csv(rows, header=True)),
        (JSON, json.dumps([list(row) for row in rows]).encode()),
        (JSON, json.dumps(named).encode()),
        (JSON + "; charset=UTF-8", json.dumps({"instances": turned}).encode()),
        (JSON, json.dumps(frame).encode()),
        (JSON_LINES, lines(named)),
        (JSON_LINES, lines([list(row) for row in rows]) + b"\n"),
    ]
    encoder = Encoder(SPEC)
    matrices = [encoder.encode(parse(kind, body)) for kind, body in bodies]
    for matrix in matrices[1:]:
        np.testing.assert_array_equal(matrix, matrices[0])


def refusal(kind: str, body: str | bytes, parser: Parser = PARSER) -> Refused:
    """What the parser, or the encoder behind it, says of a body."""
    with pytest.raises(Refused) as caught:
        parse(kind, body.encode() if isinstance(body, str) else body, parser)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (CSV, "1,A", "row 1 holds 2 values instead of 3, column 'delay' is the first"),
        (CSV, "1,A,2\n1,A", "row 2 holds 2 values instead of 3"),
        (CSV, "1,A,2,3", "row 1 holds 4 values instead of 3, more than"),
        (CSV, "1,A,2\n\n1,A,2\n", "row 2 holds 0 values"),
        (CSV, "distance,carrier,delay\n1,A", "row 1 holds 2 values"),
        (CSV, "1,A,x", "row 1, column 'delay': must be a number, not 'x'"),
        (CSV, "1,A,2\n1,A,1_000", "row 2, column 'delay': must be a number, not '1_000'"),
        (CSV, "1,A,inf", "row 1, column 'delay': must be a number, not 'inf'"),
        (CSV, "1,A,1e999", "row 1, column 'delay': '1e999' is too large"),
        (CSV, "1,A,٣", "row 1, column 'delay': must be a number"),
        (CSV, "1,A,true", "row 1, column 'delay': must be a number, not 'true'"),
        (CSV, "distance,carrier,late\n1,A,2", "column 'delay' is missing from the header"),
        (CSV, "distance,carrier,delay,delay\n1,A,2,3", "names column 'delay' more than once"),
        (CSV, '1,"A,2', "not CSV"),
        (CSV, b"1,\xff,2", "not utf-8 at byte 3"),
        (CSV, "", "holds no rows"),
        (CSV, "\n\n", "holds no rows"),
        (CSV, "distance,carrier,delay\n", "holds no rows"),
        (JSON, "", "not JSON"),
        (JSON, "{", "not JSON"),
        (JSON, b'["\xff"]', "not JSON"),
        (JSON, "[" * 100_000, "not JSON"),
        (JSON, "[]", "holds no rows"),
        (JSON, '{"instances": []}', "holds no rows"),
        (JSON, '{"columns": ["distance", "carrier", "delay"], "data": []}', "holds no rows"),
        (JSON, "{}", 'neither "instances" nor'),
        (JSON, "1", "must come as a list, not a number"),
        (JSON, "null", "must come as a list, not null"),
        (JSON, '{"instances": {"distance": 1}}', "must come as a list, not an object"),
        (JSON, "[1, 2, 3]", "row 1 must be a list of values, not a number"),
        (JSON, '[[1, "A", 2], 3]', "row 2 must be a list of values, not a number"),
        (JSON, '[[1, "A", 2], {"distance": 1}]', "row 2 must be a list of values, not an object"),
        (JSON, '[[1, "A"]]', "row 1 holds 2 values instead of 3, column 'delay'"),
        (JSON, '[[1, "A", 2, 3]]', "row 1 holds 4 values"),
        (JSON, '[[1, "A", true]]', "row 1, column 'delay': must be a number, not a boolean"),
        (JSON, "[[1, true, 2]]", "row 1, column 'carrier': must be a text, not a boolean"),
        (JSON, '[[1, "A", "2"]]', "row 1, column 'delay': must be a number, not '2'"),
        (JSON, '[[1, "A", [2]]]', "row 1, column 'delay': must be a number, not a list"),
        (JSON, "[[1, {}, 2]]", "row 1, column 'carrier': must be a text, not an object"),
        (JSON, '[[1, "A", NaN]]', "row 1, column 'delay': must be a number, not NaN, which is not"),
        (JSON, '[[1, "A", 2], [-Infinity, "A", 2]]', "row 2, column 'distance': .* -Infinity"),
        (JSON, '[{"distance": 1, "carrier": "A"}]', "row 1, column 'delay': is not there"),
        (JSON, '[{"distance": 1, "carrier": "A", "delay": 1}, []]', "row 2 must be an object"),
        (JSON, '{"columns": ["distance"], "data": [[1]]}', "column 'carrier' is missing"),
        (JSON, '{"columns": "x", "data": []}', '"columns" must be a list of names'),
        (JSON_LINES, "", "holds no rows"),
        (JSON_LINES, '[1, "A", 2]\n{', "row 2 is not JSON"),
        (JSON_LINES, '[1, "A", 2]\n\n[1, "A", 2]', "row 2 is not JSON"),
        (JSON_LINES, '[1, "A", 2]\n[1]', "row 2 holds 1 values"),
    ],
)
def test_a_wrong_body_is_a_400_that_says_where(kind: str, body: str | bytes, said: str) -> None:
    """Guards against a wrong answer and a 200: for short rows the field's servers give one."""
    refused = refusal(kind, body)
    assert refused.status == 400
    assert re.search(said, refused.message), refused.message


def test_a_number_beyond_float64_reaches_the_encoder_which_names_it() -> None:
    """orjson refuses 1e999 by its byte; a caller wants the row and the column."""
    columns = parse(JSON, b'[[1, "A", 2], [1, "A", 1e999]]')
    with pytest.raises(ValueError, match="row 2, column 'delay': is infinite"):
        Encoder(SPEC).encode(columns)


@pytest.mark.parametrize("kind", ["", "text/plain", "text/csv; charset=utf-16", "application/xml"])
def test_other_types_are_a_415(kind: str) -> None:
    """Guards against guessing what a body might be."""
    assert refusal(kind, "1,A,2").status == 415


def test_one_column_keeps_its_empty_lines() -> None:
    """Guards against answers that shift by a row: an empty line is a row whose value is missing."""
    assert parse(CSV, b"1\n\n3\n", Parser(ONE)) == {"x": [1.0, None, 3.0]}
    assert parse(CSV, b"x\n1\n", Parser(ONE)) == {"x": [1.0]}


def test_numpys_nan_and_empty_quotes_are_missing() -> None:
    """Guards against refusing what numpy.savetxt and csv.QUOTE_ALL write."""
    assert parse(CSV, b'nan,"A",""\n') == {"distance": [None], "carrier": ["A"], "delay": [None]}


def test_extra_named_columns_are_left_out() -> None:
    """A caller may send the entity's key along; without a name an extra value is a mistake."""
    expected = {"distance": [1.0], "carrier": ["A"], "delay": [2.0]}
    assert parse(CSV, b"id,distance,carrier,delay\n7,1,A,2\n") == expected
    body = b'[{"id": 7, "distance": 1.0, "carrier": "A", "delay": 2.0}]'
    assert parse(JSON, body) == expected


@given(st.binary(max_size=60), st.sampled_from([CSV, JSON, JSON_LINES]))
def test_nothing_but_a_refusal_comes_of_noise(body: bytes, kind: str) -> None:
    """Guards against a 500 for a body that nobody thought of."""
    with contextlib.suppress(Refused, EncodingError):
        Encoder(SPEC).encode(parse(kind, body))
