"""Records of a batch transform: paths, payloads, answers; without any server."""

from __future__ import annotations

import io
import itertools
import json

import pytest

from mlops_assets.sagemaker_local.transforming.record_paths import NotSelectable, record_path
from mlops_assets.sagemaker_local.transforming.transform_records import RecordError, Rules, rules

ROW = ["id", "a", "b", "c"]
DOCUMENT = {"id": 7, "features": {"x": [1, 2, 3], "odd name": "y"}}


@pytest.mark.parametrize(
    ("path", "record", "found"),
    [
        ("$", ROW, ROW),
        ("$[1:]", ROW, ["a", "b", "c"]),
        ("$[:-1]", ROW, ["id", "a", "b"]),
        ("$[1:3]", ROW, ["a", "b"]),
        ("$[0]", ROW, "id"),
        ("$[-1]", ROW, "c"),
        ("$[0,-1]", ROW, ["id", "c"]),
        ("$.id", DOCUMENT, 7),
        ("$.features.x[1:]", DOCUMENT, [2, 3]),
        ("$['features']['odd name']", DOCUMENT, "y"),
    ],
)
def test_a_path_selects(path, record, found):
    """A filter that selects other columns scores other features: nothing else would show it."""
    assert record_path(path).of(record) == found


@pytest.mark.parametrize(
    "path", ["", "id", "$.", "$..id", "$[*]", "$.*", "$[?(@.x)]", "$['a','b']", "$[1", "$x"]
)
def test_other_jsonpath_is_refused(path):
    """Half-understood, a path would select something else than in SageMaker."""
    with pytest.raises(ValueError, match="not understood"):
        record_path(path)


@pytest.mark.parametrize(
    ("path", "record"), [("$.none", DOCUMENT), ("$[9]", ROW), ("$[0]", DOCUMENT), ("$.id", ROW)]
)
def test_what_is_not_there_is_no_null(path, record):
    with pytest.raises(NotSelectable):
        record_path(path).of(record)


def how(**changes) -> Rules:
    right = {"by_line": True, "many": True, "limit_bytes": 2**20, "assemble_lines": True}
    return Rules(**right | changes)


def payloads(given: Rules, content: bytes) -> list[bytes]:
    return [batch.payload for batch in given.batches(io.BytesIO(content))]


@pytest.mark.parametrize("limit", [4, 5, 9, 10, 50])
def test_payloads_hold_every_record_once_and_keep_the_limit(limit):
    """Off by one, a payload is refused by the container, or a record is lost at its edge."""
    rows = [str(number) for number in range(40)]
    found = payloads(how(limit_bytes=limit), "\n".join(rows).encode() + b"\n")
    assert b"\n".join(found).decode().split("\n") == rows
    assert max(map(len, found)) <= limit
    pairs = itertools.pairwise(found)
    assert all(len(a) + 1 + len(b.split(b"\n")[0]) > limit - 1 for a, b in pairs), "not filled"


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_line_ends_are_no_part_of_records(ending):
    line = b"\r\n" if ending == b"\r\n" else b"\n"
    assert payloads(how(many=False), b"1,a" + line + b"2,b" + ending) == [b"1,a", b"2,b"]


def test_a_record_over_the_limit_is_named():
    with pytest.raises(RecordError, match="record 2: more than MaxPayloadInMB"):
        payloads(how(), b"1\n" + b"x" * (2**20 + 1) + b"\n")


def test_an_empty_object_has_no_records_and_is_one_object():
    assert payloads(how(), b"") == []
    assert payloads(how(by_line=False), b"") == [b""]


def test_a_blank_line_is_a_record():
    """Left out, all answers below it would stand one line too high."""
    assert payloads(how(many=False), b"1\n\n2\n") == [b"1", b"", b"2"]


def processed(content_type: str, record: bytes, answer: bytes, **processing) -> bytes:
    kinds = {"ContentType": content_type, "SplitType": "Line"}
    request = {
        "TransformInput": kinds,
        "TransformOutput": {"AssembleWith": "Line"},
        "DataProcessing": processing,
    }
    given = rules(request, "MultiRecord", 6)
    (batch,) = given.batches(io.BytesIO(record))
    return given.output(batch, answer)


def test_csv_rows_are_joined_before_they_are_filtered():
    row, answer = b'7,"a,b",c\n8,d,e\n', b"0.5,yes\n0.1,no\n"
    joined = processed("text/csv", row, answer, JoinSource="Input", InputFilter="$[1:]")
    assert joined == b'7,"a,b",c,0.5,yes\n8,d,e,0.1,no\n'
    kept = processed("text/csv", row, answer, JoinSource="Input", OutputFilter="$[0,3]")
    assert kept == b"7,0.5\n8,0.1\n"
    assert processed("text/csv", row, answer, OutputFilter="$[0]") == b"0.5\n0.1\n"


def test_json_that_is_no_object_is_joined_under_two_names():
    found = processed("application/jsonlines", b"[1,2]\n", b"3\n", JoinSource="Input")
    assert json.loads(found) == {"SageMakerInput": [1, 2], "SageMakerOutput": 3}


@pytest.mark.parametrize("answer", [b"", b"1\n", b"1\n2\n3\n"])
def test_a_wrong_number_of_answers_is_never_joined(answer):
    with pytest.raises(RecordError, match="cannot be joined"):
        processed("text/csv", b"a\nb\n", answer, JoinSource="Input")


def test_an_answer_that_is_no_json_is_named():
    with pytest.raises(RecordError, match="record 1: the answer"):
        processed("application/jsonlines", b"{}\n", b"<html>\n", OutputFilter="$.x")
