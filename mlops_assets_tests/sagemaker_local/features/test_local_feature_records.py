"""Records of the feature store, driven through boto3: what AWS documents of them.

Rules are those of the service's own reference (PutRecord, DeleteRecord, BatchGetRecord).
"""

from __future__ import annotations

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.features.feature_api import Records, create, day, refusal

pytestmark = pytest.mark.integration


@pytest.fixture
def records(api: LocalApi) -> Records:
    return Records(api)


def test_only_a_later_event_time_replaces_a_record(api, records):
    """A late record, or one of the same time, must not undo a newer one."""
    name = create(api)
    records.put(name, id="a", at=day(2), x="2")
    for at in (day(1), day(2)):
        records.put(name, id="a", at=at, x="9")
        assert records.get(name, "a") == {"id": "a", "at": day(2), "x": "2"}
    records.put(name, id="a", at="2024-01-02T00:00:00.001Z", x="3", n="-7")
    assert records.get(name, "a", FeatureNames=["n", "x"]) == {"x": "3", "n": "-7"}


def test_a_fractional_event_time_is_compared_as_a_number(api, records):
    name = create(api, {"at": "Fractional"})
    records.put(name, id="a", at="9.5", x="1")
    records.put(name, id="a", at="10.25", x="2")
    records.put(name, id="a", at="9.75", x="3")
    assert records.get(name, "a") == {"id": "a", "at": "10.25", "x": "2"}


def test_texts_come_back_as_they_were_put(api, records):
    name = create(api)
    odd = {"id": "%|/ü日\\", "x": "0.30000000000000004", "n": "-9223372036854775808", "c": " "}
    records.put(name, at=day(1), **odd)
    assert records.get(name, odd["id"]) == {**odd, "at": day(1)}


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"at": day(1)}, "no value of 'id'"),
        ({"id": "", "at": day(1)}, "no value of 'id'"),
        ({"id": "a"}, "no value of 'at'"),
        ({"id": "a", "at": "2024-01-01"}, "EventTime '2024-01-01'"),
        ({"id": "a", "at": "2024-13-01T00:00:00Z"}, "EventTime"),
        ({"id": "a", "at": "2024-01-01T00:00:00+01:00"}, "EventTime"),
        ({"id": "a", "at": day(1), "y": "1"}, "'y' is not defined"),
        ({"id": "a", "at": day(1), "x": "one"}, "'one' is no value of type Fractional"),
        ({"id": "a", "at": day(1), "x": "nan"}, "'nan' is no value of type Fractional"),
        ({"id": "a", "at": day(1), "x": "1_0"}, "no value of type Fractional"),
        ({"id": "a", "at": day(1), "n": "1.0"}, "no value of type Integral"),
        ({"id": "a", "at": day(1), "n": "9223372036854775808"}, "no value of type Integral"),
        ({"id": "a", "at": day(1), "c": "two\nlines"}, "regular expression"),
        ({"id": "a", "at": day(1), "c": "x" * 358_400, "x": "1"}, "bytes, more than"),
    ],
)
def test_wrong_records_are_refused(api, records, features, message):
    code, said, status = refusal(lambda: records.put(create(api), **features))
    assert (code, status) == ("ValidationError", 400)
    assert message in said


def test_a_feature_given_twice_is_refused(api, records):
    twice = [*records.record(id="a", at=day(1), x="1"), *records.record(x="2")]
    call = lambda: records.client.put_record(FeatureGroupName=create(api), Record=twice)  # noqa: E731
    assert "more than once" in refusal(call)[1]


def test_a_soft_deleted_record_is_gone_and_nothing_older_comes_back(api, records):
    name = create(api)
    records.put(name, id="a", at=day(2), x="1")
    records.delete(name, "a", day(1))
    assert records.get(name, "a") is not None, "the deletion is older than the record"
    records.delete(name, "a", day(3))
    assert records.get(name, "a") is None
    records.put(name, id="a", at=day(3), x="2")
    assert records.get(name, "a") is None
    records.put(name, id="a", at=day(4), x="3")
    assert records.get(name, "a") == {"id": "a", "at": day(4), "x": "3"}


