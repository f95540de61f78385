"""Feature groups of the online feature store, and reading their records.

Here: the group of a pipeline, made or extended, and batches of records by entity key. Not here:
writing records (feature_put.py); what the endpoint does with them (containers.online_features).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd

from mlops_assets.containers.online_features.online_store import Records, batches, get_batch
from mlops_assets.ml.feature_record import ENTITY, EVENT_TIME
from mlops_assets.resources.sagemaker.errors import found_or_none, patiently
from mlops_assets.resources.sagemaker.names import tag_list
from mlops_assets.resources.sagemaker.requests import Placement

# boto3 keeps ten connections to a service.
THREADS = 8

_KEYS = {ENTITY: "String", EVENT_TIME: "String"}
_PATIENCE_S = 600.0
_READ_S = 60.0
_PAUSE_S = 0.5


class FeatureGroupError(Exception):
    """A group that is not what it should be; the message says what to do."""


def feature_types(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, str]:
    """{column: Integral, Fractional or String}.

    >>> feature_types(pd.DataFrame({"n": [1], "x": [.5], "c": ["a"]}), ["n", "x", "c"])
    {'n': 'Integral', 'x': 'Fractional', 'c': 'String'}
    """
    return {column: _type(frame[column].dtype) for column in columns}


def _type(dtype: Any) -> str:
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_integer_dtype(dtype):
        return "Integral"
    return "Fractional" if pd.api.types.is_float_dtype(dtype) else "String"


def group_request(
    name: str,
    types: Mapping[str, str],
    *,
    placement: Placement,
    offline_uri: str | None = None,
    description: str = "",
) -> dict[str, Any]:
    """``CreateFeatureGroup``'s parameters: an online store, and an offline one where a URI says so.

    The entity's identifier and the event time come before the columns of ``types``.
    """
    key = {"KmsKeyId": placement.kms_key_arn} if placement.kms_key_arn else {}
    online: dict[str, Any] = {"EnableOnlineStore": True}
    if key:
        online["SecurityConfig"] = key
    request: dict[str, Any] = {
        "FeatureGroupName": name,
        "RecordIdentifierFeatureName": ENTITY,
        "EventTimeFeatureName": EVENT_TIME,
        "FeatureDefinitions": _definitions({**_KEYS, **types}),
        "OnlineStoreConfig": online,
        "Tags": tag_list(placement.tags),
    }
    if offline_uri:
        request["RoleArn"] = placement.role_arn
        request["OfflineStoreConfig"] = {
            "S3StorageConfig": {"S3Uri": offline_uri, **key},
            # The lake has the features' history; this one records what was served, without a table.
            "DisableGlueTableCreation": True,
        }
    if description:
        request["Description"] = description[:128]
    return request


def ensure_group(
    client: Any,
    name: str,
    types: Mapping[str, str],
    *,
    placement: Placement | None = None,
    offline_uri: str | None = None,
    description: str = "",
) -> bool:
    """Make the group, or add the features that it lacks; whether anything was changed.

    Returns when the service says that it is done. Raises FeatureGroupError when that fails, or when
    a feature is there with another type, which no group can change.
    """
    request = group_request(
        name,
        types,
        placement=placement or Placement(),
        offline_uri=offline_uri,
        description=description,
    )
    found = found_or_none(lambda: client.describe_feature_group(FeatureGroupName=name))
    if found is None:
        patiently(lambda: client.create_feature_group(**request))
        _settle(client, name)
        return True
    known = {one["FeatureName"]: one["FeatureType"] for one in found["FeatureDefinitions"]}
    wanted = {**_KEYS, **types}
    if other := sorted(one for one in wanted if known.get(one, wanted[one]) != wanted[one]):
        raise FeatureGroupError(
            f"feature group {name} has {', '.join(f'{one} as {known[one]}' for one in other)}, "
            f"not {', '.join(wanted[one] for one in other)}. Delete the group, then materialize "
            "online_features of the newest partition"
        )
    added = {one: kind for one, kind in wanted.items() if one not in known}
    if added:
        additions = _definitions(added)
        patiently(
            lambda: client.update_feature_group(FeatureGroupName=name, FeatureAdditions=additions)
        )
    _settle(client, name)
    return bool(added)


def read(runtime: Any, group: str, identifiers: Iterable[str], columns: Sequence[str]) -> Records:
    """{record identifier: {feature: text}} of the records that exist, event time included.

    Raises ``containers.online_features.online_store.Unavailable`` when a record cannot be read in
    a minute.
    """
    names, until = [EVENT_TIME, *columns], time.monotonic() + _READ_S
    found: Records = {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="features") as pool:
        for part in pool.map(
            lambda batch: patiently(
                lambda: get_batch(runtime, group, batch, names, until), patience_s=_READ_S
            ),
            batches(identifiers),
        ):
            found |= part
    return found


def _definitions(types: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"FeatureName": name, "FeatureType": kind} for name, kind in types.items()]


def _settle(client: Any, name: str) -> None:
    """Wait for the end of a creation or an update."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        found = patiently(lambda: client.describe_feature_group(FeatureGroupName=name))
        status = found.get("FeatureGroupStatus")
        update = found.get("LastUpdateStatus", {"Status": "Successful"})
        if status == "Created" and update["Status"] == "Successful":
            return
        if status not in ("Creating", "Created") or update["Status"] == "Failed":
            reason = found.get("FailureReason") or update.get("FailureReason") or "no reason given"
            raise FeatureGroupError(
                f"feature group {name} is {status}, its update {update['Status']}: {reason}"
            )
        if time.monotonic() > until:
            raise FeatureGroupError(
                f"feature group {name} is {status} after {_PATIENCE_S:g} s: look at it in SageMaker"
            )
        time.sleep(_PAUSE_S)
