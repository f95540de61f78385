"""What a declaration of serving refuses, and what its container is told."""

import pytest

from mlops_assets.pipeline import (
    ABTest,
    Asynchronous,
    Autoscaling,
    Bounds,
    Canary,
    Container,
    DeclarationError,
    Endpoint,
    Linear,
    LoadTest,
    Online,
    Rolling,
    Serverless,
    Shadow,
)


@pytest.mark.parametrize(
    ("declare", "named"),
    [
        (lambda: Canary(share=0.6), "rollout.share"),
        (lambda: Canary(share=0), "rollout.share"),
        (lambda: Canary(bake_s=3601), "rollout.bake_s"),
        (lambda: Linear(share=0.05), "rollout.share"),
        (lambda: Rolling(share=0.6), "rollout.share"),
        (lambda: Bounds(server_errors=0), "bounds.server_errors"),
        (lambda: Bounds(p99_ms=0), "bounds.p99_ms"),
        (lambda: Bounds(slowdown=0.9), "bounds.slowdown"),
        (lambda: Bounds(disagreement=0), "bounds.disagreement"),
        (lambda: Autoscaling(at_least=3, at_most=2, requests_per_minute=1), "autoscaling"),
        (lambda: Autoscaling(at_most=2, requests_per_minute=0), "requests_per_minute"),
        (lambda: Serverless(memory_mb=1000), "serverless.memory_mb"),
        (lambda: Serverless(max_concurrency=201), "serverless.max_concurrency"),
        (lambda: Asynchronous(max_concurrency=0), "asynchronous.max_concurrency"),
        (lambda: Online(columns=()), "online.columns"),
        (lambda: Online(columns=("a", "a")), "online.columns"),
        (lambda: LoadTest(p99_ms=0, requests_per_second=1), "load_test"),
        (lambda: Container(max_body_bytes=0), "container.max_body_bytes"),
        (lambda: Container(max_body_bytes=26 * 1024**2), "container.max_body_bytes"),
        (lambda: Container(deadline_s=0), "container.deadline_s"),
        (lambda: Container(workers=0), "container.workers"),
        (lambda: Container(environment={"AWS_REGION": "x"}), "container.environment"),
        (lambda: Endpoint(instance_count=0), "endpoint.instance_count"),
        (lambda: Endpoint(idle_after_s=0), "endpoint.idle_after_s"),
        (lambda: Endpoint(container=Container(device="cuda")), "endpoint.instance_type"),
        (lambda: Endpoint(serverless=Serverless(), rollout=Canary()), "endpoint.serverless"),
        (lambda: Endpoint(serverless=Serverless(), asynchronous=Asynchronous()), "serverless"),
        (lambda: Endpoint(serverless=Serverless(), capture_share=0.1), "endpoint.serverless"),
        (lambda: Endpoint(asynchronous=Asynchronous(), rollout=ABTest()), "asynchronous"),
        (lambda: Endpoint(asynchronous=Asynchronous(), rollout=Shadow()), "asynchronous"),
    ],
)
def test_what_sagemaker_would_refuse_later_is_refused_now(declare, named):
    """Guards against a declaration that loads, and fails at the end of a day's training."""
    with pytest.raises(DeclarationError, match=named.replace(".", r"\.")):
        declare()


def test_a_container_is_told_only_what_differs_from_the_servers_defaults():
    """An empty environment keeps the model's name, and so the endpoint, as it was."""
    assert Container().variables() == {}
    declared = Container(extra_columns="refuse", deadline_s=5, workers=2, environment={"A": "b"})
    assert declared.variables() == {
        "A": "b",
        "MLOPS_EXTRA_COLUMNS": "refuse",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": "5",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
    }
    gpu = Endpoint(instance_type="ml.g5.xlarge", container=Container(device="cuda"))
    assert gpu.container.variables() == {"MLOPS_DEVICE": "cuda"}


def test_the_containers_defaults_are_the_servers(monkeypatch):
    """Guards against two defaults for one thing: what is left out must mean the same."""
    from mlops_assets.containers.serve_settings import ServeSettings

    server = ServeSettings.from_environ()
    for name, value in Container(workers=2, extra_columns="refuse").variables().items():
        monkeypatch.setenv(name, value)
    told = ServeSettings.from_environ()
    assert (told.workers, told.extra_columns) == (2, "refuse")
    default = Container()
    assert (server.engine, server.device, server.extra_columns) == (
        default.engine,
        default.device,
        default.extra_columns,
    )
    assert (server.max_body, server.deadline) == (default.max_body_bytes, default.deadline_s)
