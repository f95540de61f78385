"""Jobs and the registry: what whoever runs Dagster may ask of SageMaker's training side.

Here: trainings, packages, signatures, alerts, and the denials that hold every job to network and
keys. Not here: processing jobs (`processing`), endpoints (`serving`), what a job itself may do
(`container`).
"""

from __future__ import annotations

from mlops_assets.permissions.lake import KEY, objects
from mlops_assets.permissions.statement import Condition, Statement, arn, sagemaker

# Instances whose own storage encrypts itself and takes no key (`resources.sagemaker.requests`).
NVME = (
    "ml.c*d.*",
    "ml.g4dn.*",
    "ml.g5.*",
    "ml.g6.*",
    "ml.g6e.*",
    "ml.g7.*",
    "ml.g7e.*",
    "ml.m*d.*",
    "ml.p3dn.*",
    "ml.p4d.*",
    "ml.p4de.*",
    "ml.p5*",
    "ml.p6*",
    "ml.r*d.*",
    "ml.trn*",
)
WITHOUT_VOLUME_KEY: Condition = {
    "Null": {"sagemaker:VolumeKmsKey": "true"},
    "ForAnyValue:StringNotLike": {"sagemaker:InstanceTypes": NVME},
}
_PACKAGES = sagemaker("model-package/{slug}/*")
_REGISTRY = sagemaker("model-package/{slug}/*", "model-package-group/{slug}")
_TRAINING = ("sagemaker:CreateHyperParameterTuningJob", "sagemaker:CreateTrainingJob")
_CREATING = tuple(sorted((*_TRAINING, "sagemaker:CreateProcessingJob")))


def _denied(sid: str, because: str, **condition: dict[str, str | tuple[str, ...]]) -> Statement:
    tests = {operator.replace("_", ":"): keys for operator, keys in condition.items()}
    return Statement(
        sid=sid, actions=_CREATING, resources=("*",), because=because, condition=tests, deny=True
    )


