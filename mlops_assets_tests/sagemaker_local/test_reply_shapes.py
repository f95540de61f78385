"""Every reply about endpoints and alarms is one that botocore's description allows."""

from __future__ import annotations

import pytest

from mlops_assets.sagemaker_local.protocol import service_model
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.canary import baking, canary
from mlops_assets_tests.sagemaker_local.raw_requests import raw

pytestmark = pytest.mark.integration


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
