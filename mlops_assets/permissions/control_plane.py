"""Dagster itself on ECS: how a run becomes a task, and what a task needs to start.

Here: the run launcher's calls, and ECS's own on a task's behalf. Not here: what runs then do to
data and models (`lake`, `jobs`, `serving`).
"""

from __future__ import annotations

from mlops_assets.permissions.statement import Statement, arn

_CLUSTER = {"ArnEquals": {"ecs:cluster": arn("ecs", "cluster/${ClusterName}")}}
_BY_SECRETS_MANAGER = {
    "StringEquals": {"kms:ViaService": "secretsmanager.${AWS::Region}.${AWS::URLSuffix}"}
}

RUNS = (
    Statement(
        sid="StartRuns",
        actions=("ecs:RunTask",),
        resources=(arn("ecs", "task-definition/${ClusterName}-run:*"),),
        because="Each run of Dagster is a task of its own.",
        condition=_CLUSTER,
    ),
    Statement(
        sid="WatchAndStopRuns",
        actions=("ecs:DescribeTasks", "ecs:StopTask"),
        resources=(arn("ecs", "task/${ClusterName}/*"),),
        because="Dagster finds runs whose task died, and ends those that are cancelled.",
        condition=_CLUSTER,
    ),
    Statement(
        sid="TagRuns",
        actions=("ecs:TagResource",),
        resources=(arn("ecs", "task/${ClusterName}/*"),),
        because="The task is tagged with the run that it is of, as it is started.",
        condition={"StringEquals": {"ecs:CreateAction": "RunTask"}},
    ),
    Statement(
        sid="DescribeTaskDefinitions",
        actions=("ecs:DescribeTaskDefinition",),
        resources=("*",),
        because="The launcher reads the run's task definition. It has no resource level.",
    ),
    Statement(
        sid="SeeTheOwnNetwork",
        actions=("ec2:DescribeNetworkInterfaces",),
        resources=("*",),
        because="A run's task gets its launcher's network. EC2's describes are of everything.",
    ),
    Statement(
        sid="PassTheTaskRoles",
        actions=("iam:PassRole",),
        resources=("${DagsterRole.Arn}", "${TaskExecutionRole.Arn}"),
        because="A run's task has the roles of the task that launches it.",
        condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    ),
    Statement(
        sid="ReadRunLogs",
        actions=("logs:GetLogEvents",),
        resources=(arn("logs", "log-group:/mlops/${ClusterName}/*"),),
        because="Why a task died is in the last lines of its log.",
    ),
    Statement(
        sid="PasswordOfNow",
        actions=("secretsmanager:GetSecretValue",),
        resources=("${DatabaseSecretArn}",),
        because="RDS changes the database's password while tasks run.",
    ),
    Statement(
        sid="PasswordsKey",
        actions=("kms:Decrypt",),
        resources=("${OperationsKeyArn}",),
        because="What that secret is encrypted with.",
        condition=_BY_SECRETS_MANAGER,
    ),
)

TASKS = (
    Statement(
        sid="Secrets",
        actions=("secretsmanager:GetSecretValue",),
        resources=("${DatabaseSecretArn}",),
        because="User name and password of Dagster's database.",
    ),
    Statement(
        sid="SecretsKey",
        actions=("kms:Decrypt",),
        resources=("${OperationsKeyArn}",),
        because="What the secrets are encrypted with.",
        condition=_BY_SECRETS_MANAGER,
    ),
    Statement(
        sid="Image",
        actions=(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ),
        resources=(arn("ecr", "repository/${ControlPlaneRepository}"),),
        because="The control plane's image, by digest.",
    ),
    Statement(
        sid="ImageLogin",
        actions=("ecr:GetAuthorizationToken",),
        resources=("*",),
        because="A login is to the whole registry.",
    ),
    Statement(
        sid="Logs",
        actions=("logs:CreateLogStream", "logs:PutLogEvents"),
        resources=(arn("logs", "log-group:/mlops/${ClusterName}/*"),),
        because="What the containers print.",
    ),
)
