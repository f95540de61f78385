"""Requests that boto3 would not send, and right requests made wrong in one place."""

from __future__ import annotations

import copy
import http.client
import json
import urllib.parse
from typing import Any

from mlops_assets.sagemaker_local import shapes
from mlops_assets.sagemaker_local.protocol import service_model
from mlops_assets_tests.sagemaker_local.api import LocalApi

REMOVED = object()


def post(api: LocalApi, target: str, body: bytes, **headers: str) -> tuple[int, dict]:
    """The status and the body of the reply."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api.url).netloc, timeout=30)
    try:
        connection.request("POST", "/", body, {"X-Amz-Target": target} | headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def changed(request: dict, path: str, value: object) -> dict:
    """The request with one member, given by its dotted path, replaced or removed."""
    result = copy.deepcopy(request)
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place = result
    for part in way:
        place = place[part]
    if value is REMOVED:
        del place[last]
    else:
        place[last] = value
    return result


def raw(api: LocalApi, service: str, operation: str, **request: Any) -> dict[str, Any]:
    """The reply before boto3 forgives anything, checked against the output shape."""
    model = service_model(service)
    prefix = model.metadata["targetPrefix"]
    status, body = post(api, f"{prefix}.{operation}", json.dumps(request).encode())
    assert status == 200, body
    if (shape := model.operation_model(operation).output_shape) is not None:
        shapes.check(shape, body)
    return body
