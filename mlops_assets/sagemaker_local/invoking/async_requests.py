"""What InvokeEndpointAsync may say in its headers.

Belongs here: the headers' limits, and what is refused here. Does not belong here: the queue
(async_invocations.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.store import Document

_PREFIX = "x-amzn-sagemaker-"
_FORWARDED = {  # a header's name here, to the model server's
    f"{_PREFIX}content-type": "content-type",
    f"{_PREFIX}accept": "accept",
    f"{_PREFIX}custom-attributes": f"{_PREFIX}custom-attributes",
}
_REFUSED = (f"{_PREFIX}filename", f"{_PREFIX}s3outputpathextension")


def async_request(headers: Mapping[str, str], body: bytes) -> Document:
    """InferenceId, Input, Headers, TtlSeconds and TimeoutSeconds. Raises ApiError."""
    for name in _REFUSED:
        if name in headers:
            raise ApiError("ValidationError", f"{name} is not supported locally")
    if body:
        text = "a Body is not supported locally: put it into an object and give InputLocation"
        raise ApiError("ValidationError", text)
    uri = headers.get(f"{_PREFIX}inputlocation")
    if uri is None:
        raise ApiError("ValidationError", "InputLocation is required")
    try:
        s3_uri("InputLocation", uri)
    except ApiError as error:
        raise ApiError("ValidationError", error.message) from error
    identity = headers.get(f"{_PREFIX}inference-id") or str(uuid.uuid4())
    sent = {ours: headers[theirs] for theirs, ours in _FORWARDED.items() if theirs in headers}
    return {
        "InferenceId": identity,
        "Input": uri,
        "Headers": sent | {f"{_PREFIX}inference-id": identity},
        "TtlSeconds": _seconds(headers, "RequestTTLSeconds", 60, 21_600, 21_600),
        "TimeoutSeconds": _seconds(headers, "InvocationTimeoutSeconds", 1, 3600, 900),
    }


def _seconds(headers: Mapping[str, str], member: str, low: int, high: int, default: int) -> int:
    text = headers.get(f"{_PREFIX}{member.lower()}", str(default))
    if not text.isdigit() or not low <= int(text) <= high:
        raise ApiError("ValidationError", f"{member} {text[:20]} is outside {low} to {high}")
    return int(text)
