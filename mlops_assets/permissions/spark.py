"""Spark on EMR Serverless: who may ask for its jobs, and what those may do (SparkRole).

Here: the statements of both. Not here: Spark as a SageMaker Processing job (`processing`,
`container`).
"""

from __future__ import annotations

from mlops_assets.permissions.lake import BUCKET, KEY, objects
from mlops_assets.permissions.statement import Statement, arn

_NEEDS = "spark_serverless"
_GIVEN = "RunsSpark"
_APPLICATION = arn("emr-serverless", "/applications/${EmrApplicationId}")
_JOB_RUNS = f"{_APPLICATION}/jobruns/*"
# As of `resources.emr.requests.LOG_GROUP`.
_LOGS = arn("logs", "log-group:/mlops/spark*")

STARTING = (
    Statement(
        sid="SparkJobs",
        actions=("emr-serverless:ListJobRuns", "emr-serverless:StartJobRun"),
        resources=(_APPLICATION,),
        because="The engine is Spark on EMR Serverless: jobs of the one application, found again "
        "by their names.",
        needs=_NEEDS,
        given=_GIVEN,
    ),
    Statement(
        sid="SparkJobRuns",
        actions=(
            "emr-serverless:CancelJobRun",
            "emr-serverless:GetJobRun",
            "emr-serverless:TagResource",
        ),
        resources=(_JOB_RUNS,),
        because="They are followed, and stopped with the run that asked for them.",
        needs=_NEEDS,
        given=_GIVEN,
    ),
    Statement(
        sid="PassTheSparkRole",
        actions=("iam:PassRole",),
        resources=("${SparkRole.Arn}",),
        because="Spark's jobs run under it, and under no other.",
        condition={"StringEquals": {"iam:PassedToService": "emr-serverless.amazonaws.com"}},
        needs=_NEEDS,
        given=_GIVEN,
    ),
    Statement(
        sid="ReadSparkLogs",
        actions=("logs:DescribeLogStreams", "logs:GetLogEvents"),
        resources=(_LOGS,),
        because="A job's log is shown while it runs.",
        needs=_NEEDS,
        given=_GIVEN,
    ),
)

JOB = (
    Statement(
        sid="FindFiles",
        actions=("s3:GetBucketLocation", "s3:ListBucket"),
        resources=(BUCKET,),
        because="Without a list, a missing object reads as forbidden.",
        needs=_NEEDS,
    ),
    Statement(
        sid="Task",
        actions=("s3:GetObject",),
        resources=objects("code/", "processing/{name}/"),
        because="The program, and what it is to do.",
        needs=_NEEDS,
    ),
    Statement(
        sid="Answer",
        actions=("s3:PutObject",),
        resources=objects("pipes/{job}-", "processing/{name}/"),
        because="What it found, or what went wrong.",
        needs=_NEEDS,
    ),
    Statement(
        sid="SparkFiles",
        actions=("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"),
        resources=objects("lake/{name}.db/"),
        because="Jobs read the lake's files and stage new ones; they delete none, and commit none.",
        needs=_NEEDS,
    ),
    Statement(
        sid="SparkTables",
        actions=("glue:GetDatabase", "glue:GetTable"),
        resources=(
            arn("glue", "catalog"),
            arn("glue", "database/{name}"),
            arn("glue", "table/{name}/*"),
        ),
        because="Where a table's files are.",
        needs=_NEEDS,
    ),
    Statement(
        sid="Key",
        actions=("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
        resources=(KEY,),
        because="Every object of the lake is encrypted with it.",
        needs=_NEEDS,
    ),
    Statement(
        sid="DiskKey",
        actions=("kms:CreateGrant",),
        resources=(KEY,),
        because="The workers' disks.",
        condition={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        needs=_NEEDS,
    ),
    Statement(
        sid="FindLogs",
        actions=("logs:DescribeLogGroups",),
        resources=(arn("logs", "*"),),
        because="EMR looks whether the group is there, as the job. It lists all of them.",
        needs=_NEEDS,
    ),
    Statement(
        sid="Logs",
        actions=("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
        resources=(_LOGS,),
        because="What the drivers print, written by EMR as the job.",
        needs=_NEEDS,
    ),
)
