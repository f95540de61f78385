"""Who approves models, and who never does: people, and continuous integration.

Here: the two policies that are attached by hand or to CI. Not here: what the platform's own roles
may do.
"""

from __future__ import annotations

from mlops_assets.permissions.statement import Statement, arn, sagemaker

APPROVER = (
    Statement(
        sid="Approve",
        actions=("sagemaker:UpdateModelPackage",),
        resources=sagemaker("model-package/{slug}/*"),
        because="`mlops promote`, by a person; beside the policies of whoever runs Dagster.",
    ),
)

CI = (
    Statement(
        sid="PushImages",
        actions=(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:DescribeImages",
            "ecr:GetDownloadUrlForLayer",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ),
        resources=(
            arn("ecr", "repository/${ControlPlaneRepository}"),
            arn("ecr", "repository/${ImageRepository}"),
        ),
        because="CI builds the two images and knows them by digest from then on.",
    ),
    Statement(
        sid="ImageLogin",
        actions=("ecr:GetAuthorizationToken",),
        resources=("*",),
        because="A login is to the whole registry.",
    ),
    Statement(
        sid="StartDelivery",
        actions=("codepipeline:StartPipelineExecution",),
        resources=(arn("codepipeline", "${ClusterName}-delivery"),),
        because="Staging, the smoke test, a person's approval and production are the pipeline's.",
    ),
    Statement(
        sid="NeverApprove",
        actions=("sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"),
        resources=("*",),
        because="Who merges code does not approve models by it, whatever else CI is given.",
        deny=True,
    ),
)
