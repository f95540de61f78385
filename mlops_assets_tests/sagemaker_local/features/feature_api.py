"""Feature groups and their records, in short, for tests of the local feature store."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import ROLE, LocalApi

TYPES = {"id": "String", "at": "String", "x": "Fractional", "n": "Integral", "c": "String"}
names = (f"group-{number}" for number in itertools.count())


def definitions(types: dict[str, str]) -> list[dict[str, str]]:
    return [{"FeatureName": name, "FeatureType": kind} for name, kind in types.items()]


def create(api: LocalApi, types: dict[str, str] | None = None, **more: Any) -> str:
    name = next(names)
    request = {
        "FeatureGroupName": name,
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "at",
        "FeatureDefinitions": definitions(TYPES | (types or {})),
        "OnlineStoreConfig": {"EnableOnlineStore": True},
    }
    api.sm.create_feature_group(**request | more)
    return name


def offline(uri: str = "s3://bucket/features") -> dict[str, Any]:
    return {"OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": uri}}, "RoleArn": ROLE}


class Records:
    """The runtime's client, with records as dicts."""

    def __init__(self, api: LocalApi) -> None:
        self.client = api.client("sagemaker-featurestore-runtime")

    def put(self, group: str, more: dict[str, Any] | None = None, **features: str) -> None:
        self.client.put_record(
            FeatureGroupName=group, Record=self.record(**features), **(more or {})
        )

    @staticmethod
    def record(**features: str) -> list[dict[str, str]]:
        return [{"FeatureName": name, "ValueAsString": text} for name, text in features.items()]

    def get(self, group: str, identifier: str, **more: Any) -> dict[str, str] | None:
        reply = self.client.get_record(
            FeatureGroupName=group, RecordIdentifierValueAsString=identifier, **more
        )
        if "Record" not in reply:
            return None
        return {one["FeatureName"]: one["ValueAsString"] for one in reply["Record"]}

    def delete(self, group: str, identifier: str, at: str, **more: Any) -> None:
        self.client.delete_record(
            FeatureGroupName=group, RecordIdentifierValueAsString=identifier, EventTime=at, **more
        )


def refusal(call: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as error:
        call()
    response = error.value.response
    return (
        response["Error"]["Code"],
        response["Error"]["Message"],
        response["ResponseMetadata"]["HTTPStatusCode"],
    )


def day(number: int) -> str:
    return f"2024-01-{number:02}T00:00:00Z"
