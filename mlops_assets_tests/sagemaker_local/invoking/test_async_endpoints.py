"""Asynchronous endpoints: requests are objects, queued; answers are objects."""

from __future__ import annotations

import http.client
import time
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local import transform_api
from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually

pytestmark = pytest.mark.integration


def endpoint(api: LocalApi, name: str, text: str, most: int = 2, **changes) -> None:
    """An asynchronous endpoint of the model `text`."""
    output = {"S3OutputPath": "s3://answers/out", "S3FailurePath": "s3://answers/failed"}
    client = {"MaxConcurrentInvocationsPerInstance": most}
    config = {"ClientConfig": client, "OutputConfig": output | changes}
    api.model(name, text, AsyncInferenceConfig=config)
    assert api.deploy(name, name)["EndpointStatus"] == "InService"


def ask(api: LocalApi, name: str, body: str, **more) -> dict:
    uri = f"s3://questions/{name}/{time.monotonic_ns()}"
    api.objects.write(uri, body.encode())
    return api.runtime.invoke_endpoint_async(
        EndpointName=name, InputLocation=uri, ContentType="text/csv", **more
    )


def answer(api: LocalApi, asked: dict, member: str = "OutputLocation") -> str:
    """The object, once it is there: it appears whole."""
    eventually(lambda: api.objects.exists(asked[member]))
    return api.objects.read(asked[member]).decode()


@pytest.fixture(scope="module")
def queue(api: LocalApi) -> str:
    endpoint(api, "queue", "A")
    return "queue"


def test_an_answer_becomes_an_object(api: LocalApi, queue: str):
    asked = ask(api, queue, "7", InferenceId="my-id")
    assert asked["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert asked["InferenceId"] == "my-id"
    assert asked["OutputLocation"].startswith("s3://answers/out/")
    assert answer(api, asked) == "A:7"
    assert not api.objects.exists(asked["FailureLocation"])
    assert api.described(queue)["AsyncInferenceConfig"]["OutputConfig"]["S3FailurePath"]


def test_a_failure_becomes_an_object_of_its_own(api: LocalApi, queue: str):
    """A failure under the answer's name would be read as an answer."""
    asked = ask(api, queue, "wrong row")
    said = answer(api, asked, "FailureLocation")
    assert 'client error (400) from primary with message "row 1, column x"' in said
    assert not api.objects.exists(asked["OutputLocation"])


def test_an_input_that_is_not_there_is_a_failure(api: LocalApi, queue: str):
    asked = api.runtime.invoke_endpoint_async(
        EndpointName=queue, InputLocation="s3://questions/none"
    )
    assert "s3://questions/none does not exist" in answer(api, asked, "FailureLocation")


def test_an_answer_that_takes_too_long_is_a_failure(api: LocalApi, queue: str):
    asked = ask(api, queue, "sleep", InvocationTimeoutSeconds=1)
    assert "timed out" in answer(api, asked, "FailureLocation")


def test_the_declared_concurrency_is_held(api: LocalApi):
    """More at once than declared is what an asynchronous endpoint is there to prevent."""
    transform_api.model(api, "narrow", "lag=0.15")
    config = {"ClientConfig": {"MaxConcurrentInvocationsPerInstance": 3}}
    api.sm.create_endpoint_config(
        EndpointConfigName="narrow",
        ProductionVariants=[api.variant("narrow")],
        AsyncInferenceConfig=config | {"OutputConfig": {"S3OutputPath": "s3://answers/narrow"}},
    )
    api.deploy("narrow", "narrow")
    asked = [ask(api, "narrow", str(number)) for number in range(18)]
    assert [answer(api, each) for each in asked] == [str(10 * number) for number in range(18)]
    seen = transform_api.requests(api, "AllTraffic", "/aws/sagemaker/Endpoints/narrow")
    assert (len(seen), max(each["busy"] for each in seen)) == (18, 3)
    assert "FailureLocation" not in asked[0]


def test_the_two_ways_of_asking_are_not_mixed(api: LocalApi, queue: str):
    with pytest.raises(ClientError, match="is asynchronous: use InvokeEndpointAsync"):
        api.invoke(queue)
    api.model("direct", "A")
    api.deploy("direct", "direct")
    with pytest.raises(ClientError, match="is not asynchronous: use InvokeEndpoint") as caught:
        ask(api, "direct", "1")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"EndpointName": "none"}, "not found"),
        ({"InputLocation": "s3://questions/../up"}, "InputLocation"),
        ({"InputLocation": "https://example.com/x"}, "InputLocation"),
        ({"Filename": "mine.csv"}, "filename is not supported"),
        ({"Body": b"1"}, "Body is not supported"),
    ],
)
def test_wrong_requests_are_refused(api: LocalApi, queue: str, changes, words):
    right = {"EndpointName": queue, "InputLocation": "s3://questions/x"}
    with pytest.raises(ClientError, match=words):
        api.runtime.invoke_endpoint_async(**right | changes)


