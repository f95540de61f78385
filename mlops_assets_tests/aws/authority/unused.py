"""Permissions that no test of this folder uses, and why that is as it should be.

Here: the reasons, and the table that is printed. Not here: the count (roles). A permission that is
used now, or that no policy has any more, has to go from here: a test holds that.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlops_assets_tests.aws.authority.roles import DAGSTER, EXECUTION, Permission

_BROKEN = "an upload in parts that breaks: boto3 and pyarrow give it up, or go on with it"
_CANCELLED = "of a run that is cancelled"
_FIRST = "the first model of an endpoint has no rollout"
_NAMES = "SageMaker asks it of who names a key, which is not seen from outside"
_PASSWORD = "RDS changes the password of the database; test_rotated_password does"
_PEOPLE = "commands of people (mlops status, ui), not the graph"
_REGION = "pyarrow asks where a bucket is; here its region is set"
_TABLES = "pyiceberg lists what there is; the graph knows its tables by name"

# (role, statement, action): why nothing here uses it.
UNUSED: dict[tuple[str, str, str], str] = {
    (DAGSTER, "Catalog", "glue:GetDatabases"): _TABLES,
    (DAGSTER, "Events", "sqs:ChangeMessageVisibility"): (
        "of an event that SageMaker does not show yet: it is put off"
    ),
    (DAGSTER, "FindObjects", "s3:GetBucketLocation"): _REGION,
    (DAGSTER, "FindObjects", "s3:ListBucketMultipartUploads"): _BROKEN,
    (DAGSTER, "Key", "kms:DescribeKey"): _NAMES,
    (DAGSTER, "Key", "kms:Encrypt"): _NAMES,
    (DAGSTER, "Objects", "s3:AbortMultipartUpload"): _BROKEN,
    (DAGSTER, "Objects", "s3:ListMultipartUploadParts"): _BROKEN,
    (DAGSTER, "PasswordOfNow", "secretsmanager:GetSecretValue"): _PASSWORD,
    (DAGSTER, "PasswordsKey", "kms:Decrypt"): _PASSWORD,
    (DAGSTER, "ReadRunLogs", "logs:GetLogEvents"): "of a run's task that died: none did",
    (DAGSTER, "StopScaling", "application-autoscaling:DeregisterScalableTarget"): (
        "of an endpoint that was scaled, and is so declared no more"
    ),
    (EXECUTION, "FindInputs", "s3:GetBucketLocation"): _REGION,
    (EXECUTION, "Logs", "logs:DescribeLogStreams"): "SageMaker looks before it writes a log",
    (EXECUTION, "Outputs", "s3:AbortMultipartUpload"): _BROKEN,
    (EXECUTION, "Outputs", "s3:ListMultipartUploadParts"): _BROKEN,
    (EXECUTION, "RolloutAlarms", "cloudwatch:DescribeAlarms"): (
        "SageMaker looks at a rollout's alarms itself, which is not seen from outside"
    ),
}
# What a second model, its rollback and a cancelled run are for: the nightly drills alone have them.
LATER: dict[tuple[str, str, str], str] = {
    (DAGSTER, "Endpoints", "sagemaker:UpdateEndpoint"): _FIRST,
    (DAGSTER, "Find", "sagemaker:ListEndpoints"): _PEOPLE,
    (DAGSTER, "Find", "sagemaker:ListModelPackageGroups"): _PEOPLE,
    (DAGSTER, "Find", "sagemaker:ListTrainingJobs"): _PEOPLE,
    (DAGSTER, "Trainings", "sagemaker:StopTrainingJob"): _CANCELLED,
    (DAGSTER, "WatchAndStopRuns", "ecs:StopTask"): _CANCELLED,
}
# Used or not, as the run's minutes have it.
SOMETIMES: dict[tuple[str, str, str], str] = {
    (DAGSTER, "WatchAndStopRuns", "ecs:DescribeTasks"): "runs that end between two looks",
}


def named(permission: Permission) -> tuple[str, str, str]:
    """How the tables above call it."""
    return permission.role, permission.sid, permission.action


def table(unused: Iterable[Permission]) -> str:
    """A line for each permission, with its reason."""
    lines = [
        f"{each.role:14} {each.sid:20} {each.action:50} "
        f"{({**UNUSED, **LATER, **SOMETIMES}).get(named(each), 'NO REASON')}"
        for each in sorted(unused)
    ]
    return "\n".join([f"{len(lines)} permissions that no test used:", *lines])
