"""Every reader against parse.py: the same matrix, and for a wrong body the same words.

parse.py and the encoder by columns are the plain statement of what a body means; the compiled
rows, pyarrow and npy are there for speed only.
"""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_assets.containers.reading import bodies as module
from mlops_assets.containers.reading.bodies import Bodies
from mlops_assets.containers.reading.parse import Parser, form_of
from mlops_assets.containers.reply import BODIES, CSV, JSON, JSON_LINES, Refused
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.errors import EncodingError
from mlops_assets.ml.artifact.spec import CategoryColumn, FeatureSpec, NumberColumn
from mlops_assets_tests.ml.artifact.test_artifact_spec import columns, spec

NUMBER_TEXTS = [
    "", " ", "0", "-0", "1", "+1", "-1.5", ".5", "5.", "007", "1e5", "1E-5", "1e38", "1e39",
    "1e999", "-1e999", "1e-999", "1_000", "inf", "-inf", "Infinity", "nan", "NaN", "NAN",
    "-nan", "nan(1)", "null", "None", "true", "0x10", "1,5", " 2", "2 ", "\t2", "٣", "−1",
    "--1", "1e", "e", ".", "-", "[1]", "123456789012345678901234567890",
    "0.1" + "0" * 400 + "1", "9" * 320, "1d5", "1 2", "3.4028235677973366e+38",
    "3.4028235677973365e38", "c0", "c1",
]  # fmt: skip
WORD_TEXTS = ["", " ", "a", "A", "b\u00e9", "3", "3.0", "nan", "null", "true", "c0", "c1", "\x00"]

numbers = st.sampled_from(NUMBER_TEXTS) | st.floats(width=64).map(repr) | st.integers().map(str)
words = st.sampled_from(WORD_TEXTS) | st.text(max_size=3)
json_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([*WORD_TEXTS, 1e39, 10**30, 10**400, [], {}, [1], 3.0, -0.0])
)


@st.composite
def specs(draw: st.DrawFn) -> FeatureSpec:
    """A spec of one to five columns, scaled and not, with every policy."""
    return FeatureSpec.from_json(spec(*draw(st.lists(columns, min_size=1, max_size=5))))


@st.composite
def texts(draw: st.DrawFn) -> tuple[FeatureSpec, str]:
    """A spec, and CSV for it: mostly right, quoted where need be and sometimes elsewhere."""
    made = draw(specs())
    wild = draw(st.booleans())
    lines = [draw(st.permutations(made.names))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 4))):
        row = []
        for column in made.columns:
            if isinstance(column, NumberColumn):
                row.append(
                    draw(numbers if wild else st.floats(-1e30, 1e30).map(repr) | st.just(""))
                )
            else:
                row.append(draw(st.sampled_from(column.vocabulary) | words))
        if wild and draw(st.integers(0, 9)) == 0:
            row = draw(st.sampled_from([row[:-1], [*row, "1"], [], ['"', *row], ['"a"b', *row]]))
        lines.append(row)
    quoted = draw(st.booleans())
    end = draw(st.sampled_from(["\n", "\r\n", "\r"] if wild else ["\n", "\r\n"]))
    text = end.join(",".join(_field(field, quoted) for field in row) for row in lines)
    mark = "\ufeff" if draw(st.integers(0, 4)) == 0 else ""
    return made, mark + text + draw(st.sampled_from(["", end, end + end]))


def _field(text: str, quoted: bool) -> str:
    if quoted or any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


