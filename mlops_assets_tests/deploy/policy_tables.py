"""What the rules about templates excuse, and what they demand by name.

Here: tables, each entry with its reason. Not here: the rules (policy).
"""

from __future__ import annotations

# Actions that no narrower resource can be given for, and why.
ON_ANY_RESOURCE = {
    "application-autoscaling:DescribeScalableTargets": "describes have no resource level",
    "cloudwatch:GetMetricData": "metrics have no ARN",
    "cloudwatch:PutMetricData": "metrics have no ARN; bound by namespace",
    "ec2:DescribeDhcpOptions": "EC2 describes have no resource level",
    "ec2:DescribeNetworkInterfaces": "EC2 describes have no resource level",
    "ec2:DescribeSecurityGroups": "EC2 describes have no resource level",
    "ec2:DescribeSubnets": "EC2 describes have no resource level",
    "ec2:DescribeVpcs": "EC2 describes have no resource level",
    "ecr:GetAuthorizationToken": "a login is to the whole registry",
    "ecs:DeregisterTaskDefinition": "ECS gives it no resource level",
    "ecs:DescribeTaskDefinition": "ECS gives it no resource level",
    "kms:ListAliases": "a list of the account's aliases",
    "lakeformation:AddLFTagsToResource": "Lake Formation gives it no resource level",
    "lakeformation:GetDataAccess": "Lake Formation gives it no resource level",
    "lakeformation:GetResourceLFTags": "Lake Formation gives it no resource level",
    "redshift-data:CancelStatement": "statements have no ARN; bound by their owner",
    "redshift-data:DescribeStatement": "statements have no ARN; bound by their owner",
    "redshift-data:GetStatementResult": "statements have no ARN; bound by their owner",
    "redshift-data:ListStatements": "statements have no ARN; bound by their owner",
    "sagemaker:ListApps": "SageMaker lists have no resource level",
    "sagemaker:ListDomains": "SageMaker lists have no resource level",
    "sagemaker:ListSpaces": "SageMaker lists have no resource level",
    "sagemaker:ListUserProfiles": "SageMaker lists have no resource level",
    "sagemaker:ListEndpointConfigs": "SageMaker lists have no resource level",
    "sagemaker:ListEndpoints": "SageMaker lists have no resource level",
    "sagemaker:ListFeatureGroups": "SageMaker lists have no resource level",
    "sagemaker:ListHyperParameterTuningJobs": "SageMaker lists have no resource level",
    "sagemaker:ListModelPackageGroups": "SageMaker lists have no resource level",
    "sagemaker:ListModelPackages": "SageMaker lists have no resource level",
    "sagemaker:ListModels": "SageMaker lists have no resource level",
    "sagemaker:ListProcessingJobs": "SageMaker lists have no resource level",
    "sagemaker:ListTrainingJobs": "SageMaker lists have no resource level",
    "sagemaker:ListTransformJobs": "SageMaker lists have no resource level",
}

# The policy of people who approve models.
APPROVERS = "ApproverPolicy"

# A principal that may do the first must be denied it while the second is absent from the request.
NEEDED_IN_REQUESTS = [
    ("sagemaker:CreateTrainingJob", "sagemaker:VpcSubnets"),
    ("sagemaker:CreateTrainingJob", "sagemaker:VolumeKmsKey"),
    ("sagemaker:CreateTrainingJob", "sagemaker:OutputKmsKey"),
    ("sagemaker:CreateModel", "sagemaker:VpcSubnets"),
    ("sagemaker:CreateEndpointConfig", "sagemaker:VolumeKmsKey"),
    ("sagemaker:CreateTransformJob", "sagemaker:VolumeKmsKey"),
    ("sagemaker:CreateTransformJob", "sagemaker:OutputKmsKey"),
    ("sagemaker:CreateFeatureGroup", "sagemaker:FeatureGroupOnlineStoreKmsKey"),
]

# Who may do the first must be denied it unless the request says that the second is so.
TRUE_IN_REQUESTS = [
    ("sagemaker:CreateTrainingJob", "sagemaker:NetworkIsolation"),
    ("sagemaker:CreateTrainingJob", "sagemaker:InterContainerTrafficEncryption"),
]

# Actions that are allowed only with a condition on this key: their resource says too little.
BOUND_BY = {
    "application-autoscaling:DeregisterScalableTarget": "application-autoscaling:service-namespace",
    "application-autoscaling:PutScalingPolicy": "application-autoscaling:service-namespace",
    "application-autoscaling:RegisterScalableTarget": "application-autoscaling:service-namespace",
    "cloudwatch:PutMetricData": "cloudwatch:namespace",
    "iam:CreateServiceLinkedRole": "iam:AWSServiceName",
    "kms:CreateGrant": "kms:GrantIsForAWSResource",
    "kms:ReEncryptFrom": "kms:ViaService",
    "kms:ReEncryptTo": "kms:ViaService",
    "kms:Sign": "kms:SigningAlgorithm",
    "redshift-data:CancelStatement": "redshift-data:statement-owner-iam-userid",
    "redshift-data:GetStatementResult": "redshift-data:statement-owner-iam-userid",
}

# Docker in CodeBuild wants the host's rights; this one pushes images, and its role does no more.
PRIVILEGED_BUILDS = {"Images"}
