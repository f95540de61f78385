"""The instance types that a job may run on: the one asked for, then its declared alternates.

Here: the same request on another type. Not here: how long each type is waited for (patience.py),
when it is given up (client.py).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_assets.resources.sagemaker.jobs.kinds import JobKind
from mlops_assets.resources.sagemaker.requests import Placement, has_nvme


def on_each_instance(
    kind: JobKind,
    request: Mapping[str, Any],
    alternates: Sequence[str],
    placement: Placement | None = None,
) -> list[dict[str, Any]]:
    """The request itself, then copies of it that differ in nothing but the instance type.

    Where a type's volumes take no key of ours, it asks for none.

    Args:
        placement: says the key of volumes where the request itself has none.

    Raises:
        ValueError: a request for several groups of instances has no one type to exchange.
    """
    found = [copy.deepcopy(dict(request))]
    for instance_type in alternates:
        other = copy.deepcopy(dict(request))
        cluster: dict[str, Any] = other
        for member in kind.cluster:
            cluster = cluster[member]
        if "InstanceType" not in cluster:
            raise ValueError(
                f"{kind.noun} {request.get(kind.name_member, '')} asks for groups of instances: "
                "declare alternates for one type only"
            )
        cluster["InstanceType"] = instance_type
        given = cluster.pop("VolumeKmsKeyId", placement.kms_key_arn if placement else None)
        if given and not has_nvme(instance_type):
            cluster["VolumeKmsKeyId"] = given
        found.append(other)
    return found
