"""Endpoints and what belongs to them: what whoever runs Dagster may ask of SageMaker's hosting.

Here: endpoints, rollouts, alarms, autoscaling, transforms, features, and the denials that hold
models to network and keys. Not here: jobs and the registry (`jobs`), what a container may do.
"""

from __future__ import annotations

from mlops_assets.permissions.jobs import WITHOUT_VOLUME_KEY
from mlops_assets.permissions.lake import KEY, objects
from mlops_assets.permissions.statement import Statement, arn, sagemaker

_ENDPOINTS = sagemaker("endpoint/{slug}", "endpoint/{slug}-*")
_FEATURES = sagemaker("feature-group/{slug}")
_TARGETS = (arn("application-autoscaling", "scalable-target/*"),)
_VARIANTS = {
    "StringEquals": {
        "application-autoscaling:scalable-dimension": "sagemaker:variant:DesiredInstanceCount",
        "application-autoscaling:service-namespace": "sagemaker",
    }
}

SERVING = (
    Statement(
        sid="Endpoints",
        actions=(
            "sagemaker:AddTags",
            "sagemaker:CreateEndpoint",
            "sagemaker:CreateEndpointConfig",
            "sagemaker:DescribeEndpoint",
            "sagemaker:DescribeEndpointConfig",
            "sagemaker:InvokeEndpoint",
            "sagemaker:UpdateEndpoint",
        ),
        resources=(*_ENDPOINTS, *sagemaker("endpoint-config/{job}-*")),
        because="The live endpoint, its configurations, and the probes of a rollout.",
    ),
    Statement(
        sid="Models",
        actions=("sagemaker:AddTags", "sagemaker:CreateModel", "sagemaker:DescribeModel"),
        resources=sagemaker("model/{job}-*"),
        because="A package as a container that serves it.",
    ),
    Statement(
        sid="TakeEndpointsDown",
        actions=("sagemaker:DeleteEndpoint",),
        resources=_ENDPOINTS,
        because="Idle endpoints, and those of a load test.",
        needs="temporary_endpoints",
    ),
    Statement(
        sid="Transforms",
        actions=(
            "sagemaker:AddTags",
            "sagemaker:CreateTransformJob",
            "sagemaker:DescribeTransformJob",
            "sagemaker:ListTags",
            "sagemaker:StopTransformJob",
        ),
        resources=sagemaker("transform-job/{job}-*"),
        because="The declaration has batch: whole partitions are predicted.",
        needs="batch",
    ),
    Statement(
        sid="Alarms",
        actions=("cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"),
        resources=(arn("cloudwatch", "alarm:mlops-{job}-*"),),
        because="A rollout's alarms.",
    ),
    Statement(
        sid="FindAlarms",
        actions=("cloudwatch:DescribeAlarms",),
        resources=(arn("cloudwatch", "alarm:*"),),
        because="Alarms are found by a prefix, which is asked of all of them.",
    ),
    Statement(
        sid="ReadMetrics",
        actions=("cloudwatch:GetMetricData",),
        resources=("*",),
        because="How a challenger does; whether an endpoint is idle. Metrics have no ARN.",
    ),
    Statement(
        sid="ProbeMetrics",
        actions=("cloudwatch:PutMetricData",),
        resources=("*",),
        because="Probes of rollouts, figures of monitors. Metrics have no ARN: bound by namespace.",
        condition={"StringLike": {"cloudwatch:namespace": "mlops_assets/*"}},
    ),
    Statement(
        sid="Autoscaling",
        actions=(
            "application-autoscaling:PutScalingPolicy",
            "application-autoscaling:RegisterScalableTarget",
        ),
        resources=_TARGETS,
        because="Targets are named by AWS; what they are targets of binds.",
        needs="autoscaling",
        condition=_VARIANTS,
    ),
    Statement(
        sid="StopScaling",
        actions=("application-autoscaling:DeregisterScalableTarget",),
        resources=_TARGETS,
        because="What an earlier declaration scaled, and this one does not.",
        condition=_VARIANTS,
    ),
    Statement(
        sid="FindScalableTargets",
        actions=("application-autoscaling:DescribeScalableTargets",),
        resources=("*",),
        because="Before an update: whether the fleet is scaled. It has no resource level.",
    ),
    Statement(
        sid="ScaleVariants",
        actions=("sagemaker:UpdateEndpointWeightsAndCapacities",),
        resources=_ENDPOINTS,
        because="Asked of whoever registers a variant with Application Auto Scaling.",
        needs="autoscaling",
    ),
    Statement(
        sid="ScalingAlarms",
        actions=("cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"),
        resources=(arn("cloudwatch", "alarm:TargetTracking-endpoint/{slug}/*"),),
        because="The name that Application Auto Scaling gives its own alarms.",
        needs="autoscaling",
    ),
    Statement(
        sid="AutoscalingRole",
        actions=("iam:CreateServiceLinkedRole",),
        resources=(
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/"
            "sagemaker.application-autoscaling.amazonaws.com/"
            "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
        ),
        because="The account's first scalable endpoint makes it.",
        needs="autoscaling",
        condition={
            "StringEquals": {
                "iam:AWSServiceName": "sagemaker.application-autoscaling.amazonaws.com"
            }
        },
    ),
    Statement(
        sid="NothingOutsideTheNetwork",
        actions=("sagemaker:CreateModel",),
        resources=("*",),
        because="Isolation is not demanded here, for a model that reads online features calls the "
        "feature store: so the network is what holds it.",
        condition={"Null": {"sagemaker:VpcSubnets": "true"}},
        deny=True,
    ),
    Statement(
        sid="NoOtherSubnets",
        actions=("sagemaker:CreateModel",),
        resources=("*",),
        because="A model in somebody else's subnets.",
        condition={"ForAnyValue:StringNotEquals": {"sagemaker:VpcSubnets": "${SubnetIds}"}},
        deny=True,
    ),
    Statement(
        sid="NoVolumeWithoutKey",
        actions=("sagemaker:CreateEndpointConfig", "sagemaker:CreateTransformJob"),
        resources=("*",),
        because="But where the instance's own storage encrypts itself and takes no key.",
        condition=WITHOUT_VOLUME_KEY,
        deny=True,
    ),
    Statement(
        sid="NoOutputWithoutKey",
        actions=("sagemaker:CreateTransformJob",),
        resources=("*",),
        because="Predictions that no key of ours encrypts.",
        needs="batch",
        condition={"Null": {"sagemaker:OutputKmsKey": "true"}},
        deny=True,
    ),
)

