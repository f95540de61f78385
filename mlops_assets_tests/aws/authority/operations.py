"""Which operation of AWS an HTTP request is, with its parameters, by botocore's service models.

Here: the wire forms (JSON 1.1, Query, CBOR, REST) of the services that the platform calls. Not
here: what an operation needs (grants). What cannot be told is an error, never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import botocore.session
from botocore.model import OperationModel, ServiceModel

# Services by the name that requests are signed for; of those that share one, the first that has it.
_SIGNED_FOR = {
    "application-autoscaling": ("application-autoscaling",),
    "athena": ("athena",),
    "ec2": ("ec2",),
    "ecs": ("ecs",),
    "events": ("events",),
    "glue": ("glue",),
    "iam": ("iam",),
    "kms": ("kms",),
    "lakeformation": ("lakeformation",),
    "logs": ("logs",),
    "monitoring": ("cloudwatch",),
    "redshift-data": ("redshift-data",),
    "s3": ("s3",),
    "sagemaker": ("sagemaker", "sagemaker-runtime", "sagemaker-featurestore-runtime"),
    "secretsmanager": ("secretsmanager",),
    "sns": ("sns",),
    "sqs": ("sqs",),
    "sts": ("sts",),
}


class UnknownRequest(LookupError):
    """No operation of the services above looks like this."""


@dataclass(frozen=True)
class Request:
    """As it came; ``path`` is the request line's target, still encoded."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def header(self, name: str) -> str:
        return next((v for k, v in self.headers.items() if k.lower() == name), "")


@dataclass(frozen=True)
class Operation:
    """``service`` is botocore's name for it; ``params`` as a boto3 caller would write them."""

    service: str
    name: str
    params: Mapping[str, Any]


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def operation(request: Request, signed_for: str) -> Operation:
    """What is asked for.

    Raises:
        UnknownRequest: the service or the operation is not known here.
    """
    if signed_for not in _SIGNED_FOR:
        raise UnknownRequest(f"service {signed_for!r} is not known to the tests' IAM (_SIGNED_FOR)")
    services = _SIGNED_FOR[signed_for]
    if target := request.header("x-amz-target"):
        return Operation(services[0], target.rpartition(".")[2], json.loads(request.body or b"{}"))
    if found := re.fullmatch(r"/service/[^/]+/operation/(\w+)", request.path):
        from botocore.parsers import RpcV2CBORParser

        # botocore has no reader of CBOR requests; what it reads answers with reads them, too.
        reader = RpcV2CBORParser()
        stream = reader.get_peekable_stream_from_bytes(request.body)
        params = reader.parse_data_item(stream) if request.body else {}
        return Operation(services[0], found[1], params)
    if request.path == "/" and _model(services[0]).metadata["protocol"] in ("query", "ec2"):
        form = dict(parse_qsl(request.body.decode()))
        return Operation(services[0], form.pop("Action"), form)
    for service in services:
        if found_rest := _rest(service, request):
            return found_rest
    raise UnknownRequest(f"{signed_for}: {request.method} {request.path}")


def _rest(service: str, request: Request) -> Operation | None:
    """The operation whose method, path and demanded parameters fit, the most demanding one."""
    url = urlsplit(request.path)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    found: list[tuple[int, OperationModel, dict[str, Any]]] = []
    for model in _rest_operations(service):
        pattern, literal = _uri(model.http["requestUri"])
        if model.http["method"] != request.method or not (path := pattern.fullmatch(url.path)):
            continue
        if any(query.get(key) != value for key, value in literal.items()):
            continue
        params, missing = _given(model, query, request)
        if not missing:
            groups = {key: unquote(value) for key, value in path.groupdict().items()}
            params |= {key: value for key, value in groups.items() if value}
            # Subresources count: a request with ?uploads is none of the object itself.
            used = len(literal) + len(params.keys() - groups.keys())
            found.append((used * 10 + path.re.groups, model, params))
    if not found:
        return None
    _, model, params = max(found, key=lambda each: each[0])
    return Operation(service, model.name, params | _body(request, model))


@cache
def _rest_operations(service: str) -> tuple[OperationModel, ...]:
    model = _model(service)
    found = [model.operation_model(name) for name in model.operation_names]
    return tuple(each for each in found if each.name not in _OF_OTHERS)


# Of S3: operations of directory buckets and Object Lambda, which no request of ours can be.
_OF_OTHERS = frozenset({"CreateSession", "ListDirectoryBuckets", "WriteGetObjectResponse"})


@cache
def _uri(template: str) -> tuple[re.Pattern[str], dict[str, str]]:
    """``/{Bucket}/{Key+}?uploads`` as an expression, a label a group, and the query it demands."""
    url = urlsplit(template)
    parts = re.split(r"(\{\w+\+?\})", url.path)
    made = [
        f"(?P<{part[1:-1].rstrip('+')}>{'.+' if part.endswith('+}') else '[^/]+'})"
        if part.startswith("{")
        else re.escape(part)
        for part in parts
    ]
    return re.compile("".join(made) + "/?"), dict(parse_qsl(url.query, keep_blank_values=True))


def _given(
    model: OperationModel, query: Mapping[str, str], request: Request
) -> tuple[dict[str, Any], bool]:
    """Parameters in the query and the headers, and whether a demanded one is missing."""
    shape = model.input_shape
    found: dict[str, Any] = {}
    missing = False
    for name, member in shape.members.items() if shape else ():
        place, key = member.serialization.get("location"), member.serialization.get("name", name)
        value = None
        if place == "querystring":
            value = query.get(key)
        elif place == "header":
            value = request.header(key.lower()) or None
        else:
            continue
        if value is not None:
            found[name] = value
        elif name in shape.required_members:
            missing = True
    return found, missing


def _body(request: Request, model: OperationModel) -> dict[str, Any]:
    """What the body says that permissions depend on."""
    if model.service_model.service_name == "s3":
        if model.name != "DeleteObjects":
            return {}
        tree = ElementTree.fromstring(request.body)  # noqa: S314 - our own clients' requests
        return {"Keys": [each.text for each in tree.iter() if each.tag.endswith("Key")]}
    if model.input_shape and model.input_shape.serialization.get("payload"):
        return {}  # a blob, such as an invocation's rows
    return dict(json.loads(request.body)) if request.body else {}