def test_a_hard_deleted_record_is_forgotten_with_its_event_time(api, records):
    name = create(api)
    records.put(name, id="a", at=day(2), x="1")
    for at in (day(1), day(2)):
        hard = lambda at=at: records.delete(name, "a", at, DeletionMode="HardDelete")  # noqa: E731
        assert refusal(hard)[0] == "ValidationError"
    records.delete(name, "a", day(3), DeletionMode="HardDelete")
    records.put(name, id="a", at=day(2), x="2")
    assert records.get(name, "a") == {"id": "a", "at": day(2), "x": "2"}


def test_records_end_when_their_time_to_live_is_over(api, records):
    hour = {"TtlDuration": {"Unit": "Hours", "Value": 1}}
    name = create(api, OnlineStoreConfig={"EnableOnlineStore": True, **hour})
    records.put(name, id="old", at=day(1), x="1")
    assert records.get(name, "old") is None
    records.put(name, {"TtlDuration": {"Unit": "Weeks", "Value": 5200}}, id="new", at=day(1))
    found = records.client.get_record(
        FeatureGroupName=name,
        RecordIdentifierValueAsString="new",
        ExpirationTimeResponse="Enabled",
    )
    assert found["ExpiresAt"] == "2123-08-30T00:00:00.000Z"
    records.put(name, {"TtlDuration": {"Unit": "Weeks", "Value": 5200}}, id="old", at=day(1))
    assert records.get(name, "old") is not None, "what has expired is in nobody's way"


def test_a_group_that_is_not_there(records):
    for call in (
        lambda: records.get("nobody", "a"),
        lambda: records.put("nobody", id="a", at=day(1)),
        lambda: records.delete("nobody", "a", day(1)),
    ):
        assert refusal(call)[0] == "ResourceNotFound"


def test_a_batch_of_reads_over_groups(api, records):
    one, other = create(api), create(api)
    for n in range(100):
        records.put(one, id=str(n), at=day(1), x=str(n), c="c")
    records.put(other, id="a", at=day(1), n="1")
    wanted = [
        {"FeatureGroupName": one, "RecordIdentifiersValueAsString": [str(n) for n in range(100)],
         "FeatureNames": ["x"]},
        {"FeatureGroupName": other, "RecordIdentifiersValueAsString": ["a", "missing"]},
        {"FeatureGroupName": "nobody", "RecordIdentifiersValueAsString": ["a"]},
    ]  # fmt: skip
    reply = records.client.batch_get_record(Identifiers=wanted)
    found = {
        (r["FeatureGroupName"], r["RecordIdentifierValueAsString"]): r["Record"]
        for r in reply["Records"]
    }
    assert len(found) == 101
    assert found[one, "17"] == records.record(x="17")
    assert found[other, "a"] == records.record(id="a", at=day(1), n="1")
    assert [e["ErrorCode"] for e in reply["Errors"]] == ["ResourceNotFound"]
    assert reply["UnprocessedIdentifiers"] == []


def test_a_batch_has_a_hundred_identifiers_at_most(api, records):
    wanted = {
        "FeatureGroupName": create(api),
        "RecordIdentifiersValueAsString": [str(n) for n in range(101)],
    }
    code, said, _ = refusal(lambda: records.client.batch_get_record(Identifiers=[wanted]))
    assert code == "ValidationError"
    assert "length less than or equal to 100" in said


def test_a_batch_of_writes_keeps_what_is_right(api, records):
    name = create(api)
    entries = [
        {"FeatureGroupName": name, "Record": records.record(id="a", at=day(1), x="1")},
        {"FeatureGroupName": name, "Record": records.record(id="b", at=day(1), x="wrong")},
        {"FeatureGroupName": name, "Record": records.record(id="c", at=day(1), x="3")},
    ]
    reply = records.client.batch_write_record(Entries=entries)
    assert [e["Entry"]["Record"] for e in reply["Errors"]] == [entries[1]["Record"]]
    assert [records.get(name, one) is not None for one in "abc"] == [True, False, True]
    assert refusal(lambda: records.client.batch_write_record(Entries=entries * 9))[0] == (
        "ValidationError"
    )


def test_what_is_not_implemented_is_said(api, records):
    name = create(api)
    call = lambda: records.client.list_records(FeatureGroupName=name)  # noqa: E731
    assert refusal(call)[0] == "NotImplemented"
