"""How a model is served: the serving part of a declaration.

Here: the endpoint, its container, scaling, other ways to serve, each checked when it is made;
durations in whole seconds, as SageMaker counts them. Not here: how a new model takes over
(`rollouts`), requests to SageMaker (`resources.sagemaker.hosting.endpoint_spec`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlops_assets.declaration import check_alternates, has_gpu, require
from mlops_assets.rollouts import ABTest, AllAtOnce, Bounds, Rollout, Shadow


@dataclass(frozen=True, kw_only=True)
class Autoscaling:
    """Between how many instances, and at how many requests a minute on each, the fleet is held."""

    at_least: int = 1
    at_most: int
    requests_per_minute: int

    def __post_init__(self) -> None:
        require(
            1 <= self.at_least <= self.at_most,
            "endpoint.autoscaling",
            f"{self.at_least} to {self.at_most} instances is no range",
            "Give 1 ≤ at_least ≤ at_most",
        )
        require(
            self.requests_per_minute >= 1,
            "endpoint.autoscaling.requests_per_minute",
            f"{self.requests_per_minute} is below 1",
            "Give what one instance answers in a minute",
        )


@dataclass(frozen=True, kw_only=True)
class Serverless:
    """No instances: memory and concurrency, paid for by the request."""

    memory_mb: int = 2048
    max_concurrency: int = 20

    def __post_init__(self) -> None:
        require(
            self.memory_mb in range(1024, 6145, 1024),
            "endpoint.serverless.memory_mb",
            f"{self.memory_mb} is not offered",
            "Give 1024, 2048, 3072, 4096, 5120 or 6144",
        )
        require(
            1 <= self.max_concurrency <= 200,
            "endpoint.serverless.max_concurrency",
            f"{self.max_concurrency} is outside 1 to 200",
            "Give how many requests are answered at once",
        )


@dataclass(frozen=True, kw_only=True)
class Asynchronous:
    """Requests are objects, queued; answers are written as objects."""

    max_concurrency: int = 4

    def __post_init__(self) -> None:
        require(
            1 <= self.max_concurrency <= 1000,
            "endpoint.asynchronous.max_concurrency",
            f"{self.max_concurrency} is outside 1 to 1,000",
            "Give how many requests one instance answers at once",
        )


@dataclass(frozen=True, kw_only=True)
class Online:
    """Features that the endpoint reads itself: a caller sends the entity key and what only it
    knows, and ``columns`` come from the online feature store.

    Args:
        columns: feature columns that are read by entity key when a request leaves them out.
        max_age_s: older records count as missing; None: no limit.
    """

    columns: tuple[str, ...]
    max_age_s: int | None = None

    def __post_init__(self) -> None:
        require(
            bool(self.columns) and len(set(self.columns)) == len(self.columns),
            "endpoint.online.columns",
            f"{list(self.columns)} names no column, or one twice",
            "Name the feature columns that are read from the online store",
        )


@dataclass(frozen=True, kw_only=True)
class Container:
    """How the model server works.

    Args:
        engine: ``xgboost`` serves a booster and a features.json that nobody sealed: no golden rows
            prove that they fit.
        device: ``cuda`` needs a GPU instance and an image with onnxruntime-gpu.
        extra_columns: what becomes of columns that the model does not know.
        max_body_bytes: larger requests are refused by 413.
        deadline_s: an answer that takes longer is a 504.
        workers: processes; None: as many as the image says, one a core.
        environment: further variables of the container.
    """

    engine: Literal["artifact", "xgboost"] = "artifact"
    device: Literal["cpu", "cuda"] = "cpu"
    extra_columns: Literal["ignore", "refuse"] = "ignore"
    max_body_bytes: int = 25 * 1024**2
    deadline_s: int = 60
    workers: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            1 <= self.max_body_bytes <= 25 * 1024**2,
            "endpoint.container.max_body_bytes",
            f"{self.max_body_bytes} is outside SageMaker's 1 byte to 25 MiB",
            "Give bytes",
        )
        require(
            1 <= self.deadline_s <= 3600,
            "endpoint.container.deadline_s",
            f"{self.deadline_s} is outside 1 to 3,600 seconds",
            "Give whole seconds; SageMaker waits 60 for an answer, an asynchronous endpoint 3,600",
        )
        require(
            self.workers is None or self.workers >= 1,
            "endpoint.container.workers",
            f"{self.workers} is below 1",
            "Give a number of processes, or leave it out",
        )
        require(
            not any(name.startswith(("SAGEMAKER_", "AWS_")) for name in self.environment),
            "endpoint.container.environment",
            f"{sorted(self.environment)} holds a name that SageMaker or AWS gives meaning to",
            "Use names of your own",
        )

    def variables(self) -> dict[str, str]:
        """The container's environment: what differs from the server's own defaults."""
        default = Container()
        own = {
            "MLOPS_ENGINE": (self.engine, default.engine),
            "MLOPS_DEVICE": (self.device, default.device),
            "MLOPS_EXTRA_COLUMNS": (self.extra_columns, default.extra_columns),
            "MLOPS_MAX_BODY_BYTES": (self.max_body_bytes, default.max_body_bytes),
            "SAGEMAKER_MODEL_SERVER_TIMEOUT": (self.deadline_s, default.deadline_s),
            "SAGEMAKER_MODEL_SERVER_WORKERS": (self.workers, default.workers),
        }
        changed = {name: str(value) for name, (value, usual) in own.items() if value != usual}
        return {**self.environment, **changed}


@dataclass(frozen=True, kw_only=True)
class LoadTest:
    """The promise that the load test asset looks the cheapest instances for.

    Args:
        p99_ms: bound on the 99th percentile of the latency.
        requests_per_second: the rate at which it must hold.
        instance_types: what may be chosen from.
    """

    p99_ms: float
    requests_per_second: float
    instance_types: tuple[str, ...] = ("ml.t2.medium", "ml.m5.large", "ml.c5.large", "ml.c5.xlarge")

    def __post_init__(self) -> None:
        require(
            self.p99_ms > 0 and self.requests_per_second > 0 and bool(self.instance_types),
            "endpoint.load_test",
            f"p99 of {self.p99_ms} ms at {self.requests_per_second} requests/s is no promise",
            "Give a latency and a rate above 0, and at least one instance type",
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Predictions of whole partitions by a batch transform, with no endpoint's help.

    Args:
        alternates: instance types to go on with, in order, once there has been no capacity for
            ``instance_type``.
        max_payload_mb: of one request to the model; the records are cut into such pieces.
        automatic: a partition is predicted whenever its features are made, once a model serves;
            else by the job ``<pipeline>_predictions``, for the partitions that one names.
    """

    instance_type: str = "ml.m5.large"
    # Not in the repr: neither which instance answered nor when is a part of what is predicted.
    alternates: tuple[str, ...] = field(default=(), repr=False)
    instance_count: int = 1
    max_payload_mb: int = 6
    automatic: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        require(
            self.instance_count >= 1 and 1 <= self.max_payload_mb <= 100,
            "batch",
            f"{self.instance_count} instances with requests of {self.max_payload_mb} MB are not to "
            "be had",
            "Give at least one instance, and 1 to 100 MB",
        )
        check_alternates("batch.alternates", self.instance_type, self.alternates)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How the model is served.

    Args:
        capture_share: share (0 to 1) of requests captured with their answers.
        idle_after_s: without an invocation for so long, the endpoint counts as idle; None: never.
        stop_when_idle: an idle endpoint is deleted rather than warned of (its configuration stays,
            and materializing ``endpoint`` brings it back).
    """

    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    rollout: Rollout = field(default_factory=AllAtOnce)
    bounds: Bounds = field(default_factory=Bounds)
    container: Container = field(default_factory=Container)
    capture_share: float = 0.0
    autoscaling: Autoscaling | None = None
    serverless: Serverless | None = None
    asynchronous: Asynchronous | None = None
    online: Online | None = None
    load_test: LoadTest | None = None
    idle_after_s: int | None = None
    stop_when_idle: bool = False

    def __post_init__(self) -> None:
        require(
            0 <= self.capture_share <= 1,
            "endpoint.capture_share",
            f"{self.capture_share} is not a share",
            "Give a number between 0 and 1",
        )
        require(
            self.instance_count >= 1,
            "endpoint.instance_count",
            f"{self.instance_count} is below 1",
            "Ask for at least one instance",
        )
        require(
            self.idle_after_s is None or self.idle_after_s > 0,
            "endpoint.idle_after_s",
            f"{self.idle_after_s} is not a duration",
            "Give seconds above 0, or leave it out",
        )
        require(
            self.container.device == "cpu" or has_gpu(self.instance_type),
            "endpoint.instance_type",
            f"{self.instance_type} has no GPU, which container.device='cuda' needs",
            "Use an ml.g or ml.p type, such as ml.g5.xlarge",
        )
        require(
            not (self.serverless and (self.autoscaling or self.asynchronous)),
            "endpoint.serverless",
            "excludes autoscaling and asynchronous",
            "Leave the others out",
        )
        require(
            not (self.asynchronous and isinstance(self.rollout, Shadow | ABTest)),
            "endpoint.asynchronous",
            f"cannot be rolled out by {type(self.rollout).__name__}",
            "Use AllAtOnce, Canary, Linear or Rolling",
        )
        require(
            not (self.serverless and self.capture_share),
            "endpoint.serverless",
            f"captures nothing, and capture_share is {self.capture_share}",
            "Leave capture_share out",
        )
        require(
            not (self.serverless and not isinstance(self.rollout, AllAtOnce)),
            "endpoint.serverless",
            f"cannot be rolled out by {type(self.rollout).__name__}",
            "Use AllAtOnce",
        )
