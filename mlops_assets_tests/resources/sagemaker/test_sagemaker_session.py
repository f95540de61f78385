"""Where clients point, and whose keys they carry."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets_tests.resources.sagemaker.conftest import Lab


def test_in_aws_the_standard_endpoint_variables_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole slice runs against moto and the local API with nothing but these."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:7001")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:7002")
    sagemaker = SageMakerResource(region="eu-west-1")
    assert not sagemaker.is_local
    assert sagemaker.client().meta.endpoint_url == "http://127.0.0.1:7001"
    assert sagemaker.client().meta.region_name == "eu-west-1"
    assert sagemaker.logs().meta.endpoint_url == "http://127.0.0.1:7002"
    assert sagemaker.client() is sagemaker.client()


@pytest.mark.integration
def test_the_local_api_never_sees_the_user_s_keys(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-of-a-real-account")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:1")
    seen: list[str] = []
    client = lab.fresh().client()
    client.meta.events.register(
        "before-send.*", lambda request, **_: seen.append(str(request.headers["Authorization"]))
    )
    client.list_training_jobs()
    assert "Credential=local/" in seen[0]
    assert client.meta.endpoint_url.startswith("http://127.0.0.1:")


@pytest.mark.integration
def test_every_resource_has_clients_of_its_own_and_the_service_is_read_once(lab: Lab) -> None:
    """A resource for each tick of a sensor: reading SageMaker's model was most of what a tick took.

    Made at once by several threads, which a session alone does not stand.
    """
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda _: lab.fresh().client(), range(16)))
    assert len({id(client) for client in clients}) == 16, "what watches one would watch all"
    shapes = {id(client.meta.service_model._service_description["shapes"]) for client in clients}
    assert len(shapes) == 1
    heard: list[str] = []
    clients[0].meta.events.register("before-send.*", lambda **_: heard.append("call"))
    clients[1].list_training_jobs()
    assert heard == []
