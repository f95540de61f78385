"""Serverless endpoints: started by a request, stopped when idle, never over their concurrency."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import (
    LocalApi,
    alive,
    clean_environment,
    eventually,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        home = tmp_path_factory.mktemp("serverless") / "sagemaker"
        server = LocalApi(home, "--serverless-idle", "1")
        yield server
        server.end()


def endpoint(api: LocalApi, name: str, text: str, most: int) -> None:
    settings = {"MemorySizeInMB": 2048, "MaxConcurrency": most}
    variant = {"VariantName": "v", "ModelName": name, "ServerlessConfig": settings}
    api.model(name, text, ProductionVariants=[variant])
    assert api.deploy(name, name)["EndpointStatus"] == "InService"


def test_it_sleeps_when_idle_and_a_request_wakes_it(api: LocalApi):
    """A model server that nobody asks holds memory; one that does not come back is an outage."""
    endpoint(api, "sleepy", "A start=0.3", most=8)
    first = int(api.invoke("sleepy", b"pid"))
    eventually(lambda: not alive(first))
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(api.invoke("sleepy", b"pid")))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6, "a request got lost in the cold start"
    assert len(set(answers)) == 1, "each request started a model server of its own"
    assert int(answers[0]) != first


def test_requests_over_the_concurrency_are_throttled(api: LocalApi):
    """What passes here and is throttled in AWS is found out in production."""
    endpoint(api, "narrow", "A lag=0.5", most=2)
    codes: list[str] = []

    def ask() -> None:
        try:
            codes.append(api.invoke("narrow"))
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            codes.append(f"{error.response['Error']['Code']} {status}")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count("A:1") == 2, codes
    assert codes.count("ThrottlingException 429") == 6
    assert api.invoke("narrow") == "A:1"


def test_it_is_described_as_serverless(api: LocalApi):
    endpoint(api, "shown", "A", most=3)
    (variant,) = api.described("shown")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 3}
    assert "CurrentInstanceCount" not in variant
    with pytest.raises(ClientError, match="is serverless"):
        api.sm.update_endpoint_weights_and_capacities(
            EndpointName="shown",
            DesiredWeightsAndCapacities=[{"VariantName": "v", "DesiredInstanceCount": 2}],
        )
    with pytest.raises(ClientError, match="is serverless"):
        api.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="sagemaker",
            ResourceId="endpoint/shown/variant/v",
            ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            MinCapacity=1,
            MaxCapacity=2,
        )


def test_a_model_that_does_not_start_is_refused_at_once(api: LocalApi):
    """Found out at the first request, it would fail on a caller."""
    settings = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    variant = {"VariantName": "v", "ModelName": "unfit", "ServerlessConfig": settings}
    api.model("unfit", "bad", ProductionVariants=[variant])
    assert api.deploy("unfit", "unfit")["EndpointStatus"] == "Failed"


def test_a_sleeping_endpoint_is_updated_and_deleted(api: LocalApi):
    """A swap or a deletion in the middle of sleep must not wait for, or wake, anything."""
    endpoint(api, "old", "old", most=2)
    pid = int(api.invoke("old", b"pid"))
    eventually(lambda: not alive(pid))
    settings = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    variant = {"VariantName": "v", "ModelName": "new", "ServerlessConfig": settings}
    api.model("new", "new", ProductionVariants=[variant])
    api.update("old", "new")
    assert api.settled("old")["EndpointConfigName"] == "new"
    assert api.invoke("old") == "new:1"
    pid = int(api.invoke("old", b"pid"))
    eventually(lambda: not alive(pid))
    api.sm.delete_endpoint(EndpointName="old")
    eventually(lambda: not api.sm.list_endpoints(NameContains="old")["Endpoints"])


def test_a_request_that_waits_for_a_cold_start_survives_an_update(api: LocalApi):
    """Whoever waits for a model server that is replaced meanwhile is answered by the new one."""
    endpoint(api, "cold", "cold start=3", most=2)
    pid = int(api.invoke("cold", b"pid"))
    eventually(lambda: not alive(pid))
    settings = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    variant = {"VariantName": "v", "ModelName": "warm", "ServerlessConfig": settings}
    api.model("warm", "warm", ProductionVariants=[variant])
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(api.invoke("cold")))
    waiting.start()
    api.update("cold", "warm")
    assert api.settled("cold")["EndpointConfigName"] == "warm"
    waiting.join()
    assert answers == ["warm:1"]
