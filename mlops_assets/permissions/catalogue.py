"""Which statements make which policy, and which role has which policies.

Here: two tables. Not here: statements (`lake`, `jobs`, …), documents (`policy`), roles' trust
(`stack`).
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_assets.permissions import (
    container,
    control_plane,
    environments,
    jobs,
    lake,
    people,
    processing,
    serving,
    sources,
    spark,
)
from mlops_assets.permissions.statement import Statement


@dataclass(frozen=True)
class Policy:
    """A managed policy: what it is for, and all that it may ever hold."""

    description: str
    statements: tuple[Statement, ...]


POLICIES: dict[str, Policy] = {
    "LakePolicy": Policy("The lake - objects, key, tables - for whoever runs Dagster", lake.LAKE),
    "SourcesPolicy": Policy("Where rows come from, for whoever runs Dagster", sources.SOURCES),
    "PlatformPolicy": Policy("Jobs and the registry, for whoever runs Dagster", jobs.JOBS),
    "ProcessingPolicy": Policy("Processing jobs, for whoever runs Dagster", processing.PROCESSING),
    "SparkJobsPolicy": Policy(
        "Spark jobs on EMR Serverless, for whoever runs Dagster", spark.STARTING
    ),
    "ServingPolicy": Policy(
        "Endpoints, rollouts and predictions, for whoever runs Dagster", serving.SERVING
    ),
    "FeaturesPolicy": Policy("Online features, for whoever runs Dagster", serving.FEATURES),
    "RunsPolicy": Policy("Starting and stopping runs on ECS, for Dagster", control_plane.RUNS),
    "JobPolicy": Policy("What jobs and endpoints may do", container.CONTAINER),
    "SparkPolicy": Policy("What Spark jobs on EMR Serverless may do", spark.JOB),
    "TasksPolicy": Policy("What ECS needs to start Dagster's containers", control_plane.TASKS),
    "ApproverPolicy": Policy(
        "Approving models, for people only, beside the policies of whoever runs Dagster",
        people.APPROVER,
    ),
    "EnvironmentsPolicy": Policy(
        "Making and removing branches' environments, for people or CI", environments.ENVIRONMENTS
    ),
    "CiPolicy": Policy("Building images and starting a delivery, for CI", people.CI),
}

# Whoever runs Dagster: its tasks on ECS, or a person's machine (RunsPolicy is the tasks' alone).
OPERATOR = (
    "LakePolicy",
    "SourcesPolicy",
    "PlatformPolicy",
    "ProcessingPolicy",
    "SparkJobsPolicy",
    "ServingPolicy",
    "FeaturesPolicy",
)
ROLES: dict[str, tuple[str, ...]] = {
    "DagsterRole": (*OPERATOR, "RunsPolicy"),
    "ExecutionRole": ("JobPolicy",),
    # Made where a declaration asks for it: without its policy there is no such role.
    "SparkRole": ("SparkPolicy",),
    "TaskExecutionRole": ("TasksPolicy",),
    "CiRole": ("CiPolicy",),
}
# What a declaration has a say in; the rest is the deployment's.
OF_DECLARATIONS = (*OPERATOR, "JobPolicy", "SparkPolicy", "ApproverPolicy")
