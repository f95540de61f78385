"""What `mlops env create` and `mlops env delete` ask for: removing a branch's environment.

Here: statements for who makes and removes environments, a person or CI. Not here: what an
environment's own runs may do (they have everybody's policies).
"""

from __future__ import annotations

from mlops_assets.permissions.lake import KEY, objects
from mlops_assets.permissions.statement import Statement, arn, sagemaker

_TAGGED = {"Null": {"aws:ResourceTag/mlops:environment": "false"}}

ENVIRONMENTS = (
    Statement(
        sid="FindThings",
        actions=(
            "sagemaker:ListEndpointConfigs",
            "sagemaker:ListEndpoints",
            "sagemaker:ListFeatureGroups",
            "sagemaker:ListHyperParameterTuningJobs",
            "sagemaker:ListModelPackageGroups",
            "sagemaker:ListModelPackages",
            "sagemaker:ListModels",
            "sagemaker:ListProcessingJobs",
            "sagemaker:ListTrainingJobs",
            "sagemaker:ListTransformJobs",
        ),
        resources=("*",),
        because="What has the environment's name; lists have no resource level.",
    ),
    Statement(
        sid="ReadTags",
        actions=("sagemaker:ListTags",),
        resources=sagemaker("*/*"),
        because="What has its tag too.",
    ),
    Statement(
        sid="RemoveWhatIsTagged",
        actions=(
            "sagemaker:DeleteEndpoint",
            "sagemaker:DeleteEndpointConfig",
            "sagemaker:DeleteFeatureGroup",
            "sagemaker:DeleteModel",
            "sagemaker:DeleteModelPackage",
            "sagemaker:DeleteModelPackageGroup",
            "sagemaker:StopHyperParameterTuningJob",
            "sagemaker:StopProcessingJob",
            "sagemaker:StopTrainingJob",
            "sagemaker:StopTransformJob",
        ),
        resources=sagemaker(
            "endpoint-config/*",
            "endpoint/*",
            "feature-group/*",
            "hyper-parameter-tuning-job/*",
            "model-package-group/*",
            "model-package/*",
            "model/*",
            "processing-job/*",
            "training-job/*",
            "transform-job/*",
        ),
        because="Nothing without an environment's tag: production has none.",
        condition=_TAGGED,
    ),
    Statement(
        sid="MonitorsAlarms",
        actions=("cloudwatch:DeleteAlarms",),
        resources=(arn("cloudwatch", "alarm:mlops-*-monitor-*"),),
        because="Alarms of the environment's monitors.",
    ),
    Statement(
        sid="FindAlarms",
        actions=("cloudwatch:DescribeAlarms",),
        resources=(arn("cloudwatch", "alarm:*"),),
        because="They are found by their names.",
    ),
    Statement(
        sid="Tables",
        actions=(
            "glue:DeleteDatabase",
            "glue:DeleteTable",
            "glue:GetDatabase",
            "glue:GetDatabases",
            "glue:GetTable",
            "glue:GetTables",
        ),
        resources=(arn("glue", "catalog"), arn("glue", "database/*"), arn("glue", "table/*")),
        because="Its tables. Those of a catalog stack are Lake Formation's: nobody may drop them.",
    ),
    Statement(
        sid="Objects",
        actions=("s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
        resources=objects("environments/"),
        because="Its folder, and no other.",
    ),
    Statement(
        sid="FindObjects",
        actions=("s3:ListBucket",),
        resources=("arn:${AWS::Partition}:s3:::${Bucket}",),
        because="What lies in its folder.",
    ),
    Statement(
        sid="Key",
        actions=("kms:Decrypt", "kms:GenerateDataKey"),
        resources=(KEY,),
        because="The mark of an environment is encrypted as everything is.",
    ),
)