@st.composite
def contents(draw: st.DrawFn) -> tuple[FeatureSpec, Any]:
    """A spec, and JSON for it."""
    made = draw(specs())
    wild = draw(st.booleans())
    rows = []
    for _ in range(draw(st.integers(0 if wild else 1, 4))):
        row: list[Any] = []
        for column in made.columns:
            if isinstance(column, CategoryColumn):
                usual: st.SearchStrategy[Any] = st.none() | st.sampled_from(column.vocabulary)
            else:
                usual = st.none() | st.floats(-1e30, 1e30) | st.integers(-(2**60), 2**60)
            row.append(draw(json_values if wild and draw(st.integers(0, 5)) == 0 else usual))
        rows.append(row)
    if wild and rows and draw(st.integers(0, 5)) == 0:
        rows[-1] = draw(st.sampled_from([rows[-1][:-1], [*rows[-1], 1], 1, None, "ab", {}]))
    if draw(st.booleans()):
        kept = [row for row in rows if isinstance(row, list) and len(row) == len(made.columns)]
        extra = {"x": 1} if draw(st.booleans()) else {}
        named = [{**dict(zip(made.names, row, strict=True)), **extra} for row in kept]
        return made, draw(st.sampled_from([named, {"instances": named}, [*named, *rows[:1]]]))
    frame = {"columns": list(made.names), "data": rows}
    return made, draw(st.sampled_from([rows, {"instances": rows}, frame, {"data": rows}]))


def outcome(read: Any) -> Any:
    """The matrix as bytes, or what was said against the body."""
    try:
        with np.errstate(over="ignore"):
            matrix = read()
    except Refused as refused:
        return refused.status, refused.message
    except EncodingError as wrong:
        return 400, str(wrong)
    assert matrix.dtype == np.float32
    # -0 and 0 are one number to a model.
    return (matrix + np.float32(0)).tobytes(), matrix.shape


def plain(made: FeatureSpec, kind: str, body: bytes, refuses_extra: bool = False) -> Any:
    """parse.py and the encoder by columns alone."""
    parsed = Parser(made, refuses_extra=refuses_extra)(form_of(kind, BODIES), body)
    encoder = Encoder(made)
    rows = len(next(iter(parsed.values())))
    by_columns = {name: values * 40 for name, values in parsed.items()}
    return encoder.encode(by_columns)[:rows]


def check(made: FeatureSpec, kind: str, body: bytes, refuses_extra: bool = False) -> None:
    """The readers together come to what parse.py comes to."""
    reader = Bodies(Encoder(made), refuses_extra=refuses_extra)

    def read() -> Any:
        return reader.matrix(kind, body, reader.quick(kind, body))

    assert outcome(read) == outcome(lambda: plain(made, kind, body, refuses_extra))


ONE_NUMBER = FeatureSpec.from_json(spec({"type": "number"}))
TWO = FeatureSpec.from_json(
    spec({"type": "category", "vocabulary": ["c1", "a"]}, {"type": "category", "vocabulary": ["b"]})
)


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:overflow encountered")
@settings(max_examples=120, deadline=None)
@given(texts(), st.booleans(), st.booleans())
@example((ONE_NUMBER, "1\n\n3\n"), True, False)
@example((ONE_NUMBER, "\n"), True, False)
@example((ONE_NUMBER, "\n\n"), False, False)
@example((ONE_NUMBER, "c0\n"), False, False)
@example((TWO, "c0,c1"), False, False)
@example((TWO, "\na,b\n"), True, False)
@example((TWO, "a,b\n\na,b\n"), True, False)
@example((TWO, "c0,c1\na,b,c"), False, False)
@example((TWO, "c0,c1,z\na,b,c"), True, True)
@example((TWO, '"c0","c1"\n"a","b"\n'), True, True)
def test_csv_by_every_reader(
    case: tuple[FeatureSpec, str], table: bool, refuses_extra: bool
) -> None:
    """Guards against pyarrow or the compiled rows taking a text for something else: 1_000, -nan, an
    empty line, a quote in the middle, a header that is none."""
    made, text = case
    limit = module.TABLE_BYTES
    module.TABLE_BYTES = -1 if table else limit
    try:
        with contextlib.suppress(UnicodeEncodeError):
            check(made, CSV, text.encode(), refuses_extra)
    finally:
        module.TABLE_BYTES = limit


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=40), st.booleans())
@example(b"\xff,1\n", True)
@example(b'"\xc3",1', True)
def test_noise_as_csv_by_every_reader(body: bytes, table: bool) -> None:
    """Guards against bytes that one reader refuses and another makes numbers of."""
    limit = module.TABLE_BYTES
    module.TABLE_BYTES = -1 if table else limit
    try:
        check(TWO, CSV, body)
        check(ONE_NUMBER, CSV, body)
    finally:
        module.TABLE_BYTES = limit


