"""The tests' IAM reads real requests rightly, and refuses what no policy allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from mlops_assets_tests.aws.authority.credentials import Credentials, CredentialsRefused
from mlops_assets_tests.aws.authority.grant import Grant
from mlops_assets_tests.aws.authority.grants import grants
from mlops_assets_tests.aws.authority.operations import Request, UnknownRequest, operation
from mlops_assets_tests.aws.authority.proxy import Authority, Refused
from mlops_assets_tests.aws.authority.roles import DAGSTER, EXECUTION, roles
from mlops_assets_tests.aws.guarded import place_of

pytestmark = pytest.mark.integration  # botocore's descriptions of the services take seconds

KEY = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PLACE = place_of(KEY)
LAKE = f"arn:aws:s3:::{PLACE.bucket}"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(roles(PLACE, {"SubnetIds": ["subnet-1"]}), PLACE)


def sent(service: str, call: Callable[[Any], Any], credentials: dict[str, str]) -> Request:
    """The request that boto3 would send, without sending it."""
    import boto3

    caught: list[Request] = []

    def keep(request: Any, **_: Any) -> AWSResponse:
        path = "/" + request.url.split("/", 3)[3]
        headers = {
            key: value.decode() if isinstance(value, bytes) else str(value)
            for key, value in request.headers.items()
        }
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        caught.append(
            Request(request.method, path, headers, body.encode() if isinstance(body, str) else body)
        )
        raise InterruptedError

    client = boto3.client(
        service,
        region_name=PLACE.region,
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["Token"],
    )
    client.meta.events.register("before-send", keep)
    with pytest.raises(InterruptedError):
        call(client)
    return caught[0]


def arn(service: str, resource: str) -> str:
    return PLACE.arn(service, resource)


CALLS: dict[str, tuple[str, Callable[[Any], Any], set[tuple[str, str]]]] = {
    "an object is read, and decrypted": (
        "s3",
        lambda s3: s3.get_object(Bucket=PLACE.bucket, Key="a/b c.json"),
        {("s3:GetObject", f"{LAKE}/a/b c.json"), ("kms:Decrypt", KEY)},
    ),
    "an object is written, and encrypted": (
        "s3",
        lambda s3: s3.put_object(Bucket=PLACE.bucket, Key="a", Body=b"x"),
        {("s3:PutObject", f"{LAKE}/a"), ("kms:GenerateDataKey", KEY)},
    ),
    "a part of one": (
        "s3",
        lambda s3: s3.upload_part(
            Bucket=PLACE.bucket, Key="a", UploadId="u", PartNumber=1, Body=b"x"
        ),
        {
            ("s3:PutObject", f"{LAKE}/a"),
            ("kms:GenerateDataKey", KEY),
            ("kms:Decrypt", KEY),
        },
    ),
    "an upload is given up": (
        "s3",
        lambda s3: s3.abort_multipart_upload(Bucket=PLACE.bucket, Key="a", UploadId="u"),
        {("s3:AbortMultipartUpload", f"{LAKE}/a")},
    ),
    "a copy reads, too": (
        "s3",
        lambda s3: s3.copy_object(
            Bucket=PLACE.bucket, Key="a", CopySource={"Bucket": "other", "Key": "b"}
        ),
        {
            ("s3:PutObject", f"{LAKE}/a"),
            ("s3:GetObject", "arn:aws:s3:::other/b"),
            ("kms:GenerateDataKey", KEY),
            ("kms:Decrypt", KEY),
        },
    ),
    "objects are listed": (
        "s3",
        lambda s3: s3.list_objects_v2(Bucket=PLACE.bucket, Prefix="a/", StartAfter="a/b"),
        {("s3:ListBucket", LAKE)},
    ),
    "where a bucket is": (
        "s3",
        lambda s3: s3.get_bucket_location(Bucket=PLACE.bucket),
        {("s3:GetBucketLocation", LAKE)},
    ),
    "objects are deleted, each by its name": (
        "s3",
        lambda s3: s3.delete_objects(
            Bucket=PLACE.bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]}
        ),
        {("s3:DeleteObject", f"{LAKE}/a"), ("s3:DeleteObject", f"{LAKE}/b")},
    ),
    "a table is asked of the catalog": (
        "glue",
        lambda glue: glue.get_table(DatabaseName="d", Name="t"),
        {("glue:GetTable", arn("glue", each)) for each in ("catalog", "database/d", "table/d/t")},
    ),
    "a database is made": (
        "glue",
        lambda glue: glue.create_database(DatabaseInput={"Name": "d"}),
        {("glue:CreateDatabase", arn("glue", each)) for each in ("catalog", "database/d")},
    ),
    "a metric is written, in CBOR": (
        "cloudwatch",
        lambda cloudwatch: cloudwatch.put_metric_data(
            Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.5}]
        ),
        {("cloudwatch:PutMetricData", "*")},
    ),
    "alarms are deleted, each by its name": (
        "cloudwatch",
        lambda cloudwatch: cloudwatch.delete_alarms(AlarmNames=["a", "b"]),
        {("cloudwatch:DeleteAlarms", arn("cloudwatch", f"alarm:{each}")) for each in "ab"},
    ),
    "an alert is published": (
        "sns",
        lambda sns: sns.publish(TopicArn=arn("sns", "alerts"), Message="m"),
        {
            ("sns:Publish", arn("sns", "alerts")),
            ("kms:GenerateDataKey", PLACE.operations_key_arn),
            ("kms:Decrypt", PLACE.operations_key_arn),
        },
    ),
    "who one is": ("sts", lambda sts: sts.get_caller_identity(), set()),
    "a job is described": (
        "sagemaker",
        lambda sagemaker: sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="x"
        ),
        {
            (
                "sagemaker:DescribeHyperParameterTuningJob",
                arn("sagemaker", "hyper-parameter-tuning-job/x"),
            )
        },
    ),
    "an endpoint is asked": (
        "sagemaker-runtime",
        lambda runtime: runtime.invoke_endpoint(EndpointName="e", Body=b"[]"),
        {("sagemaker:InvokeEndpoint", arn("sagemaker", "endpoint/e"))},
    ),
    "an endpoint is changed": (
        "sagemaker",
        lambda sagemaker: sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c"),
        {
            ("sagemaker:UpdateEndpoint", arn("sagemaker", "endpoint/e")),
            ("sagemaker:UpdateEndpoint", arn("sagemaker", "endpoint-config/c")),
            ("kms:CreateGrant", KEY),
        },
    ),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_request_needs(what: str) -> None:
    """A reader that takes one operation for another judges the wrong permission."""
    service, call, needed = CALLS[what]
    credentials = Credentials()
    request = sent(service, call, credentials.issue(DAGSTER))
    role, signed_for = credentials.owner(request)
    found = grants(operation(request, signed_for), request, PLACE)
    assert role == DAGSTER
    assert {(each.action, each.resource) for each in found} == needed


def test_a_model_needs_its_role_network_and_image_too(authority: Authority) -> None:
    """CreateModel that is allowed, of a role that may not be passed: refused only in AWS."""
    request = sent(
        "sagemaker",
        lambda sagemaker: sagemaker.create_model(
            ModelName="digits-1",
            ExecutionRoleArn=PLACE.roles[EXECUTION],
            PrimaryContainer={"Image": "000000000000.dkr.ecr.x/mlops-assets/sagemaker@sha256:1"},
            VpcConfig={"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
            EnableNetworkIsolation=True,
            Tags=[{"Key": "k", "Value": "v"}],
        ),
        authority.credentials.issue(DAGSTER),
    )
    authority.admit(request)
    for role, action in (
        (DAGSTER, "sagemaker:AddTags"),
        (DAGSTER, "iam:PassRole"),
        (EXECUTION, "ecr:BatchGetImage"),
        (EXECUTION, "ec2:CreateNetworkInterface"),
    ):
        weaker = Authority(authority.roles.without(role, action), PLACE)
        weaker.credentials = authority.credentials
        with pytest.raises(Refused, match=f"{role}/tests is not authorized to perform: {action}"):
            weaker.admit(request)


@pytest.mark.parametrize(
    ("allowed", "headers"),
    [
        (True, {}),
        (True, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}),
        (False, {"ServerSideEncryption": "AES256"}),
        (False, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY.replace("1", "9")}),
    ],
)
def test_the_buckets_own_policy_counts(
    authority: Authority, allowed: bool, headers: dict[str, str]
) -> None:
    """A write under another key, which the role may do and the bucket forbids."""
    request = sent(
        "s3",
        lambda s3: s3.put_object(Bucket=PLACE.bucket, Key="code/x", Body=b"x", **headers),
        authority.credentials.issue(DAGSTER),
    )
    if allowed:
        authority.admit(request)
    else:
        with pytest.raises(Refused, match="s3:PutObject"):
            authority.admit(request)


def test_a_keys_own_policy_counts(authority: Authority) -> None:
    """A key that no role of the account can use, whatever their policies say."""
    grant = Grant("kms:Decrypt", KEY)
    assert authority.roles.allow(DAGSTER, grant)

    locked = roles(PLACE, {"SubnetIds": ["subnet-1"]})
    locked.key = [each for each in locked.key if "kms:Decrypt" not in each["Action"]]
    assert not locked.allow(DAGSTER, grant)


def test_only_its_own_permissions_are_used(authority: Authority) -> None:
    """A count that takes every request for a use of everything reports nothing unused."""
    fresh = roles(PLACE, {"SubnetIds": ["subnet-1"]})
    assert fresh.allow(DAGSTER, Grant("glue:GetTable", arn("glue", "table/digits/raw")))
    assert [(each.sid, each.action) for each in fresh.used] == [("Catalog", "glue:GetTable")]
    assert not fresh.allow(DAGSTER, Grant("glue:GetTable", arn("glue", "table/others/raw")))
    assert len(fresh.permissions([DAGSTER])) > 60


def test_strangers_and_the_expired_are_refused() -> None:
    """Whoever reaches the port has the role."""
    credentials = Credentials()
    mine = credentials.issue(DAGSTER)
    ask: Callable[[Any], Any] = lambda s3: s3.list_objects_v2(Bucket=PLACE.bucket)  # noqa: E731
    stranger = {**mine, "Token": "x" * 64}
    for given, code in ((stranger, "UnrecognizedClient"), (mine, "Expired")):
        if given is mine:
            assert credentials.owner(sent("s3", ask, mine)) == (DAGSTER, "s3")
            credentials.expire(DAGSTER)
        with pytest.raises(CredentialsRefused) as refused:
            credentials.owner(sent("s3", ask, given))
        assert refused.value.code.startswith(code)
    with pytest.raises(CredentialsRefused, match="is not signed"):
        credentials.owner(Request("GET", "/", {}))


def test_what_is_not_known_is_refused() -> None:
    """A request that nobody thought of passes unseen."""
    with pytest.raises(UnknownRequest, match="route53"):
        operation(Request("GET", "/", {}), "route53")
    with pytest.raises(UnknownRequest, match="PATCH"):
        operation(Request("PATCH", "/b/k", {}), "s3")
