"""Feature groups: what a record of each may hold, and where it is kept.

Belongs here: the operations on groups. Does not belong here: records (feature_records.py), their
protocol (feature_http.py), files of the offline store (feature_offline.py).
"""

from __future__ import annotations

import time

from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import ACCOUNT, Config
from mlops_assets.sagemaker_local.errors import ApiError, in_use, invalid, unsupported
from mlops_assets.sagemaker_local.features.feature_records import Records
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store

GROUP = "feature-group"
RESERVED = frozenset({"is_deleted", "write_time", "api_invocation_time"})
_LIMIT = 2500
_SORTS = {"CreationTime": "CreationTime", "Name": "Name", "FeatureGroupStatus": "Name"}


class FeatureGroups:
    """A name is free again once deleted; the offline store's files stay."""

    def __init__(self, config: Config, store: Store, records: Records) -> None:
        self._config = config
        self._store = store
        self._records = records

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateFeatureGroup": self.create,
            "DescribeFeatureGroup": self.describe,
            "ListFeatureGroups": self.list,
            "UpdateFeatureGroup": self.update,
            "DeleteFeatureGroup": self.delete,
        }

    def existing(self, name: str) -> Document:
        """By name or ARN; ResourceNotFound if there is none."""
        short = name.rpartition(f":{GROUP}/")[2]
        document = self._store.get(GROUP, short)
        if document is None:
            raise ApiError("ResourceNotFound", f"Feature Group {short[:64]} does not exist.", 404)
        return document

    def create(self, request: Document) -> Document:
        name = request["FeatureGroupName"]
        arn, now = self._config.arn(GROUP, name), time.time()
        if self._store.get(GROUP, name) is not None:
            raise in_use(f"Resource Already Exists: FeatureGroup with name {name} already exists.")
        _check_definitions(request["FeatureDefinitions"])
        _check_keys(request)
        online = request.get("OnlineStoreConfig", {})
        if not online.get("EnableOnlineStore") and "OfflineStoreConfig" not in request:
            raise invalid("Enable the online store, or give an OfflineStoreConfig")
        if online.get("StorageType", "Standard") != "Standard":
            raise unsupported(f"StorageType {online['StorageType']}", "leave it out")
        document = {name: value for name, value in request.items() if name != "Tags"} | {
            "Arn": arn,
            "Name": name,
            "FeatureGroupArn": arn,
            "FeatureGroupStatus": "Created",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        if "OfflineStoreConfig" in request:
            document |= self._offline(request, now)
        with self._store.transaction():
            self._store.put(GROUP, name, document)
            self._store.set_tags(arn, tags.from_request(request))
        return {"FeatureGroupArn": arn}

    def describe(self, request: Document) -> Document:
        document = self.existing(request["FeatureGroupName"])
        # The service's reply always has a token; an empty one ends the pages.
        return document | {
            "NextToken": "",
            "OnlineStoreTotalSizeBytes": self._records.size(document["Name"]),
        }

    def list(self, request: Document) -> Document:
        documents = self._store.all(GROUP)
        for asked, member in (
            ("FeatureGroupStatusEquals", "FeatureGroupStatus"),
            ("OfflineStoreStatusEquals", "OfflineStoreStatus"),
        ):
            if asked in request:
                documents = [d for d in documents if _status(d, member) == request[asked]]
        sorts = _SORTS | {"OfflineStoreStatus": "Name"}
        found = listing.page(request, documents, name="Name", sorts=sorts)
        return listing.summaries("FeatureGroupSummaries", found)

    def update(self, request: Document) -> Document:
        """Features can be added, never taken away; the online store's time to live can change."""
        document = self.existing(request["FeatureGroupName"])
        if "ThroughputConfig" in request:
            raise unsupported("provisioned throughput", "leave ThroughputConfig out")
        definitions = [*document["FeatureDefinitions"], *request.get("FeatureAdditions", [])]
        _check_definitions(definitions)
        changes: Document = {
            "FeatureDefinitions": definitions,
            "LastUpdateStatus": {"Status": "Successful"},
        }
        if "TtlDuration" in request.get("OnlineStoreConfig", {}):
            ttl = {"TtlDuration": request["OnlineStoreConfig"]["TtlDuration"]}
            changes["OnlineStoreConfig"] = document.get("OnlineStoreConfig", {}) | ttl
        self._store.update(GROUP, document["Name"], **changes)
        return {"FeatureGroupArn": document["Arn"]}

    def delete(self, request: Document) -> Document:
        document = self.existing(request["FeatureGroupName"])
        with self._store.transaction():
            self._store.delete(GROUP, document["Name"])
            self._store.set_tags(document["Arn"], {})
        self._records.drop(document["Name"])
        return {}

    def _offline(self, request: Document, now: float) -> Document:
        if "RoleArn" not in request:
            raise invalid("RoleArn is required when OfflineStoreConfig is given")
        given = request["OfflineStoreConfig"]
        if given.get("TableFormat", "Glue") not in ("Glue", "Default"):
            raise unsupported(f"TableFormat {given['TableFormat']}", "leave it out")
        storage = given["S3StorageConfig"]
        prefix = s3_uri("S3StorageConfig.S3Uri", storage["S3Uri"]).rstrip("/")
        resolved = (
            f"{prefix}/{ACCOUNT}/sagemaker/{self._config.region}/offline-store/"
            f"{request['FeatureGroupName']}-{int(now)}/data"
        )
        return {
            "OfflineStoreConfig": given
            | {"S3StorageConfig": storage | {"ResolvedOutputS3Uri": resolved}},
            "OfflineStoreStatus": {"Status": "Active"},
        }


def _check_definitions(definitions: list[Document]) -> None:
    names = [definition["FeatureName"] for definition in definitions]
    if len(set(names)) != len(names):
        raise invalid(f"FeatureDefinitions names a feature more than once: {sorted(names)}")
    if taken := sorted(RESERVED.intersection(names)):
        raise invalid(f"FeatureDefinitions uses reserved names: {taken}")
    if len(names) > _LIMIT:
        raise invalid(f"a feature group can have {_LIMIT} features at most, not {len(names)}")
    for definition in definitions:
        if "FeatureType" not in definition:
            raise invalid(f"feature {definition['FeatureName']} needs a FeatureType")
        if "CollectionType" in definition:
            raise unsupported(f"collection {definition['FeatureName']}", "leave CollectionType out")


def _check_keys(request: Document) -> None:
    types = {one["FeatureName"]: one["FeatureType"] for one in request["FeatureDefinitions"]}
    identifier = types.get(request["RecordIdentifierFeatureName"])
    event_time = types.get(request["EventTimeFeatureName"])
    if identifier is None or event_time is None:
        raise invalid("FeatureDefinitions must hold the record identifier and the event time")
    if identifier not in ("String", "Integral"):
        raise invalid(f"a record identifier is String or Integral, not {identifier}")
    if event_time not in ("String", "Fractional"):
        raise invalid(f"an event time is String or Fractional, not {event_time}")


def _status(document: Document, member: str) -> str | None:
    value = document.get(member)
    return value["Status"] if isinstance(value, dict) else value
