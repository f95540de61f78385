"""What runs inside SageMaker's containers, and what SageMaker does on their behalf: ExecutionRole.

Here: data, images, logs, metrics and the network of jobs and endpoints. Not here: what whoever
runs Dagster may do (`lake`, `jobs`, `serving`).
"""

from __future__ import annotations

from mlops_assets.permissions.lake import BUCKET, KEY, objects
from mlops_assets.permissions.statement import Statement, arn, sagemaker

_IN_THE_NETWORK = {"ArnEquals": {"ec2:Vpc": arn("ec2", "vpc/${VpcId}")}}

CONTAINER = (
    Statement(
        sid="FindInputs",
        actions=("s3:GetBucketLocation", "s3:ListBucket"),
        resources=(BUCKET,),
        because="Which objects a channel has.",
    ),
    Statement(
        sid="Inputs",
        actions=("s3:GetObject",),
        resources=objects(
            "artifacts/{name}/", "code/", "datasets/{name}/", "pipes/{job}-", "pipes/{short}-"
        ),
        because="Sealed artifacts, code, data sets, Dagster's context: read, never written.",
    ),
    Statement(
        sid="Outputs",
        actions=(
            "s3:AbortMultipartUpload",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        ),
        resources=objects("training/{job}-"),
        because="Artifacts are written by trainings and read by models.",
    ),
    Statement(
        sid="Environments",
        actions=(
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        ),
        resources=objects("environments/"),
        because="Branches' environments: their code, data sets, artifacts and captures.",
        needs="environments",
    ),
    Statement(
        sid="Checkpoints",
        actions=("s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
        resources=objects("checkpoints/{job}/"),
        because="Mirrored, deletions too: an interrupted training goes on from there.",
        needs="checkpoints",
    ),
    Statement(
        sid="Captures",
        actions=("s3:PutObject",),
        resources=objects("captures/{name}/"),
        because="The declaration captures requests and answers.",
        needs="capture",
    ),
    Statement(
        sid="Answers",
        actions=("s3:GetObject", "s3:PutObject"),
        resources=objects("answers/{name}/"),
        because="The declared endpoint is asynchronous: requests and answers are objects.",
        needs="asynchronous",
    ),
    Statement(
        sid="BatchPredictions",
        actions=("s3:GetObject", "s3:PutObject"),
        resources=objects("transform/{name}/"),
        because="The declaration has batch: rows in, predictions out.",
        needs="batch",
    ),
    Statement(
        sid="ProcessingData",
        actions=("s3:GetObject", "s3:PutObject"),
        resources=objects("processing/{name}/", "processing/{job}-"),
        because="What processing jobs of one's own read and make.",
        needs="processing",
    ),
    Statement(
        sid="SparkFiles",
        actions=("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"),
        resources=objects("lake/{name}.db/"),
        because="The engine is Spark: jobs read the lake's files and stage new ones; they delete "
        "none, and commit none.",
        needs="spark",
    ),
    Statement(
        sid="SparkTables",
        actions=("glue:GetDatabase", "glue:GetTable"),
        resources=(
            arn("glue", "catalog"),
            arn("glue", "database/{name}"),
            arn("glue", "table/{name}/*"),
        ),
        because="The engine is Spark: jobs ask where a table's files are.",
        needs="spark",
    ),
    Statement(
        sid="Key",
        actions=("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
        resources=(KEY,),
        because="Every object of the lake is encrypted with it.",
    ),
    Statement(
        sid="VolumeKey",
        actions=("kms:CreateGrant",),
        resources=(KEY,),
        because="Volumes of jobs and endpoints.",
        condition={"Bool": {"kms:GrantIsForAWSResource": "true"}},
    ),
    Statement(
        sid="Logs",
        actions=(
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
        ),
        resources=(arn("logs", "log-group:/aws/sagemaker/*"),),
        because="SageMaker writes a job's log under the job's role; its groups are shared.",
    ),
    Statement(
        sid="Metrics",
        actions=("cloudwatch:PutMetricData",),
        resources=("*",),
        because="Metrics read from the log. Metrics have no ARN; their namespace binds.",
        condition={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
    ),
    Statement(
        sid="Image",
        actions=(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ),
        resources=(arn("ecr", "repository/${ImageRepository}"),),
        because="The platform's image, by digest.",
    ),
    Statement(
        sid="ImageOfAws",
        actions=(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ),
        # AWS keeps its images in another account for each region.
        resources=("arn:${AWS::Partition}:ecr:${AWS::Region}:*:repository/*{aws_framework}*",),
        because="The declared training runs in an image of AWS's.",
        needs="aws_image",
    ),
    Statement(
        sid="ImageLogin",
        actions=("ecr:GetAuthorizationToken",),
        resources=("*",),
        because="A login is to the whole registry.",
    ),
    Statement(
        sid="NetworkInterfaces",
        actions=("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
        resources=(
            arn("ec2", "network-interface/*"),
            arn("ec2", "security-group/*"),
            arn("ec2", "subnet/*"),
        ),
        because="A container in our subnets has an interface there.",
        condition=_IN_THE_NETWORK,
    ),
    Statement(
        sid="NetworkInterfacesForSageMaker",
        actions=("ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterfacePermission"),
        resources=(arn("ec2", "network-interface/*"),),
        because="SageMaker's account attaches it.",
        condition=_IN_THE_NETWORK,
    ),
    Statement(
        sid="DescribeNetwork",
        actions=(
            "ec2:DescribeDhcpOptions",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        ),
        resources=("*",),
        because="EC2's describes have no resource level.",
    ),
    Statement(
        sid="OnlineFeatures",
        actions=("sagemaker:BatchGetRecord",),
        resources=sagemaker("feature-group/{slug}"),
        because="An endpoint that reads online features does so under this role.",
        needs="online",
    ),
    Statement(
        sid="OfflineFeatures",
        actions=("s3:PutObject", "s3:PutObjectAcl"),
        resources=objects("feature-store/"),
        because="The feature store keeps its offline copy below a folder of its own naming.",
        needs="online",
    ),
    Statement(
        sid="OfflineFeaturesBucket",
        actions=("s3:GetBucketAcl",),
        resources=(BUCKET,),
        because="The feature store asks who owns the bucket.",
        needs="online",
    ),
    Statement(
        sid="RolloutAlarms",
        actions=("cloudwatch:DescribeAlarms",),
        resources=(arn("cloudwatch", "alarm:mlops-{job}-*"),),
        because="SageMaker looks at a rollout's alarms under the endpoint's role.",
    ),
)
