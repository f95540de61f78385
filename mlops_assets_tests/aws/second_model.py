"""A second model of the flights in the deployment's world: rolled out, taken back, refused.

Here: what is done, in which order. Not here: what must then be so (test_reference_pipelines).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets_tests.aws import reference
from mlops_assets_tests.aws.authority.roles import APPROVER
from mlops_assets_tests.aws.fargate import Fargate
from mlops_assets_tests.aws.guarded import Guarded, finished, start
from mlops_assets_tests.aws.postgres import Cluster
from mlops_assets_tests.aws.world import Run


@dataclass(frozen=True)
class Second:
    """How each step ended; versions are those that the endpoint served then.

    ``unapproved``: a promotion with Dagster's role alone, and what was refused of it.

    Args:
        endpoint: as SageMaker describes it once the second model serves.
        alarms: of its configuration. ``alarms_after_rollback``: the configurations that the
            endpoint's alarms are of then.
    """

    end: str
    version: str
    endpoint: dict[str, Any]
    alarms: list[dict[str, Any]]
    status: Run
    rollback: Run
    version_after_rollback: str
    alarms_after_rollback: set[str]
    unapproved: Run
    unapproved_for: list[str]
    promotion: Run
    without_alarms: Run
    refused: list[str]
    version_after_refusal: str


def cancelled(
    guarded: Guarded, tasks: Fargate, postgres: Cluster, database: str
) -> tuple[str, dict[str, Any]]:
    """A retraining that is cancelled while it trains: how its run ended, and its training job."""
    scene = replace(reference.DIGITS, as_of=reference.DIGITS.asked)
    canceller = start(guarded.dagster, "mlops_assets_tests.aws.cancel", scene.slug)
    (end,) = reference.train(guarded, tasks, postgres, database, [scene]).values()
    (done,) = finished([canceller])
    assert done.success, done.output
    sagemaker = guarded.admin.client("sagemaker")
    newest = sagemaker.list_training_jobs(
        NameContains=scene.slug, SortBy="CreationTime", SortOrder="Descending", MaxResults=1
    )["TrainingJobSummaries"][0]["TrainingJobName"]
    return end, sagemaker.describe_training_job(TrainingJobName=newest)


def second_model(guarded: Guarded, tasks: Fargate, postgres: Cluster, database: str) -> Second:
    """A quarter instead of two months; then what people do about it, by their commands."""
    scene = replace(reference.FLIGHTS, as_of=reference.FLIGHTS.asked)
    sagemaker = guarded.admin.client("sagemaker")

    def version() -> str:
        return str(serving_package(sagemaker, scene.slug)).rpartition("/")[2]

    (end,) = reference.train(guarded, tasks, postgres, database, [scene]).values()
    trained, endpoint = version(), sagemaker.describe_endpoint(EndpointName=scene.slug)

    def alarms(prefix: str) -> list[dict[str, Any]]:
        asked = guarded.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"mlops-{prefix}-")
        return list(asked["MetricAlarms"])

    of_second = alarms(endpoint["EndpointConfigName"])
    status = reference.mlops(guarded, "status")
    rollback = reference.mlops(guarded, "rollback", scene.name, "--reason", "a drill")
    taken_back = version()
    config = re.compile(rf"mlops-({scene.slug}-[0-9a-f]{{12}})-")
    watched = {config.match(each["AlarmName"])[1] for each in alarms(scene.slug)}  # type: ignore[index]
    promote = "promote", scene.name, trained
    with reference.refusals(guarded) as unapproved_for:
        unapproved = reference.mlops(guarded, *promote)
    promotion = reference.mlops(guarded, *promote, role=APPROVER)
    with reference.forbidden(guarded, "cloudwatch:PutMetricAlarm") as refused:
        (run,) = reference.materialize(guarded, [scene], ["endpoint"], since_first=False)
    return Second(
        end=end,
        version=trained,
        endpoint=endpoint,
        alarms=of_second,
        status=status,
        rollback=rollback,
        version_after_rollback=taken_back,
        alarms_after_rollback=watched,
        unapproved=unapproved,
        unapproved_for=unapproved_for,
        promotion=promotion,
        without_alarms=run,
        refused=refused,
        version_after_refusal=version(),
    )