def test_limits_of_seconds_are_checked(api: LocalApi, queue: str):
    """boto3 checks its own requests; whoever speaks HTTP is not trusted for it."""
    headers = {
        "X-Amzn-SageMaker-InputLocation": "s3://questions/x",
        "X-Amzn-SageMaker-RequestTTLSeconds": "5",
    }
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api.url).netloc)
    connection.request("POST", f"/endpoints/{queue}/async-invocations", b"", headers)
    said = connection.getresponse().read()
    connection.close()
    assert b"RequestTTLSeconds 5 is outside 60 to 21600" in said


def test_what_is_queued_survives_a_kill(new_api):
    """An acknowledged request that is lost, or answered twice differently, is a broken promise."""
    api = new_api()
    endpoint(api, "durable", "A lag=0.1", most=2)
    asked = [ask(api, "durable", str(number)) for number in range(40)]
    refused = ask(api, "durable", "wrong row")
    answer(api, asked[4])
    before = {e["OutputLocation"] for e in asked if api.objects.exists(e["OutputLocation"])}
    times = {i.uri: i.modified for i in api.objects.list("s3://answers/out")}
    assert len(before) < 40, "nothing was left to do: the test shows nothing"
    api.end(kill=True)
    api.start()
    assert [answer(api, each) for each in asked] == [f"A:{number}" for number in range(40)]
    assert "row 1, column x" in answer(api, refused, "FailureLocation")
    written = {i.uri: i.modified for i in api.objects.list("s3://answers")}
    assert len(written) == 41
    assert {uri: written[uri] for uri in before} == {uri: times[uri] for uri in before}


def test_a_deleted_endpoint_fails_what_waits(api: LocalApi):
    """Requests that nobody will ever answer must not look as if they were still coming."""
    endpoint(api, "gone", "A lag=0.2", most=1)
    asked = [ask(api, "gone", str(number)) for number in range(8)]
    api.sm.delete_endpoint(EndpointName="gone")
    said = answer(api, asked[-1], "FailureLocation")
    assert "not found" in said


FORGETFUL = """
from mlops_assets.sagemaker_local.invoking import async_invocations
async_invocations.AsyncInvocations.recover = lambda self: None
from mlops_assets.sagemaker_local.__main__ import main
main()
"""


def test_without_recovery_requests_would_be_lost(new_api):
    """The negative control of the kill: it is the state file that saves what is queued."""
    api = new_api(program=("-c", FORGETFUL))
    endpoint(api, "forgetful", "A lag=0.1", most=1)
    asked = [ask(api, "forgetful", str(number)) for number in range(20)]
    api.end(kill=True)
    api.start()
    answer(api, ask(api, "forgetful", "last"))
    assert not all(api.objects.exists(each["OutputLocation"]) for each in asked)


IMPATIENT = """
from mlops_assets.sagemaker_local.invoking import async_invocations
async_invocations.MAX_QUEUED = 4
wait = async_invocations.async_request
async_invocations.async_request = lambda *given: wait(*given) | {"TtlSeconds": 0.2}
from mlops_assets.sagemaker_local.__main__ import main
main()
"""


def test_the_queue_is_bounded_and_what_waits_too_long_expires(new_api):
    """Without a bound a caller fills the disk; an answer hours late is worse than none."""
    api = new_api(program=("-c", IMPATIENT))
    endpoint(api, "impatient", "A lag=1", most=1)
    asked = [ask(api, "impatient", str(number)) for number in range(4)]
    with pytest.raises(ClientError, match="wait for endpoint impatient already") as caught:
        ask(api, "impatient", "4")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert answer(api, asked[0]) == "A:0"
    assert "expired after 0.2 s" in answer(api, asked[3], "FailureLocation")
    assert answer(api, ask(api, "impatient", "5")) == "A:5"
