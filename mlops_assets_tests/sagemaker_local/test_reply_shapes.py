"""Every reply about endpoints and alarms is one that botocore's description allows."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from typing import Any

import pytest

from mlops_assets.sagemaker_local import shapes
from mlops_assets.sagemaker_local.protocol import service_model
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.canary import baking, canary

pytestmark = pytest.mark.integration


def raw(api: LocalApi, service: str, operation: str, **request: Any) -> dict[str, Any]:
    """The reply before boto3 forgives anything, checked against the output shape."""
    model = service_model(service)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api.url).netloc, timeout=30)
    prefix = model.metadata["targetPrefix"]
    connection.request("POST", "/", json.dumps(request), {"X-Amz-Target": f"{prefix}.{operation}"})
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    assert response.status == 200, body
    if (shape := model.operation_model(operation).output_shape) is not None:
        shapes.check(shape, body)
    return body


def test_endpoints_in_every_stage(api: LocalApi):
    """A member that SageMaker never sends breaks the first client that trusts the description."""
    service_model("sagemaker")  # slower to load than the endpoint to create
    settings = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 50,
        "DestinationS3Uri": "s3://capture/shapes",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    api.model("shape-old", "old start=1", DataCaptureConfig=settings)
    api.model("shape-new", "new")
    shadow = [api.variant("shape-new", "shadow")]
    variants = [api.variant("shape-new")]
    api.sm.create_endpoint_config(
        EndpointConfigName="shape-shadow",
        ProductionVariants=variants,
        ShadowProductionVariants=shadow,
    )
    api.sm.create_endpoint(EndpointName="shape", EndpointConfigName="shape-old")
    found = raw(api, "sagemaker", "DescribeEndpoint", EndpointName="shape")
    assert (found["EndpointStatus"], "ProductionVariants" in found) == ("Creating", False)
    api.settled("shape")
    found = raw(api, "sagemaker", "DescribeEndpoint", EndpointName="shape")
    assert found["DataCaptureConfig"]["CurrentSamplingPercentage"] == 50
    api.error_alarm("shape-alarm", "shape", "shape-shadow")
    api.update("shape", "shape-shadow", canary(10, 2, "shape-alarm"))
    baking(api, "shape")
    found = raw(api, "sagemaker", "DescribeEndpoint", EndpointName="shape")
    (pending,) = found["PendingDeploymentSummary"]["ProductionVariants"]
    assert pending["VariantStatus"][0]["Status"] == "Baking"
    assert pending["InstanceType"] == "ml.m5.large"
    assert found["PendingDeploymentSummary"]["ShadowProductionVariants"]
    api.settled("shape")
    found = raw(api, "sagemaker", "DescribeEndpoint", EndpointName="shape")
    assert found["ShadowProductionVariants"][0]["VariantName"] == "shadow"
    for name in ("shape-old", "shape-shadow"):
        raw(api, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=name)
    raw(api, "sagemaker", "ListEndpoints")


def test_metrics_and_alarms(api: LocalApi):
    """The same for CloudWatch, whose clients are dashboards."""
    api.error_alarm("drawn", "e", "c")
    raw(api, "cloudwatch", "DescribeAlarms")
    raw(api, "cloudwatch", "ListMetrics")
    raw(
        api,
        "cloudwatch",
        "PutMetricData",
        Namespace="n",
        MetricData=[{"MetricName": "m", "Value": 1}],
    )
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "p90"}
    times = {"StartTime": "2026-01-01T00:00:00Z", "EndTime": "2099-01-01T00:00:00Z"}
    query = [{"Id": "a", "MetricStat": stat}]
    with pytest.raises(AssertionError, match="give a longer Period"):
        raw(api, "cloudwatch", "GetMetricData", MetricDataQueries=query, **times)
    now = api.cw.get_metric_statistics(
        Namespace="n",
        MetricName="m",
        StartTime="2026-01-01",
        EndTime="2026-01-02",
        Period=3600,
        Statistics=["Sum"],
    )
    assert now["Datapoints"] == []
