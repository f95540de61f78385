"""What a record may hold: names, types, event time, time to live, as its group says.

Belongs here: a request's record to the write that the store takes, or a ValidationError that names
the feature. Does not belong here: storing it (feature_records.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.features.feature_records import Write, target_of
from mlops_assets.sagemaker_local.store import Document

_RECORD_BYTES = 350 * 1024
_EVENT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_UNITS = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86_400, "Weeks": 604_800}
_MILLION = 1_000_000


def refused(message: str) -> ApiError:
    """The runtime says ValidationError where the control plane says ValidationException."""
    return ApiError("ValidationError", message)


def put(group: Document, request: Document) -> Write:
    """The write that a PutRecord, or an entry of a BatchWriteRecord, asks for."""
    types = _types(group)
    features: dict[str, str] = {}
    for given in request["Record"]:
        name = given["FeatureName"]
        if name not in types:
            raise refused(f"Feature {name!r} is not defined in {group['Name']}")
        if name in features:
            raise refused(f"Feature {name!r} is given more than once")
        if "ValueAsStringList" in given:
            raise refused(f"Feature {name!r} is no collection: give ValueAsString")
        if given.get("ValueAsString") is not None:
            features[name] = _checked(name, types[name], given["ValueAsString"])
    for member in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
        if not features.get(group[member]):
            raise refused(f"The record has no value of {group[member]!r}, its {member}")
    if (size := sum(len(k) + len(v) for k, v in features.items())) > _RECORD_BYTES:
        raise refused(f"The record has {size} bytes, more than {_RECORD_BYTES}")
    event = event_us(group, features[group["EventTimeFeatureName"]])
    online, offline = _stores(group, request)
    return Write(
        name=group["Name"],
        identifier=features[group["RecordIdentifierFeatureName"]],
        event=event,
        features=features,
        expires=_expires(group, request, event),
        online=online,
        target=offline,
    )


def deletion(group: Document, request: Document) -> Write:
    """The write that a DeleteRecord asks for."""
    identifier, text = request["RecordIdentifierValueAsString"], request["EventTime"]
    online, offline = _stores(group, request)
    names = group["RecordIdentifierFeatureName"], group["EventTimeFeatureName"]
    return Write(
        name=group["Name"],
        identifier=identifier,
        event=event_us(group, text),
        features=dict(zip(names, (identifier, text), strict=True)),
        online=online,
        target=offline,
        deleted=True,
    )


def feature_names(group: Document, asked: Iterable[str] | None) -> list[str]:
    """The features that a read asks for, in the order of their definitions; by default all."""
    types = _types(group)
    if asked is None:
        return list(types)
    wanted = set(asked)
    if unknown := sorted(wanted - set(types)):
        raise refused(f"{group['Name']} has no features {unknown}")
    return [name for name in types if name in wanted]


def event_us(group: Document, text: str) -> int:
    """An event time in microseconds since the epoch; ValidationError if it is none."""
    name = group["EventTimeFeatureName"]
    try:
        if _types(group)[name] == "Fractional":
            return int(Decimal(text) * _MILLION)
        if _EVENT_TIME.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return int(moment.timestamp()) * _MILLION + moment.microsecond
    except (ValueError, InvalidOperation, OverflowError):
        pass
    raise refused(
        f"EventTime {text[:40]!r} of feature {name!r} must be yyyy-MM-dd'T'HH:mm:ssZ or "
        "yyyy-MM-dd'T'HH:mm:ss.SSSZ, or seconds since the epoch if it is Fractional"
    )


def iso_time(us: int) -> str:
    """Microseconds since the epoch as the service writes times."""
    moment = datetime.fromtimestamp(us / _MILLION, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{us // 1000 % 1000:03}Z"


def _types(group: Document) -> dict[str, str]:
    return {one["FeatureName"]: one["FeatureType"] for one in group["FeatureDefinitions"]}


def _checked(name: str, kind: str, text: str) -> str:
    """``text`` if it is a value of the type."""
    right = True
    if kind == "Integral":
        right = bool(_INTEGER.fullmatch(text)) and -(2**63) <= int(text) < 2**63
    elif kind == "Fractional":
        try:
            right = math.isfinite(float(text)) and "_" not in text
        except ValueError:
            right = False
    if not right:
        raise refused(f"Feature {name!r}: {text[:40]!r} is no value of type {kind}")
    return text


def _stores(group: Document, request: Document) -> tuple[bool, str | None]:
    """Whether the online store gets the record, and where the offline store keeps it."""
    has_online = bool(group.get("OnlineStoreConfig", {}).get("EnableOnlineStore"))
    there = {"OnlineStore": has_online, "OfflineStore": "OfflineStoreConfig" in group}
    wanted = request.get("TargetStores") or [store for store, is_there in there.items() if is_there]
    for store in wanted:
        if not there[store]:
            raise refused(f"{group['Name']} has no {store}")
    if "OfflineStore" not in wanted:
        return "OnlineStore" in wanted, None
    uri = group["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    return "OnlineStore" in wanted, target_of(uri, _types(group))


def _expires(group: Document, request: Document, event: int) -> int | None:
    ttl = request.get("TtlDuration") or group.get("OnlineStoreConfig", {}).get("TtlDuration")
    return event + _UNITS[ttl["Unit"]] * ttl["Value"] * _MILLION if ttl else None
