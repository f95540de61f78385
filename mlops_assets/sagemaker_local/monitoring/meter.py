"""What is measured of an endpoint's variants, under the names and units that the service uses.

Belongs here: AWS/SageMaker's invocation metrics, recorded once and readable with and without the
configuration's name. Does not belong here: how measurements are kept (metric_store.py).
"""

from __future__ import annotations

import time

from mlops_assets.sagemaker_local.monitoring.metric_store import (
    SAGEMAKER,
    Dimensions,
    Metric,
    MetricStore,
    Series,
)

LOCAL = "Local/SageMaker"  # what the service has no metric for
_MICROSECONDS = 1e6


class VariantMeter:
    """The metrics of one variant under one endpoint configuration."""

    def __init__(self, store: MetricStore, endpoint: str, config: str, variant: str) -> None:
        self._store = store
        self._whole: Dimensions = (("EndpointName", endpoint), ("VariantName", variant))
        by_config = {"EndpointName": endpoint, "VariantName": variant, "EndpointConfigName": config}
        self._dimensions: Dimensions = tuple(sorted(by_config.items()))
        self._invocations = self._series("Invocations")
        self._client_errors = self._series("Invocation4XXErrors")
        self._server_errors = self._series("Invocation5XXErrors")
        self._model_errors = self._series("InvocationModelErrors")
        self._model_latency = self._series("ModelLatency")
        self._overhead_latency = self._series("OverheadLatency")
        self._per_instance = self._series("InvocationsPerInstance")

    def invoked(self, status: int, model_s: float, overhead_s: float, instances: int) -> None:
        """One request answered with ``status`` (0: the model server did not answer it)."""
        second = int(time.time())
        failed = not 200 <= status < 300
        self._invocations.bucket(second).add(1.0)
        self._client_errors.bucket(second).add(1.0 if 400 <= status < 500 else 0.0)
        self._server_errors.bucket(second).add(1.0 if failed and not 400 <= status < 500 else 0.0)
        self._model_errors.bucket(second).add(1.0 if failed else 0.0)
        self._model_latency.bucket(second).add(model_s * _MICROSECONDS)
        self._overhead_latency.bucket(second).add(max(overhead_s, 0.0) * _MICROSECONDS)
        self._per_instance.bucket(second).add(1.0 / max(instances, 1))

    def count(self, name: str, times: int = 1) -> None:
        """Something of this variant that only the local API counts."""
        metric = Metric(LOCAL, name, self._dimensions)
        self._store.series(metric, self._whole).bucket(int(time.time())).add(1.0, times)

    def _series(self, name: str) -> Series:
        return self._store.series(Metric(SAGEMAKER, name, self._dimensions), self._whole)
