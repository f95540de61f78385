"""Records of a batch transform: paths, payloads, answers; without any server."""

from __future__ import annotations

import io
import itertools
import json

import pytest

from mlops_assets.sagemaker_local.autoscaling.scaling_rule import Seen, wanted
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


def policy(**changes) -> dict:
    settings = {"TargetValue": 100.0, "ScaleOutCooldown": 60, "ScaleInCooldown": 300}
    return {"TargetTrackingScalingPolicyConfiguration": settings | changes}


@pytest.mark.parametrize(
    ("per_minute", "instances", "changes", "count"),
    [
        (250.0, 1, {}, 3),
        (100.0, 1, {}, 1),
        (101.0, 1, {}, 2),
        (10_000.0, 1, {}, 4),  # MaxCapacity
        (50.0, 3, {}, 1),
        (95.0, 1, {}, 1),
        (195.0, 3, {}, 2),
        (275.0, 3, {}, 3),  # above 90 % of the target: not scaled in
        (181.0, 2, {}, 2),
        (50.0, 3, {"DisableScaleIn": True}, 3),
        (None, 3, {}, 3),  # no traffic, no metric, no scaling in: as in SageMaker
        (None, 9, {}, 4),
    ],
)
def test_instances_wanted(per_minute, instances, changes, count):
    """Wrong arithmetic here is a fleet too small under load, or one that is never given back."""
    target = {"MinCapacity": 1, "MaxCapacity": 4}
    seen = Seen(per_minute, instances, 0.0, 0.0)
    assert wanted(target, [policy(**changes)], seen, 1e9) == count


@pytest.mark.parametrize(
    ("per_minute", "out_ago", "in_ago", "count"),
    [
        (400.0, 59, 1e6, 2),
        (400.0, 61, 1e6, 4),
        (400.0, 1e6, 1, 4),  # after scaling in, what is missing is added at once
        (10.0, 299, 1e6, 2),
        (10.0, 1e6, 299, 2),
        (10.0, 301, 301, 1),
    ],
)
def test_cooldowns_hold(per_minute, out_ago, in_ago, count):
    """Without them a fleet swings, each swing paid for."""
    target, now = {"MinCapacity": 1, "MaxCapacity": 4}, 1e9
    seen = Seen(per_minute, 2, now - out_ago, now - in_ago)
    assert wanted(target, [policy()], seen, now) == count
    if count == 2:  # the negative control: without the cooldown it would have been scaled
        free = [policy(ScaleOutCooldown=0, ScaleInCooldown=0)]
        assert wanted(target, free, seen, now) != 2


@pytest.mark.parametrize(
    ("member", "per_minute"),
    [("DynamicScalingOutSuspended", 400.0), ("DynamicScalingInSuspended", 10.0)],
)
def test_suspended_scaling_does_nothing(member, per_minute):
    target = {"MinCapacity": 1, "MaxCapacity": 4, "SuspendedState": {member: True}}
    assert wanted(target, [policy()], Seen(per_minute, 2, 0.0, 0.0), 1e9) == 2
