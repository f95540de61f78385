"""Endpoints: what serves, brought to what was asked for, or a failure that says what serves now.

Here: finding out what serves, carrying one change out, going back. Not here: what a change is
(rollout_plan.py), whether the new model is any good (rollout.py), which package is worth serving
(registry.py, the assets).
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mlops_assets.resources.sagemaker.errors import found_or_none, patiently
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import LIVE, EndpointSpec
from mlops_assets.resources.sagemaker.hosting.endpoint_watch import (
    MOVING,
    DeploymentFailed,
    OnPoll,
    RolledBack,
    Watch,
)
from mlops_assets.resources.sagemaker.hosting.models import ensure
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.rollout.deployment_request import (
    deployment_config,
    variant_names,
)
from mlops_assets.resources.sagemaker.rollout.rollout_plan import (
    Change,
    Serving,
    make_plan,
    variants,
)
from mlops_assets.rollouts import AllAtOnce

__all__ = [
    "Deployment",
    "DeploymentFailed",
    "NotApproved",
    "RolledBack",
    "carry_out",
    "deploy",
    "go_back",
    "require_approved",
    "serving_now",
    "serving_package",
    "smoke",
]


class NotApproved(DeploymentFailed):
    """The package's approval does not allow it to be deployed."""


@dataclass(frozen=True)
class Deployment:
    """An endpoint that serves what was asked for; ``changed``: it did not before.

    ``alarms``: PutMetricAlarm's parameters for what serves; none of them was put up.
    """

    endpoint_name: str
    arn: str
    config_name: str
    package_arn: str
    changed: bool
    previous_config: str | None
    alarms: tuple[Mapping[str, Any], ...] = ()


def deploy(
    client: Any, spec: EndpointSpec, *, timeout_s: float = 1800, poll_s: float = 1.0
) -> Deployment:
    """Serve the package at the endpoint, all at once and unwatched, and see that it does.

    Interrupted anywhere, it converges when called again: names follow from content, and an update
    under way is waited for.

    Raises:
        NotApproved: the package is not Approved; nothing was touched.
        DeploymentFailed: the endpoint failed, rolled back or did not get there in ``timeout_s``
            seconds; the message has the reason and what serves now.
    """
    require_approved(client, spec)
    now = serving_now(client, spec.name, timeout_s=timeout_s, poll_s=poll_s)
    at_once = dataclasses.replace(spec.declared, rollout=AllAtOnce())
    plan = make_plan(dataclasses.replace(spec, declared=at_once), now)
    (change,) = plan.changes
    bare = dataclasses.replace(change, alarms=(), request=_without_alarms(change.request))
    arn = carry_out(client, spec.name, bare, timeout_s=timeout_s, poll_s=poll_s)
    return Deployment(
        endpoint_name=spec.name,
        arn=arn,
        config_name=change.config_name,
        package_arn=spec.package_arn,
        changed=plan.changed,
        previous_config=plan.previous_config,
        alarms=change.alarms,
    )


def _without_alarms(request: Mapping[str, Any]) -> dict[str, Any]:
    bare = dict(request)
    if "DeploymentConfig" in bare:
        bare["DeploymentConfig"] = deployment_config(AllAtOnce())
    return bare


def require_approved(client: Any, spec: EndpointSpec) -> registry.ModelPackage:
    """The package.

    Raises:
        NotApproved: nobody, or no gate, has let it through.
    """
    package = registry.describe(client, spec.package_arn)
    if package.status != "Approved":
        raise NotApproved(
            f"model package {package.arn} is {package.status}, and endpoint {spec.name} serves "
            "only Approved ones: approve it first",
            Watch(client, spec.name, 0, 0).serving(),
        )
    return package


def serving_now(
    client: Any, name: str, *, timeout_s: float = 1800, poll_s: float = 1.0
) -> Serving | None:
    """What serves, once nothing is under way; an endpoint that never served is deleted first."""
    watch = Watch(client, name, timeout_s, poll_s)
    found = watch.settled()
    if found is not None and found["EndpointStatus"] == "Failed":
        # SageMaker allows nothing but its deletion.
        patiently(lambda: client.delete_endpoint(EndpointName=name))
        found = watch.settled()
    if found is None:
        return None
    return Serving(found, _config(client, str(found["EndpointConfigName"])))


def carry_out(
    client: Any,
    name: str,
    change: Change,
    *,
    timeout_s: float = 1800,
    poll_s: float = 1.0,
    on_poll: OnPoll | None = None,
) -> str:
    """Make one change and wait until it is done; the endpoint's ARN. Alarms are the caller's.

    Raises:
        DeploymentFailed: as `deploy`.
    """
    model, config = dict(change.model), dict(change.config)
    ensure(
        describe=lambda: client.describe_model(ModelName=model["ModelName"]),
        create=lambda: client.create_model(**model),
    )
    ensure(
        describe=lambda: client.describe_endpoint_config(EndpointConfigName=change.config_name),
        create=lambda: client.create_endpoint_config(**config),
    )
    if change.action == "CreateEndpoint":
        ensure(
            describe=lambda: client.describe_endpoint(EndpointName=name),
            create=lambda: client.create_endpoint(**change.request),
        )
    elif change.action == "UpdateEndpoint":
        _update(client, name, change.request)
    watch = Watch(client, name, timeout_s, poll_s)
    return watch.must_serve(change.config_name, on_poll)


def go_back(
    client: Any, name: str, config_name: str, *, timeout_s: float = 1800, poll_s: float = 1.0
) -> str:
    """Serve a configuration of before again, all at once; the endpoint's ARN."""
    now = serving_now(client, name, timeout_s=timeout_s, poll_s=poll_s)
    if now is None or now.config_name != config_name:
        request: dict[str, Any] = {"EndpointName": name, "EndpointConfigName": config_name}
        wanted = _config(client, config_name)
        if now and now.config and wanted and variant_names(wanted) == variant_names(now.config):
            request["DeploymentConfig"] = deployment_config(AllAtOnce())
        _update(client, name, request)
    return Watch(client, name, timeout_s, poll_s).must_serve(config_name)


def _update(client: Any, name: str, request: Mapping[str, Any]) -> None:
    try:
        patiently(lambda: client.update_endpoint(**request))
    except ClientError:
        # Our own update whose answer was lost, or another promotion's: the wait will tell.
        if client.describe_endpoint(EndpointName=name)["EndpointStatus"] not in MOVING:
            raise


def _config(client: Any, name: str) -> dict[str, Any] | None:
    return found_or_none(lambda: client.describe_endpoint_config(EndpointConfigName=name))


def serving_package(client: Any, endpoint_name: str, variant: str = LIVE) -> str | None:
    """The ARN of the package that a variant serves, by default the champion; None where none is."""
    endpoint = found_or_none(lambda: client.describe_endpoint(EndpointName=endpoint_name))
    if endpoint is None or endpoint["EndpointStatus"] == "Failed":
        return None
    name = variants(_config(client, endpoint["EndpointConfigName"])).get(variant)
    if name is None:
        return None
    model = found_or_none(lambda: client.describe_model(ModelName=name)) or {}
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
