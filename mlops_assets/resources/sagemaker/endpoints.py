"""Endpoints: what serves, brought to what was asked for, or a failure that says what serves now.

Here: create or update, and the wait that does not take InService for success: after an automatic
rollback the endpoint is InService too, on the old configuration. Not here: which package is worth
serving (registry.py, the assets).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mlops_assets.resources.sagemaker import registry
from mlops_assets.resources.sagemaker.endpoint_spec import (
    EndpointSpec,
    config_request,
    update_request,
)
from mlops_assets.resources.sagemaker.errors import found_or_none, patiently
from mlops_assets.resources.sagemaker.models import ensure, ensure_model

_MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
_UPDATE_STARTS_WITHIN_S = 20


class DeploymentFailed(RuntimeError):
    """The endpoint does not do what was asked; ``serving`` is the configuration that it serves."""

    def __init__(self, message: str, serving: str | None) -> None:
        super().__init__(message)
        self.serving = serving


class NotApproved(DeploymentFailed):
    """The package's approval does not allow it to be deployed."""


@dataclass(frozen=True)
class Deployment:
    """An endpoint that serves what was asked for; ``changed``: it did not before."""

    endpoint_name: str
    arn: str
    config_name: str
    package_arn: str
    changed: bool
    previous_config: str | None


def deploy(
    client: Any, spec: EndpointSpec, *, timeout_s: float = 1800, poll_s: float = 1.0
) -> Deployment:
    """Serve the package at the endpoint, and see that it does.

    Interrupted anywhere, it converges when called again: names follow from content, and an update
    under way is waited for.

    Raises:
        NotApproved: the package is not Approved; nothing was touched.
        DeploymentFailed: the endpoint failed, rolled back or did not get there in ``timeout_s``
            seconds; the message has the reason and what serves now.
    """
    endpoint = _Endpoint(client, spec.name, timeout_s, poll_s)
    package = registry.describe(client, spec.package_arn)
    if package.status != "Approved":
        raise NotApproved(
            f"model package {package.arn} is {package.status}, and endpoint {spec.name} serves "
            "only Approved ones: approve it first",
            endpoint.serving(),
        )
    model = ensure_model(client, spec.name, {"ModelPackageName": package.arn}, spec.placement)
    config = config_request(spec, model)
    name = config["EndpointConfigName"]
    ensure(
        describe=lambda: client.describe_endpoint_config(EndpointConfigName=name),
        create=lambda: client.create_endpoint_config(**config),
    )
    found = endpoint.settled()
    if found is not None and found["EndpointStatus"] == "Failed":
        # It never served: SageMaker allows nothing but its deletion.
        patiently(lambda: client.delete_endpoint(EndpointName=spec.name))
        found = endpoint.settled()
    previous = found["EndpointConfigName"] if found else None
    changed = found is None or found["EndpointStatus"] != "InService" or previous != name
    if found is None:
        ensure(
            describe=lambda: client.describe_endpoint(EndpointName=spec.name),
            create=lambda: client.create_endpoint(
                EndpointName=spec.name, EndpointConfigName=name, Tags=spec.all_tags()
            ),
        )
    elif changed:
        _update(client, spec, name, found)
    arn = endpoint.must_serve(name)
    return Deployment(spec.name, arn, name, package.arn, changed, previous)


def _update(client: Any, spec: EndpointSpec, config_name: str, endpoint: Mapping[str, Any]) -> None:
    previous = endpoint["EndpointConfigName"]
    config = found_or_none(lambda: client.describe_endpoint_config(EndpointConfigName=previous))
    request = update_request(spec, config_name, endpoint=endpoint, config=config)
    try:
        patiently(lambda: client.update_endpoint(**request))
    except ClientError:
        # Our own update whose answer was lost, or another promotion's: the wait will tell.
        if client.describe_endpoint(EndpointName=spec.name)["EndpointStatus"] not in _MOVING:
            raise


class _Endpoint:
    """One endpoint, watched until it stands still or time is up."""

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
            if found is None or found["EndpointStatus"] not in _MOVING:
                return found
            self._pause(found)

    def must_serve(self, config_name: str) -> str:
        """Wait until this configuration is in service; the endpoint's ARN."""
        started, moved = time.monotonic(), False
        while True:
            found = self.describe()
            if found is None:
                raise DeploymentFailed(f"endpoint {self._name} was deleted meanwhile", None)
            status, config = found["EndpointStatus"], found["EndpointConfigName"]
            if status == "InService" and config == config_name:
                return str(found["EndpointArn"])
            moved = moved or status in _MOVING
            # A description may lag behind the update that it does not show yet.
            lagging = not moved and time.monotonic() - started < _UPDATE_STARTS_WITHIN_S
            if status not in _MOVING and not (status == "InService" and lagging):
                raise self._failure(found, config_name)
            self._pause(found)

    def _failure(self, found: Mapping[str, Any], wanted: str) -> DeploymentFailed:
        status, config = found["EndpointStatus"], found["EndpointConfigName"]
        reason = found.get("FailureReason") or "no reason was given"
        if status == "Failed":
            return DeploymentFailed(f"endpoint {self._name} failed: {reason}", None)
        what = "was rolled back" if status == "InService" else f"is {status}"
        return DeploymentFailed(
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


def serving_package(client: Any, endpoint_name: str) -> str | None:
    """The ARN of the package that the endpoint serves, the champion; None where there is none."""
    endpoint = found_or_none(lambda: client.describe_endpoint(EndpointName=endpoint_name))
    if endpoint is None or endpoint["EndpointStatus"] == "Failed":
        return None
    config = found_or_none(
        lambda: client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    )
    if config is None:
        return None
    model_name = config["ProductionVariants"][0]["ModelName"]
    model = found_or_none(lambda: client.describe_model(ModelName=model_name)) or {}
    return model.get("PrimaryContainer", {}).get("ModelPackageName")


def smoke(
    runtime: Any, endpoint_name: str, rows: Sequence[Mapping[str, Any]]
) -> list[float | list[float]]:
    """Ask the endpoint for predictions of a few rows, as a caller would.

    Raises:
        DeploymentFailed: it does not answer a finite number, or a list of them, for each row.
    """
    answer = runtime.invoke_endpoint(
        EndpointName=endpoint_name,
        ContentType="application/json",
        Accept="application/json",
        Body=json.dumps({"instances": [dict(row) for row in rows]}).encode(),
    )
    body = answer["Body"].read()
    predictions = json.loads(body).get("predictions", [])
    numbers = [n for p in predictions for n in (p if isinstance(p, list) else [p])]
    if len(predictions) != len(rows) or not all(
        isinstance(n, int | float) and math.isfinite(n) for n in numbers
    ):
        raise DeploymentFailed(
            f"endpoint {endpoint_name} answered {len(rows)} rows with {body[:200]!r}", None
        )
    return predictions