@pytest.mark.filterwarnings("ignore:overflow encountered")
@settings(max_examples=120, deadline=None)
@given(contents(), st.booleans())
@example((TWO, ["ab"]), False)
@example((TWO, {"columns": ["c0", "c1"], "data": [{"c0": "a", "c1": "b"}]}), False)
@example((TWO, [{"c0": "a", "c1": "b"}, ["a", "b"]]), False)
@example((TWO, [["a", True]]), False)
def test_json_by_every_reader(case: tuple[FeatureSpec, Any], refuses_extra: bool) -> None:
    """Guards against a boolean, a text or an object read as a row or a number on the quick path."""
    made, content = case
    check(made, JSON, json.dumps(content).encode(), refuses_extra)
    rows = content.get("instances") if isinstance(content, dict) else content
    if isinstance(rows, list):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        check(made, JSON_LINES, lines.encode(), refuses_extra)


@pytest.mark.parametrize("header", ["present", "absent"])
def test_a_declared_header_is_believed(header: str) -> None:
    """Guards against a first row of words that are also columns' names being lost."""
    kind = f"text/csv; header={header}"
    for body in (b"c0,c1\na,b\n", b"c0,c1\n" + b"a,b\n" * 4000):
        reader = Bodies(Encoder(TWO))
        matrix = reader.matrix(kind, body, reader.quick(kind, body))
        assert len(matrix) == body.count(b"\n") - (header == "present")


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("text", NUMBER_TEXTS)
def test_each_number_by_every_reader(text: str, table: bool, monkeypatch: Any) -> None:
    """Guards against 1_000, inf, true or [1] being a number on the quick path: float() and orjson
    take them. With the compiled encoder's look at the digits removed this fails."""
    monkeypatch.setattr(module, "TABLE_BYTES", -1 if table else module.TABLE_BYTES)
    two = FeatureSpec.from_json(spec({"type": "number"}, {"type": "number", "scale": 3}))
    check(ONE_NUMBER, CSV, text.encode())
    check(two, CSV, f"1,{text}\n{text},2\n".encode())
    check(two, CSV, f"1,{text}".encode())
    check(two, JSON, f"[[1,{text}]]".encode())


def test_the_usual_body_takes_the_quick_way() -> None:
    """The control of the comparisons above: without it they could all go by parse.py."""
    made = FeatureSpec.from_json(
        spec({"type": "number"}, {"type": "category", "vocabulary": ["a", "true"]})
    )
    reader = Bodies(Encoder(made))
    stream = io.StringIO("c0,c1\n1,a\n,b\n")
    for kind, body in [
        (CSV, b"1.5,a"),
        (CSV, b"1.5,a\r\n2,\xc3\xa9\r\n"),
        (CSV, stream.read().encode()),
        (JSON, b'[[1,"a"]]'),
        (JSON, b'{"instances":[{"c1":"true","c0":null}]}'),
        (JSON, b'{"columns":["c0","c1"],"data":[[1,"a"]]}'),
        (JSON_LINES, b'[1,"a"]\n[2,null]\n'),
    ]:
        found = reader.quick(kind, body)
        assert found is not None, body
        fill, rows = found
        assert Encoder(made).by_rows(fill, rows).shape == (len(rows), 3)
    large = b"1,a\n" * 4000
    assert reader.quick(CSV, large) is None
    assert reader._tables().csv(large, "") is not None
