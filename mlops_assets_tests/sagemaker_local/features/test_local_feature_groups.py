"""Feature groups and the offline store, driven through boto3: what AWS documents of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.features.feature_api import (
    TYPES,
    Records,
    create,
    day,
    definitions,
    offline,
    refusal,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def records(api: LocalApi) -> Records:
    return Records(api)


def test_a_groups_life(api):
    name = create(api, Description="parcels", Tags=[{"Key": "a", "Value": "b"}])
    found = api.sm.describe_feature_group(FeatureGroupName=name)
    assert found["FeatureGroupStatus"] == "Created"
    assert found["FeatureDefinitions"] == definitions(TYPES)
    assert found["Description"] == "parcels"
    by_arn = api.sm.describe_feature_group(FeatureGroupName=found["FeatureGroupArn"])
    assert by_arn["FeatureGroupName"] == name
    assert api.sm.list_tags(ResourceArn=found["FeatureGroupArn"])["Tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    listed = api.sm.list_feature_groups(NameContains=name)["FeatureGroupSummaries"]
    assert [group["FeatureGroupName"] for group in listed] == [name]
    assert refusal(lambda: create_again(api, name))[0] == "ResourceInUse"
    api.sm.delete_feature_group(FeatureGroupName=name)
    gone = refusal(lambda: api.sm.describe_feature_group(FeatureGroupName=name))
    assert (gone[0], gone[2]) == ("ResourceNotFound", 404)


def create_again(api: LocalApi, name: str) -> None:
    create(api, FeatureGroupName=name)


def test_features_can_be_added_and_are_then_taken(api, records):
    name = create(api)
    records.put(name, id="a", at=day(1), x="1")
    api.sm.update_feature_group(
        FeatureGroupName=name,
        FeatureAdditions=[{"FeatureName": "y", "FeatureType": "Fractional"}],
    )
    records.put(name, id="a", at=day(2), y="2.5")
    assert records.get(name, "a") == {"id": "a", "at": day(2), "y": "2.5"}


def test_a_deleted_group_leaves_no_record_for_the_next_of_its_name(api, records):
    name = create(api)
    records.put(name, id="a", at=day(1), x="1")
    api.sm.delete_feature_group(FeatureGroupName=name)
    create(api, FeatureGroupName=name)
    assert records.get(name, "a") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"FeatureDefinitions": definitions({"id": "String"})}, "event time"),
        ({"FeatureDefinitions": definitions(TYPES | {"id": "Fractional"})}, "record identifier"),
        ({"FeatureDefinitions": definitions(TYPES | {"at": "Integral"})}, "event time is"),
        ({"FeatureDefinitions": definitions(TYPES | {"is_deleted": "String"})}, "reserved"),
        ({"FeatureDefinitions": definitions(TYPES) * 2}, "more than once"),
        ({"FeatureDefinitions": definitions(TYPES | {"x": "Complex"})}, "enum value set"),
        ({"OnlineStoreConfig": {}}, "Enable the online store"),
        ({"OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": "InMemory"}}, "InMemory"),
        (offline() | {"RoleArn": None}, "RoleArn is required"),
        (offline("https://bucket/x"), "S3Uri"),
    ],
)
def test_wrong_groups_are_refused(api, change, message):
    given = {key: value for key, value in change.items() if value is not None}
    code, said, _ = refusal(lambda: create(api, **given))
    assert code == "ValidationException"
    assert message in said


def files(api: LocalApi, prefix: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for info in api.objects.list(prefix):
        yield info.uri, pq.read_table(io.BytesIO(api.objects.read(info.uri))).to_pylist()


def test_everything_that_came_is_in_the_offline_store_even_after_a_kill(new_api):
    """Records that were acknowledged, then lost with the process, would be lost for training."""
    api = new_api()
    name = create(api, **offline())
    records = Records(api)
    records.put(name, id="a", at=day(2), x="2", n="3")
    records.put(name, id="a", at=day(1), x="1")
    records.put(name, id="b", at="2024-01-02T00:30:00Z", x="7", c="ü")
    records.delete(name, "a", day(3))
    records.put(name, {"TargetStores": ["OnlineStore"]}, id="z", at=day(1))
    resolved = api.sm.describe_feature_group(FeatureGroupName=name)["OfflineStoreConfig"][
        "S3StorageConfig"
    ]["ResolvedOutputS3Uri"]
    api.end(kill=True)
    api.start()
    assert Records(api).get(name, "b") is not None
    rows = eventually(lambda: written(api, 4))
    assert {(r["id"], r["at"], r["x"], r["n"], r["c"], r["is_deleted"]) for r in rows} == {
        ("a", day(2), 2.0, 3, None, False),
        ("a", day(1), 1.0, None, None, False),
        ("b", "2024-01-02T00:30:00Z", 7.0, None, "ü", False),
        ("a", day(3), None, None, None, True),
    }
    assert all(row["write_time"] >= row["api_invocation_time"] for row in rows)
    uris = sorted(uri for uri, _ in files(api, "s3://bucket/features"))
    assert [uri.removeprefix(resolved).rpartition("/")[0] for uri in uris] == [
        f"/year=2024/month=01/day=0{n}/hour=00" for n in (1, 2, 3)
    ]
    assert "/20240102T003000Z_" in uris[1]
    api.end()


def written(api: LocalApi, count: int) -> list[dict[str, Any]] | None:
    found = [row for _, rows in files(api, "s3://bucket/features") for row in rows]
    assert len(found) <= count, "a record must not be written twice"
    return found if len(found) == count else None
