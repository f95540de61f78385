"""What the iam stack is told, and what follows from that: its parameters and its conditions.

Here: the two tables, in CloudFormation's words. Not here: what is made by them (`stack`).
"""

from __future__ import annotations

from typing import Any

CONDITIONS: dict[str, Any] = {
    "Signs": {"Fn::Not": [{"Fn::Equals": [{"Ref": "SigningKeyArn"}, ""]}]},
    "Alerts": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlertTopicArn"}, ""]}]},
    "Listens": {"Fn::Not": [{"Fn::Equals": [{"Ref": "EventsQueueArn"}, ""]}]},
    "RunsSpark": {"Fn::Not": [{"Fn::Equals": [{"Ref": "EmrApplicationId"}, ""]}]},
    "Tells": {"Fn::Not": [{"Fn::Equals": [{"Ref": "TrackingServerArn"}, ""]}]},
    "OnlyPeopleApprove": {"Fn::Equals": [{"Ref": "Approval"}, "manual"]},
    "OnGitHub": {"Fn::Not": [{"Fn::Equals": [{"Ref": "GitHubRepository"}, ""]}]},
}


def _text(description: str, pattern: str, default: str | None = None) -> dict[str, Any]:
    found = {"Type": "String", "Description": description, "AllowedPattern": pattern}
    return found if default is None else {**found, "Default": default}


_REPOSITORY = "[a-z0-9]+([._/-][a-z0-9]+)*"
_KEY = "arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+"
PARAMETERS: dict[str, Any] = {
    "Bucket": _text("The lake's bucket", "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    # A key, not an alias: IAM does not look through aliases.
    "KmsKeyArn": _text("The key of the lake, of volumes and of outputs", _KEY),
    "OperationsKeyArn": _text("The key of secrets, queues, topics and logs", _KEY),
    "DatabaseSecretArn": _text(
        "User name and password of Dagster's database",
        "arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]+",
    ),
    "VpcId": {"Type": "AWS::EC2::VPC::Id", "Description": "The VPC of the subnets"},
    "SubnetIds": {
        "Type": "List<AWS::EC2::Subnet::Id>",
        "Description": "The private subnets that jobs and models are held to",
    },
    "ImageRepository": _text(
        "The ECR repository of the image that jobs and endpoints run",
        _REPOSITORY,
        "mlops-assets/sagemaker",
    ),
    "ControlPlaneRepository": _text(
        "The ECR repository of the image that runs Dagster", _REPOSITORY, "mlops-assets/dagster"
    ),
    "ClusterName": _text(
        "What the ECS cluster is called, and the run's task definition after it",
        "[a-z][a-z0-9-]{0,31}",
        "mlops",
    ),
    "SigningKeyArn": _text(
        "An ECC_NIST_P256 key of KMS that signs model packages; empty, none is signed by KMS",
        f"({_KEY})?",
        "",
    ),
    "AlertTopicArn": _text(
        "An SNS topic that alerts are sent to; empty, none",
        "(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?",
        "",
    ),
    "EventsQueueArn": _text(
        "The queue that EventBridge sends SageMaker's events to; empty, none",
        "(arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+)?",
        "",
    ),
    "TrackingServerArn": _text(
        "SageMaker's MLflow that experiments are told to; empty, none",
        "(arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:mlflow-[a-z]+(-[a-z]+)?/[A-Za-z0-9-]+)?",
        "",
    ),
    "EmrApplicationId": _text(
        "The application of EMR Serverless that Spark jobs run on; empty, none",
        "[0-9a-z]{0,64}",
        "",
    ),
    "Approval": {
        "Type": "String",
        "Description": "manual - no pipeline approves its own models, whatever it declares",
        "Default": "declared",
        "AllowedValues": ["declared", "manual"],
    },
    "GitHubRepository": _text(
        "owner/name of the repository whose workflows may push images; empty, none",
        "([A-Za-z0-9._-]+/[A-Za-z0-9._-]+)?",
        "",
    ),
    "GitHubEnvironment": _text(
        "The environment of GitHub whose jobs may; let only main deploy to it",
        "[A-Za-z0-9_-]+",
        "staging",
    ),
}
