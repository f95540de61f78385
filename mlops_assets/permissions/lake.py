"""The lake: objects of the bucket, its key, and the tables' catalog.

Here: what whoever runs Dagster may do with them. Not here: what containers may (`container`).
"""

from __future__ import annotations

from mlops_assets.permissions.statement import Statement, arn

BUCKET = "arn:${AWS::Partition}:s3:::${Bucket}"
KEY = "${KmsKeyArn}"

# First folders of the bucket, the second being the pipeline's name (`resources.records.Store`).
OF_PIPELINE = (
    "alerts",
    "answers",
    "artifacts",
    "begun",
    "budget",
    "captured",
    "captures",
    "datasets",
    "decisions",
    "experiments",
    "grids",
    "ground-truth",
    "kept",
    "label-queue",
    "monitoring",
    "records",
    "reports",
    "transform",
)


def objects(*keys: str) -> tuple[str, ...]:
    """ARNs of the objects whose keys begin so."""
    return tuple(f"{BUCKET}/{key}*" for key in keys)


LAKE = (
    Statement(
        sid="FindObjects",
        actions=("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"),
        resources=(BUCKET,),
        because="Not narrowed by s3:prefix: without a list, a missing object reads as forbidden.",
    ),
    Statement(
        sid="Objects",
        actions=(
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        ),
        resources=objects(
            *(f"{folder}/{{name}}/" for folder in OF_PIPELINE),
            "checkpoints/{job}/",
            "code/",
            "dagster/compute-logs/",
            "lake/{name}.db/",
            "pipes/{job}-",
            "pipes/{short}-",
            "training/{job}-",
        ),
        because="Rows, records, captures and artifacts, folder by folder.",
    ),
    Statement(
        sid="ObjectsOfEnvironments",
        actions=(
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        ),
        resources=objects("environments/"),
        because="Branches' environments have these folders below one of their own.",
        needs="environments",
    ),
    Statement(
        sid="Key",
        actions=("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
        resources=(KEY,),
        because="Every object of the lake is encrypted with it.",
    ),
    Statement(
        sid="Catalog",
        actions=(
            "glue:CreateDatabase",
            "glue:CreateTable",
            "glue:GetDatabase",
            "glue:GetDatabases",
            "glue:GetTable",
            "glue:GetTables",
            "glue:UpdateTable",
        ),
        resources=(
            arn("glue", "catalog"),
            arn("glue", "database/{name}"),
            arn("glue", "table/{name}/*"),
        ),
        because="Iceberg's tables: a commit is an update of the table in the catalog.",
    ),
    Statement(
        sid="ProcessingObjects",
        actions=("s3:GetObject", "s3:PutObject"),
        resources=objects("processing/{name}/"),
        because="Tasks for processing jobs, and their answers.",
        needs="processing",
    ),
    Statement(
        sid="PersonalColumns",
        actions=("lakeformation:AddLFTagsToResource", "lakeformation:GetResourceLFTags"),
        resources=("*",),
        because="Columns are tagged as personal, or as rows. It has no resource level: the tag's "
        "grants hold it.",
    ),
)
