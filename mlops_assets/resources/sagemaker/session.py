"""Clients of SageMaker and of what belongs to it, for AWS or for this machine.

Here: how a boto3 client is made, once, when it is first needed. Not here: any request.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, PrivateAttr

if TYPE_CHECKING:
    from mlops_assets.resources.sagemaker.jobs.guard import Guard


class SageMakerResource(dg.ConfigurableResource):
    """boto3 clients, by boto3's default chain, or bound to the local SageMaker API.

    Nothing is opened or started before the first client is asked for.
    """

    region: str = "us-east-1"
    local_home: str | None = Field(
        default=None,
        description="Folder of the local SageMaker API, started when it is not running. "
        "None: AWS, or wherever AWS_ENDPOINT_URL_SAGEMAKER points.",
    )
    local_objects: str | None = Field(
        default=None,
        description="Where the local API finds s3:// URIs ('dir:/path' or 's3').",
    )
    guard: str = Field(
        default="",
        description="What jobs may ask for at most (`jobs.guard.Guard`, as JSON); empty: anything.",
    )
    max_attempts: int = Field(default=5, description="botocore's attempts per call.")
    _clients: dict[tuple[str, str | None], Any] = PrivateAttr(default_factory=dict)

    @property
    def is_local(self) -> bool:
        return self.local_home is not None

    def client(self) -> Any:
        """SageMaker's control plane."""
        return self._client("sagemaker")

    def runtime(self) -> Any:
        """Invocations of endpoints."""
        return self._client("sagemaker-runtime")

    def logs(self) -> Any:
        """CloudWatch Logs, where jobs write."""
        return self._client("logs")

    def cloudwatch(self) -> Any:
        """CloudWatch: metrics of endpoints, and alarms on them."""
        return self._client("cloudwatch")

    def autoscaling(self) -> Any:
        """Application Auto Scaling: how many instances a variant has."""
        return self._client("application-autoscaling")

    def feature_store(self) -> Any:
        """Records of the online feature store; groups are made by `client`."""
        return self._client("sagemaker-featurestore-runtime")

    def require_allowed(self, operation: str, params: Mapping[str, Any]) -> None:
        """Of a request that comes at the end of others: see to its limits before they are sent.

        Raises:
            LimitExceeded: naming the bound, the value and the remedy.
        """
        if self.guard:
            self._limits().check(self.client(), operation, params)

    def _limits(self) -> "Guard":
        from mlops_assets.resources.sagemaker.jobs.guard import Guard

        return Guard.from_json(self.guard)

    def _endpoint(self) -> str | None:
        if self.local_home is None:
            return None
        from mlops_assets.sagemaker_local.lifecycle import ensure_running

        return ensure_running(Path(self.local_home), objects=self.local_objects).url

    def _client(self, service: str) -> Any:
        # Asked each time: a local server that was restarted answers at another address.
        endpoint = self._endpoint()
        key = (service, endpoint)
        if key not in self._clients:
            client = self._open(service, endpoint)
            if service in ("sagemaker", "application-autoscaling") and self.guard:
                self._limits().watch(client)
            self._clients[key] = client
        return self._clients[key]

    def _open(self, service: str, endpoint: str | None) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"mode": "adaptive", "total_max_attempts": self.max_attempts},
            connect_timeout=10,
            read_timeout=70,
            max_pool_connections=32,  # the load test's callers share one client
            tcp_keepalive=True,
        )
        if endpoint is None:
            return boto3.client(service, region_name=self.region, config=config)
        with _MAKING:
            return _local_session().client(
                service,
                region_name=self.region,
                endpoint_url=endpoint,
                aws_access_key_id="local",
                aws_secret_access_key="local",  # noqa: S106 - the local server checks none
                config=config,
            )


# Sessions are not safe for threads, the clients that they make are.
_MAKING = Lock()


@cache
def _local_session() -> Any:
    """The session of all clients of local servers: neither the user's profile nor their keys reach
    those.

    One for the process: a session reads SageMaker's service model once, in .1 s, and each tick of a
    sensor has a resource of its own.
    """
    import boto3

    return boto3.session.Session()
