"""What the local CloudWatch counted of a variant in the last ten minutes."""

from __future__ import annotations

import time

from mlops_assets_tests.sagemaker_local.api import LocalApi


def metric(api: LocalApi, endpoint: str, variant: str, name: str, namespace="AWS/SageMaker"):
    dimensions = {"EndpointName": endpoint, "VariantName": variant}
    now = time.time()
    found = api.cw.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - 600,
        EndTime=now + 60,
        Period=3600,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in found["Datapoints"])
