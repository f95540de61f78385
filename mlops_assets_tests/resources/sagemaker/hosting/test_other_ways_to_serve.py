"""Serverless, asynchronous and scaled endpoints: what is declared is what the local API runs."""

from __future__ import annotations

import pytest

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import (
    LIVE,
    EndpointSpec,
    config_request,
)
from mlops_assets.resources.sagemaker.hosting.scaling import ensure_scaling
from mlops_assets.serving import Asynchronous, Autoscaling, Endpoint, Serverless
from mlops_assets_tests.resources.sagemaker.conftest import Lab, eventually
from mlops_assets_tests.resources.sagemaker.record_models import RecordModels

pytestmark = pytest.mark.integration


def deployed(lab: Lab, name: str, declared: Endpoint) -> dict:
    """An endpoint of the declared configuration, in service."""
    spec = EndpointSpec(
        name=name, package_arn="none", declared=declared, output_uri=f"s3://lake/answers/{name}"
    )
    request, client = config_request(spec, RecordModels(lab)(name)), lab.sagemaker.client()
    client.create_endpoint_config(**request)
    config = request["EndpointConfigName"]
    client.create_endpoint(EndpointName=name, EndpointConfigName=config)

    def settled():
        found = client.describe_endpoint(EndpointName=name)
        return found if found["EndpointStatus"] != "Creating" else None

    found = eventually(settled, f"endpoint {name}")
    assert found["EndpointStatus"] == "InService", found
    return found


def test_a_serverless_declaration_is_served(lab: Lab):
    found = deployed(lab, "serverless", Endpoint(serverless=Serverless(memory_mb=1024)))
    settings = found["ProductionVariants"][0]["CurrentServerlessConfig"]
    assert settings == {"MemorySizeInMB": 1024, "MaxConcurrency": 20}
    reply = lab.sagemaker.runtime().invoke_endpoint(
        EndpointName="serverless", Body=b"4", ContentType="text/csv"
    )
    assert reply["Body"].read() == b"40"


def test_an_asynchronous_declaration_is_served(lab: Lab):
    deployed(lab, "asynchronous", Endpoint(asynchronous=Asynchronous(max_concurrency=2)))
    lab.objects().write("s3://lake/questions/rows.csv", b"4\n5\n")
    asked = lab.sagemaker.runtime().invoke_endpoint_async(
        EndpointName="asynchronous",
        InputLocation="s3://lake/questions/rows.csv",
        ContentType="text/csv",
    )
    place = asked["OutputLocation"]
    eventually(lambda: lab.objects().exists(place), "the answer")
    assert lab.objects().read(place) == b"40\n50"


def test_declared_scaling_is_registered_carried_out_and_taken_back(lab: Lab):
    """A declaration whose requests the service refuses would leave one instance under all load."""
    deployed(lab, "stretched", Endpoint(autoscaling=Autoscaling(at_most=3, requests_per_minute=60)))
    scaling = lab.sagemaker.autoscaling()
    for least in (2, 2, 1):
        declared = Autoscaling(at_least=least, at_most=3, requests_per_minute=60)
        ensure_scaling(scaling, "stretched", declared)
    resource = f"endpoint/stretched/variant/{LIVE}"
    asked = {"ServiceNamespace": "sagemaker", "ResourceId": resource}
    assert len(scaling.describe_scaling_policies(**asked)["ScalingPolicies"]) == 1
    ensure_scaling(scaling, "stretched", Autoscaling(at_least=2, at_most=3, requests_per_minute=60))

    def instances() -> int:
        found = lab.sagemaker.client().describe_endpoint(EndpointName="stretched")
        return found["ProductionVariants"][0]["CurrentInstanceCount"]

    eventually(lambda: instances() == 2, "two instances")
    ensure_scaling(scaling, "stretched", None)
    assert not scaling.describe_scaling_policies(**asked)["ScalingPolicies"]
    ensure_scaling(scaling, "stretched", None)
