"""The runtime of the feature store, in REST with JSON: put, get, delete, and batches.

Belongs here: a request's path, query and body to an operation's members, and its reply. Does not
belong here: groups (feature_groups.py), what a record may hold (feature_values.py).
"""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import orjson

from mlops_assets.sagemaker_local import shapes
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.features.feature_groups import FeatureGroups
from mlops_assets.sagemaker_local.features.feature_records import Record, Records, Write
from mlops_assets.sagemaker_local.features.feature_values import (
    deletion,
    feature_names,
    iso_time,
    put,
    refused,
)
from mlops_assets.sagemaker_local.protocol import Reply, error_reply, service_model
from mlops_assets.sagemaker_local.store import Document

SERVICE = "sagemaker-featurestore-runtime"
GROUP_PATH = "/FeatureGroup/"
_BATCHES = {"/BatchGetRecord": "BatchGetRecord", "/BatchWriteRecord": "BatchWriteRecord"}
_BY_METHOD = {"PUT": "PutRecord", "GET": "GetRecord", "DELETE": "DeleteRecord"}
_MANY = {"FeatureNames", "TargetStores"}
log = logging.getLogger(__name__)


def is_feature_path(path: str) -> bool:
    """Whether a request belongs to this runtime."""
    return path.startswith(GROUP_PATH) or path in _BATCHES


@functools.cache
def _model(operation: str) -> tuple[Any, dict[str, str]]:
    """An operation's input shape, and which member each field of the query is."""
    shape = service_model(SERVICE).operation_model(operation).input_shape
    located = {
        member.serialization["name"]: name
        for name, member in shape.members.items()
        if member.serialization.get("location") == "querystring"
    }
    return shape, located


class FeatureRuntime:
    """Records of all groups."""

    def __init__(self, groups: FeatureGroups, records: Records) -> None:
        self._groups = groups
        self._records = records
        self._operations: dict[str, Callable[[Document], Document]] = {
            "PutRecord": self.put,
            "GetRecord": self.get,
            "DeleteRecord": self.delete,
            "BatchGetRecord": self.batch_get,
            "BatchWriteRecord": self.batch_write,
        }

    def answer(self, method: str, path: str, query: bytes, body: bytes) -> Reply:
        """Execute one request; never raises."""
        try:
            operation = _operation(method, path)
            request = _request(operation, path, query, body)
            try:
                shapes.check(_model(operation)[0], request)
            except ApiError as error:  # in the runtime's word for it
                raise refused(error.message) from error
            return _reply(self._operations[operation](request))
        except ApiError as error:
            return error_reply(error)
        except Exception:
            # What went wrong is for this server's log; a client learns no internals.
            log.exception("%s %s failed", method, path[:200])
            text = "the local SageMaker API failed; its log says why"
            return error_reply(ApiError("InternalFailure", text, status=500))

    def put(self, request: Document) -> Document:
        group = self._groups.existing(request["FeatureGroupName"])
        self._records.write([put(group, request)])
        return {}

    def get(self, request: Document) -> Document:
        group = self._groups.existing(request["FeatureGroupName"])
        names = feature_names(group, request.get("FeatureNames"))
        found = self._records.read(group["Name"], [request["RecordIdentifierValueAsString"]])
        return _shown(found[0], names, request) if found else {}

    def delete(self, request: Document) -> Document:
        group = self._groups.existing(request["FeatureGroupName"])
        write = deletion(group, request)
        if request.get("DeletionMode") == "HardDelete" and write.online:
            if not self._records.remove(write.name, write.identifier, write.event):
                raise refused(
                    f"EventTime: there is no record {write.identifier[:100]!r} with an event time "
                    f"before {request['EventTime'][:40]}"
                )
            write = Write(**(vars(write) | {"online": False}))
        self._records.write([write])
        return {}

    def batch_get(self, request: Document) -> Document:
        """An identifier that has no record is in none of the reply's lists."""
        records: list[Document] = []
        errors: list[Document] = []
        for wanted in request["Identifiers"]:
            name, identifiers = wanted["FeatureGroupName"], wanted["RecordIdentifiersValueAsString"]
            try:
                group = self._groups.existing(name)
                names = feature_names(group, wanted.get("FeatureNames"))
            except ApiError as error:
                errors += [_error(error, name, identifier) for identifier in identifiers]
                continue
            own = {"FeatureGroupName": name}
            for found in self._records.read(group["Name"], list(dict.fromkeys(identifiers))):
                identifier = {"RecordIdentifierValueAsString": found.identifier}
                records.append(own | identifier | _shown(found, names, request))
        return {"Records": records, "Errors": errors, "UnprocessedIdentifiers": []}

    def batch_write(self, request: Document) -> Document:
        """Entries that are refused are in Errors; the others are written."""
        writes, errors = [], []
        default = {key: request[key] for key in ("TtlDuration",) if key in request}
        for entry in request["Entries"]:
            try:
                group = self._groups.existing(entry["FeatureGroupName"])
                writes.append(put(group, default | entry))
            except ApiError as error:
                code, message = error.code, error.message
                errors.append({"Entry": entry, "ErrorCode": code, "ErrorMessage": message[:2048]})
        self._records.write(writes)
        return {"Errors": errors, "UnprocessedEntries": []}


def _operation(method: str, path: str) -> str:
    name = _BATCHES.get(path) if method == "POST" else _BY_METHOD.get(method)
    in_group = path.startswith(GROUP_PATH) and (
        "/" not in path.removeprefix(GROUP_PATH) or ":feature-group/" in path
    )
    if name is None or (method != "POST" and not in_group):
        raise ApiError(
            "NotImplemented",
            f"{method} {path[:100]} is not implemented by the local SageMaker API, which supports: "
            "PutRecord, GetRecord, DeleteRecord, BatchGetRecord, BatchWriteRecord",
        )
    return name


def _request(operation: str, path: str, query: bytes, body: bytes) -> Document:
    """The operation's members, wherever they stood."""
    request: Document = {}
    if body:
        try:
            request = orjson.loads(body)
        except ValueError as error:
            raise ApiError("SerializationException", f"the body is not JSON: {error}") from None
        if not isinstance(request, dict):
            raise ApiError("SerializationException", "the body must be an object")
    fields = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for field, member in _model(operation)[1].items():
        if field in fields:
            request[member] = fields[field] if member in _MANY else fields[field][-1]
    if path.startswith(GROUP_PATH):
        request["FeatureGroupName"] = path.removeprefix(GROUP_PATH)
    return request


def _shown(found: Record, names: list[str], request: Document) -> Document:
    shown: Document = {
        "Record": [
            {"FeatureName": name, "ValueAsString": found.features[name]}
            for name in names
            if name in found.features
        ]
    }
    if request.get("ExpirationTimeResponse") == "Enabled" and found.expires is not None:
        shown["ExpiresAt"] = iso_time(found.expires)
    return shown


def _error(error: ApiError, name: str, identifier: str) -> Document:
    return {
        "FeatureGroupName": name,
        "RecordIdentifierValueAsString": identifier,
        "ErrorCode": error.code,
        "ErrorMessage": error.message[:2048],
    }


def _reply(body: Document) -> Reply:
    headers = {"content-type": "application/json", "x-amzn-requestid": str(uuid.uuid4())}
    return Reply(200, headers, orjson.dumps(body))