FEATURES = (
    Statement(
        sid="Features",
        actions=(
            "sagemaker:AddTags",
            "sagemaker:BatchGetRecord",
            "sagemaker:BatchWriteRecord",
            "sagemaker:CreateFeatureGroup",
            "sagemaker:DeleteRecord",
            "sagemaker:DescribeFeatureGroup",
            "sagemaker:UpdateFeatureGroup",
        ),
        resources=_FEATURES,
        because="The declaration has online features.",
        needs="online",
    ),
    Statement(
        sid="FeaturesHistory",
        actions=("s3:GetObject",),
        resources=objects("feature-store/"),
        because="Features as they were are read from the offline copy (offline_features).",
        needs="online",
    ),
    Statement(
        sid="FeaturesKey",
        actions=(
            "kms:ListGrants",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
            "kms:RetireGrant",
            "kms:RevokeGrant",
        ),
        resources=(KEY,),
        because="CreateFeatureGroup asks it of its caller for the key of the online store.",
        needs="online",
        condition={
            "StringEquals": {"kms:ViaService": "sagemaker.${AWS::Region}.${AWS::URLSuffix}"}
        },
    ),
    Statement(
        sid="FeaturesKeyAliases",
        actions=("kms:ListAliases",),
        resources=("*",),
        because="CreateFeatureGroup asks it of its caller; a list of the account's aliases.",
        needs="online",
    ),
    Statement(
        sid="NoFeaturesWithoutKey",
        actions=("sagemaker:CreateFeatureGroup",),
        resources=("*",),
        because="Features that only a key of AWS encrypts.",
        needs="online",
        condition={"Null": {"sagemaker:FeatureGroupOnlineStoreKmsKey": "true"}},
        deny=True,
    ),
    Statement(
        sid="NoOfflineFeaturesWithoutKey",
        actions=("sagemaker:CreateFeatureGroup",),
        resources=("*",),
        because="The offline copy, where there is one.",
        needs="online",
        condition={
            "Null": {
                "sagemaker:FeatureGroupOfflineStoreConfig": "false",
                "sagemaker:FeatureGroupOfflineStoreKmsKey": "true",
            }
        },
        deny=True,
    ),
)
