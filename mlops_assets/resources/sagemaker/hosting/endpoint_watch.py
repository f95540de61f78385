"""One endpoint, watched until it stands still: InService alone is not taken for success.

After an automatic rollback an endpoint is InService too, on the old configuration. Here: waiting,
and saying what happened. Not here: changing anything (endpoints.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from mlops_assets.resources.sagemaker.errors import found_or_none

MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
_UPDATE_STARTS_WITHIN_S = 20

OnPoll = Callable[[Mapping[str, Any]], None]


class DeploymentFailed(RuntimeError):
    """The endpoint does not do what was asked; ``serving`` is the configuration that it serves."""

    def __init__(self, message: str, serving: str | None) -> None:
        super().__init__(message)
        self.serving = serving


class RolledBack(DeploymentFailed):
    """SageMaker took an update back; the configuration from before it serves on."""


class Watch:
    """Waits on one endpoint; all waits together take ``timeout_s`` seconds at most."""

    def __init__(self, client: Any, name: str, timeout_s: float, poll_s: float) -> None:
        self._client = client
        self._name = name
        self._poll_s = poll_s
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s

    def describe(self) -> dict[str, Any] | None:
        return found_or_none(lambda: self._client.describe_endpoint(EndpointName=self._name))

    def serving(self) -> str | None:
        """The configuration that answers requests now, if any."""
        found = self.describe()
        if found is None or found["EndpointStatus"] in ("Failed", "Creating", "Deleting"):
            return None
        return str(found["EndpointConfigName"])

    def settled(self) -> dict[str, Any] | None:
        """Its description once nothing is under way; None where there is no endpoint."""
        while True:
            found = self.describe()
            if found is None or found["EndpointStatus"] not in MOVING:
                return found
            self._pause(found)

    def must_serve(self, config_name: str, on_poll: OnPoll | None = None) -> str:
        """Wait until this configuration is in service; the endpoint's ARN.

        Args:
            on_poll: called with each description while an update is under way.

        Raises:
            RolledBack: the old configuration is in service (again).
            DeploymentFailed: it failed, was deleted, or is not there in time.
        """
        started, moved = time.monotonic(), False
        while True:
            found = self.describe()
            if found is None:
                raise DeploymentFailed(f"endpoint {self._name} was deleted meanwhile", None)
            status, config = found["EndpointStatus"], found["EndpointConfigName"]
            if status == "InService" and config == config_name:
                return str(found["EndpointArn"])
            moved = moved or status in MOVING
            # A description may lag behind the update that it does not show yet.
            lagging = not moved and time.monotonic() - started < _UPDATE_STARTS_WITHIN_S
            if status not in MOVING and not (status == "InService" and lagging):
                raise self._failure(found, config_name)
            if on_poll is not None:
                on_poll(found)
            self._pause(found)

    def _failure(self, found: Mapping[str, Any], wanted: str) -> DeploymentFailed:
        status, config = found["EndpointStatus"], found["EndpointConfigName"]
        reason = found.get("FailureReason") or "no reason was given"
        if status == "Failed":
            return DeploymentFailed(f"endpoint {self._name} failed: {reason}", None)
        what = "was rolled back" if status == "InService" else f"is {status}"
        kind = RolledBack if status == "InService" else DeploymentFailed
        return kind(
            f"endpoint {self._name} {what}: {reason}. It was to serve {wanted} and still serves "
            f"{config}",
            config,
        )

    def _pause(self, found: Mapping[str, Any]) -> None:
        if time.monotonic() > self._deadline:
            raise DeploymentFailed(
                f"endpoint {self._name} is still {found['EndpointStatus']} after "
                f"{self._timeout_s:g} s; calling again waits on",
                self.serving(),
            )
        time.sleep(self._poll_s)