JOBS = (
    Statement(
        sid="Trainings",
        actions=(
            "sagemaker:AddTags",
            "sagemaker:CreateTrainingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:ListTags",
            "sagemaker:StopTrainingJob",
        ),
        # What a search starts is named after the search.
        resources=sagemaker("training-job/{job}-*", "training-job/{short}-*"),
        because="Trainings, and their tags by which a retry knows its own.",
    ),
    Statement(
        sid="Searches",
        actions=(
            "sagemaker:AddTags",
            "sagemaker:CreateHyperParameterTuningJob",
            "sagemaker:DescribeHyperParameterTuningJob",
            "sagemaker:ListTags",
            "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
            "sagemaker:StopHyperParameterTuningJob",
        ),
        resources=sagemaker("hyper-parameter-tuning-job/{short}-*"),
        because="The declaration has tuning.",
        needs="tuning",
    ),
    Statement(
        sid="Registry",
        actions=(
            "sagemaker:AddTags",
            "sagemaker:CreateModelPackage",
            "sagemaker:CreateModelPackageGroup",
            "sagemaker:DescribeModelPackage",
            "sagemaker:DescribeModelPackageGroup",
        ),
        resources=_REGISTRY,
        because="Each trained model becomes a version in the pipeline's group.",
    ),
    Statement(
        sid="PromoteButNeverApprove",
        actions=("sagemaker:UpdateModelPackage",),
        resources=_PACKAGES,
        because="Promotion states, signatures, rejections; approvals are ApproverPolicy's.",
        condition={"StringNotEquals": {"sagemaker:ModelApprovalStatus": "Approved"}},
    ),
    Statement(
        sid="NoApprovalByDeclaration",
        actions=("sagemaker:CreateModelPackage",),
        resources=("*",),
        because="The stack says that only people approve, whatever a pipeline declares.",
        given="OnlyPeopleApprove",
        condition={"StringEquals": {"sagemaker:ModelApprovalStatus": "Approved"}},
        deny=True,
    ),
    Statement(
        sid="NoApprovalOfItsOwn",
        actions=("sagemaker:CreateModelPackage",),
        resources=_REGISTRY,
        because="The declaration says that a person approves.",
        needs="manual_approval",
        condition={"StringEquals": {"sagemaker:ModelApprovalStatus": "Approved"}},
        deny=True,
    ),
    Statement(
        sid="Signatures",
        actions=("kms:Sign", "kms:Verify"),
        resources=("${SigningKeyArn}",),
        because="Packages are signed when registered and checked when deployed.",
        given="Signs",
        condition={"StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256"}},
    ),
    Statement(
        sid="Find",
        actions=(
            "sagemaker:ListEndpoints",
            "sagemaker:ListModelPackageGroups",
            "sagemaker:ListModelPackages",
            "sagemaker:ListTrainingJobs",
        ),
        resources=("*",),
        because="SageMaker's lists have no resource level.",
    ),
    _denied(
        "NothingOutsideTheNetwork",
        "A job without subnets runs in a network of AWS's, out of our sight.",
        Null={"sagemaker:VpcSubnets": "true"},
    ),
    _denied(
        "NoOtherSubnets",
        "A job in somebody else's subnets.",
        ForAnyValue_StringNotEquals={"sagemaker:VpcSubnets": "${SubnetIds}"},
    ),
    Statement(
        sid="NoWayOutOfTheContainer",
        actions=_TRAINING,
        resources=("*",),
        because="Data leaves no container by the network.",
        condition={"BoolIfExists": {"sagemaker:NetworkIsolation": "false"}},
        deny=True,
    ),
    Statement(
        sid="NoVolumeWithoutKey",
        actions=_CREATING,
        resources=("*",),
        because="But where the instance's own storage encrypts itself and takes no key.",
        condition=WITHOUT_VOLUME_KEY,
        deny=True,
    ),
    _denied(
        "NoOutputWithoutKey",
        "A model that no key of ours encrypts.",
        Null={"sagemaker:OutputKmsKey": "true"},
    ),
    _denied(
        "NoPlainTrafficBetweenContainers",
        "Gradients and rows between hosts, readable on the way.",
        BoolIfExists={"sagemaker:InterContainerTrafficEncryption": "false"},
    ),
    Statement(
        sid="Alerts",
        actions=("sns:Publish",),
        resources=("${AlertTopicArn}",),
        because="What people are told by, beside the log.",
        given="Alerts",
    ),
    Statement(
        sid="Events",
        actions=("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"),
        resources=("${EventsQueueArn}",),
        because="What happens in SageMaker, as EventBridge sends it.",
        given="Listens",
    ),
    Statement(
        sid="Experiments",
        actions=(
            "sagemaker-mlflow:CreateExperiment",
            "sagemaker-mlflow:CreateRun",
            "sagemaker-mlflow:GetExperimentByName",
            "sagemaker-mlflow:GetRun",
            "sagemaker-mlflow:LogBatch",
            "sagemaker-mlflow:RestoreExperiment",
            "sagemaker-mlflow:SearchRuns",
            "sagemaker-mlflow:SetTag",
            "sagemaker-mlflow:UpdateRun",
        ),
        resources=("${TrackingServerArn}",),
        because="Every training is told to SageMaker's MLflow, by its plugin.",
        given="Tells",
    ),
    Statement(
        sid="ExperimentFiles",
        actions=("s3:PutObject",),
        resources=objects("mlflow/"),
        because="A run's files go to the server's own folder; MLflow's client writes them itself.",
        given="Tells",
    ),
    Statement(
        sid="OperationsKey",
        actions=("kms:Decrypt", "kms:GenerateDataKey"),
        resources=("${OperationsKeyArn}",),
        because="The queue and the topic are encrypted with it, and it is asked by them alone.",
        condition={
            "StringLike": {
                "kms:ViaService": (
                    "sns.${AWS::Region}.${AWS::URLSuffix}",
                    "sqs.${AWS::Region}.${AWS::URLSuffix}",
                )
            }
        },
    ),
    Statement(
        sid="PassTheExecutionRole",
        actions=("iam:PassRole",),
        resources=("${ExecutionRole.Arn}",),
        because="Jobs, models and feature groups run under it, and under no other.",
        condition={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    ),
    Statement(
        sid="VolumeKey",
        actions=("kms:CreateGrant",),
        resources=(KEY,),
        because="SageMaker's instances mount encrypted volumes by a grant of the caller.",
        condition={"Bool": {"kms:GrantIsForAWSResource": "true"}},
    ),
    Statement(
        sid="ReadJobLogs",
        actions=("logs:DescribeLogStreams", "logs:GetLogEvents"),
        resources=(arn("logs", "log-group:/aws/sagemaker/*"),),
        because="A job's log is shown while it runs.",
    ),
)
# What holds every job that is created, whichever policy allows it.
HELD = tuple(statement for statement in JOBS if statement.deny and statement.actions == _CREATING)
