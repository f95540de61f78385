"""Which permissions an operation of AWS needs: action, resource and condition keys of each.

Here: the tables, by AWS's Service Authorization Reference, and what services ask of a caller beside
the operation itself (a role to pass, the key of what is written). Not here: who has which
permission (roles), HTTP (operations).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from mlops_assets_tests.aws.authority.grant import Grant, Place
from mlops_assets_tests.aws.authority.operations import Operation, Request
from mlops_assets_tests.aws.authority.sagemaker_grants import sagemaker_grants
from mlops_assets_tests.deploy.iam import Context

# Everybody may: it says who one is.
FREE = frozenset({"sts:GetCallerIdentity"})


def grants(operation: Operation, request: Request, place: Place) -> list[Grant]:
    """All of them; a request is answered only where each is given."""
    made = _BY_SERVICE.get(operation.service)
    found = [] if made is None else list(made(operation, request, place))
    if not found:
        found = [Grant(f"{operation.service}:{operation.name}", _named_resource(operation))]
    return [each for each in found if each.action not in FREE]


def _named_resource(operation: Operation) -> str:
    """The one ARN among the parameters; ``*``, which only ``Resource: "*"`` allows, without one."""
    for value in operation.params.values():
        if isinstance(value, str) and value.startswith("arn:"):
            return value
    return "*"


# --- S3 -----------------------------------------------------------------------------------------

_S3_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "UploadPart": "PutObject",
}
_KMS_OF_OBJECTS = {"GetObject": ("Decrypt",), "PutObject": ("GenerateDataKey",)}
_ENCRYPTION = "x-amz-server-side-encryption"


def _s3(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    action = _S3_ACTIONS.get(operation.name, operation.name)
    bucket = f"arn:aws:s3:::{operation.params['Bucket']}"
    # The proxy stands for the TLS that the clients would speak.
    context = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
    for header, key in (
        (_ENCRYPTION, f"s3:{_ENCRYPTION}"),
        (f"{_ENCRYPTION}-aws-kms-key-id", f"s3:{_ENCRYPTION}-aws-kms-key-id"),
    ):
        if value := request.header(header):
            context[key] = value
    if action == "ListBucket" and "Prefix" in operation.params:
        context["s3:prefix"] = operation.params["Prefix"]
    keys = [*operation.params.get("Keys", ()), *filter(None, [operation.params.get("Key")])]
    for resource in [f"{bucket}/{key}" for key in keys] or [bucket]:
        yield Grant(f"s3:{action}", resource, context)
    if source := operation.params.get("CopySource"):
        yield Grant("s3:GetObject", f"arn:aws:s3:::{source.lstrip('/')}", context)
    if keys and operation.params["Bucket"] == place.bucket:
        via = _via("s3", place)
        uses = _KMS_OF_OBJECTS.get(action, ()) if operation.name != "HeadObject" else ()
        # The parts of an upload are read again when they are put together.
        if operation.name in ("UploadPart", "CompleteMultipartUpload", "CopyObject"):
            uses = ("GenerateDataKey", "Decrypt")
        for use in uses:
            yield Grant(f"kms:{use}", place.key_arn, via)


# --- the others ---------------------------------------------------------------------------------


def _glue(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    """Catalog, database and table: each must be allowed."""
    params = operation.params
    database = params.get("DatabaseName") or params.get("DatabaseInput", {}).get("Name")
    if "Database" in operation.name:
        database = database or params.get("Name")
    table = params.get("TableInput", {}).get("Name")
    if operation.name in ("GetTable", "DeleteTable"):
        table = params["Name"]
    resources = ["catalog", f"database/{database or '*'}"]
    if table or operation.name == "GetTables":
        resources.append(f"table/{database}/{table or '*'}")
    for resource in resources:
        yield Grant(f"glue:{operation.name}", place.arn("glue", resource))


def _logs(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    group = place.arn("logs", f"log-group:{operation.params.get('logGroupName', '*')}")
    stream = operation.params.get("logStreamName")
    of_stream = stream and operation.name != "CreateLogStream"
    yield Grant(
        f"logs:{operation.name}", f"{group}:log-stream:{stream}" if of_stream else f"{group}:*"
    )


def _cloudwatch(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    params, action = operation.params, f"cloudwatch:{operation.name}"
    if "Namespace" in params and operation.name == "PutMetricData":
        yield Grant(action, "*", {"cloudwatch:namespace": params["Namespace"]})
    elif "Alarm" in operation.name:
        names = params.get("AlarmNames") or [params.get("AlarmName", "*")]
        for name in names:
            yield Grant(action, place.arn("cloudwatch", f"alarm:{name}"))


def _autoscaling(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    params, action = operation.params, f"application-autoscaling:{operation.name}"
    if operation.name.startswith("Describe"):
        yield Grant(action, "*")
        return
    context = {
        "application-autoscaling:scalable-dimension": params["ScalableDimension"],
        "application-autoscaling:service-namespace": params["ServiceNamespace"],
    }
    yield Grant(action, place.arn("application-autoscaling", "scalable-target/1a2b"), context)


def _kms(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    key = operation.params.get("KeyId", "*")
    context = {"kms:SigningAlgorithm": operation.params.get("SigningAlgorithm", "")}
    yield Grant(
        f"kms:{operation.name}",
        key if key.startswith("arn:") else place.arn("kms", f"key/{key}"),
        {name: value for name, value in context.items() if value},
    )


def _sqs(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    name = operation.params.get("QueueUrl", operation.params.get("QueueName", "*"))
    yield Grant(f"sqs:{operation.name}", place.arn("sqs", name.rpartition("/")[2]))
    if operation.name == "ReceiveMessage":
        yield Grant("kms:Decrypt", place.operations_key_arn, _via("sqs", place))


def _sns(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    yield Grant(f"sns:{operation.name}", operation.params.get("TopicArn", "*"))
    if operation.name == "Publish":
        for use in ("GenerateDataKey", "Decrypt"):
            yield Grant(f"kms:{use}", place.operations_key_arn, _via("sns", place))


def _via(service: str, place: Place) -> Context:
    return {"kms:ViaService": f"{service}.{place.region}.amazonaws.com"}


_ECS_CLUSTERS = re.compile(r"(?:arn:aws:ecs:[^:]+:[^:]+:cluster/)?(.+)")


def _ecs(operation: Operation, request: Request, place: Place) -> Iterator[Grant]:
    params, action = operation.params, f"ecs:{operation.name}"
    name = _ECS_CLUSTERS.fullmatch(params.get("cluster", "default"))
    cluster = {"ecs:cluster": place.arn("ecs", f"cluster/{name[1] if name else 'default'}")}
    if operation.name == "RunTask":
        yield Grant(action, params["taskDefinition"], cluster)
        if params.get("tags"):
            task = f"{cluster['ecs:cluster'].replace(':cluster/', ':task/')}/new"
            yield Grant("ecs:TagResource", task, {"ecs:CreateAction": "RunTask"})
        for role in ("DagsterRole", "TaskExecutionRole"):
            passed = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
            if role in place.roles:
                yield Grant("iam:PassRole", place.roles[role], passed)
    elif "task" in params or "tasks" in params:
        for task in params.get("tasks") or [params["task"]]:
            yield Grant(action, task, cluster)


_BY_SERVICE: Mapping[str, Callable[[Operation, Request, Place], Iterator[Grant]]] = {
    "application-autoscaling": _autoscaling,
    "cloudwatch": _cloudwatch,
    "ecs": _ecs,
    "glue": _glue,
    "kms": _kms,
    "logs": _logs,
    "s3": _s3,
    "sns": _sns,
    "sqs": _sqs,
    **dict.fromkeys(
        ("sagemaker", "sagemaker-runtime", "sagemaker-featurestore-runtime"), sagemaker_grants
    ),
}
