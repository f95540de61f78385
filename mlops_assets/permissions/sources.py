"""Where rows come from: what reading a declared source asks for.

Here: S3, Iceberg, Athena, Redshift. Not here: what the data of a table of Athena's is governed by:
Lake Formation, or a policy of the bucket that its owner writes.
"""

from __future__ import annotations

from mlops_assets.permissions.lake import objects
from mlops_assets.permissions.statement import Statement, arn

_OWN = {"StringEquals": {"redshift-data:statement-owner-iam-userid": "${aws:userid}"}}

SOURCES = (
    Statement(
        sid="SourceObjects",
        actions=("s3:GetObject",),
        resources=("arn:${AWS::Partition}:s3:::{s3_location}*",),
        because="The source is a location in S3.",
        needs="s3_source",
    ),
    Statement(
        sid="FindSourceObjects",
        actions=("s3:GetBucketLocation", "s3:ListBucket"),
        resources=("arn:${AWS::Partition}:s3:::{s3_bucket}",),
        because="Which files the source has.",
        needs="s3_source",
    ),
    Statement(
        sid="Ingestion",
        actions=("s3:GetObject", "s3:PutObject"),
        resources=objects("ingestion/"),
        because="What Athena and Redshift leave for us, by digests; an index of deliveries.",
        needs="ingestion",
    ),
    Statement(
        sid="AthenaQueries",
        actions=(
            "athena:GetQueryExecution",
            "athena:GetWorkGroup",
            "athena:StartQueryExecution",
            "athena:StopQueryExecution",
        ),
        resources=(arn("athena", "workgroup/{athena_workgroup}"),),
        because="The source is a table of Athena's, in a workgroup that bounds what is scanned.",
        needs="athena",
    ),
    Statement(
        sid="AthenaTables",
        actions=("glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable"),
        resources=(
            arn("glue", "catalog"),
            arn("glue", "database/{athena_database}"),
            arn("glue", "table/{athena_database}/{athena_table}"),
        ),
        because="Which partitions it has, and where.",
        needs="athena",
    ),
    Statement(
        sid="IcebergTable",
        actions=("glue:GetTable",),
        resources=(
            arn("glue", "catalog"),
            arn("glue", "database/{iceberg_database}"),
            arn("glue", "table/{iceberg_database}/{iceberg_table}"),
        ),
        because="The source is a table of Iceberg: the catalog says which of its states is the "
        "current one.",
        needs="iceberg",
    ),
    Statement(
        sid="GovernedData",
        actions=("lakeformation:GetDataAccess",),
        resources=("*",),
        because="Athena reads governed tables by Lake Formation's word; it has no resource level.",
        needs="athena",
    ),
    Statement(
        sid="RedshiftStatements",
        actions=("redshift-data:ExecuteStatement",),
        resources=(
            arn("redshift", "cluster:{redshift_cluster}"),
            arn("redshift-serverless", "workgroup/*"),
        ),
        because="UNLOAD of the source's rows. A workgroup's ARN holds an id that nobody declares.",
        needs="redshift",
    ),
    Statement(
        sid="OwnRedshiftStatements",
        actions=(
            "redshift-data:CancelStatement",
            "redshift-data:DescribeStatement",
            "redshift-data:GetStatementResult",
            "redshift-data:ListStatements",
        ),
        resources=("*",),
        because="Statements have no ARN; only one's own are seen.",
        needs="redshift",
        condition=_OWN,
    ),
    Statement(
        sid="RedshiftCredentials",
        actions=("redshift-serverless:GetCredentials",),
        resources=(arn("redshift-serverless", "workgroup/*"),),
        because="Temporary credentials, as the role's own user.",
        needs="redshift",
    ),
    Statement(
        sid="RedshiftClusterCredentials",
        actions=("redshift:GetClusterCredentials",),
        resources=(
            arn("redshift", "dbname:{redshift_cluster}/{redshift_database}"),
            arn("redshift", "dbuser:{redshift_cluster}/{redshift_user}"),
        ),
        because="Temporary credentials of the declared user.",
        needs="redshift_user",
    ),
    Statement(
        sid="RedshiftSecret",
        actions=("secretsmanager:GetSecretValue",),
        resources=(arn("secretsmanager", "secret:{redshift_secret}"),),
        because="The declaration names the secret of the database's user.",
        needs="redshift_secret",
    ),
)
