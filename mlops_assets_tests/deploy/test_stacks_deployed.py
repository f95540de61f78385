"""The stacks that moto can make, deployed one after the other by stacks.py.

It knows no Fn::Cidr, no Aurora, no MLflow, no Cloud Map and no alarm, and passes over what it does
not know: so cfn-lint is the templates' first test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_assets.pipelines.digits import pipeline as digits
from mlops_assets_tests.deploy.test_given_values import MADE, stacks

pytestmark = pytest.mark.integration

HTTPS = "https://id.example.com"


@pytest.fixture(scope="module")
def account() -> Iterator[Any]:
    import boto3
    from moto import mock_aws

    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        account = stacks.Account(boto3.client("cloudformation"))
        # moto keeps what is conditioned away as null; so everything is given.
        given = {
            "kms": {"SignsPackages": "yes"},
            "lake": {},
            "ecr": {},
            "events": {"AlertEmail": "ada@example.com"},
            "iam": {
                "Approval": "manual",
                "DatabaseSecretArn": MADE["DatabaseSecretArn"],
                "GitHubRepository": "ours/mlops",
                "SubnetIds": "subnet-1,subnet-2",
                "TrackingServerArn": MADE["TrackingServerArn"],
                "VpcId": "vpc-1",
            },
            "catalog": {
                "AnalystRoleArn": "arn:aws:iam::123456789012:role/analysts",
                "OtherAccountId": "111122223333",
                "Pipeline": "digits",
                "Slug": "digits",
            },
            "ingress": _way_in(),
            "branches": {"GitHubRepository": "ours/mlops"},
            "release": {
                "GitHubRepository": "ours/mlops",
                "ReleaserRoleArn": "arn:aws:iam::111122223333:role/cicd",
            },
        }
        for name, values in given.items():
            assert account.deploy(stacks.named(name), f"mlops-{name}", values).endswith("created")
        yield account


def _way_in() -> dict[str, str]:
    """What ingress is told, and what has to be there before: a VPC, a certificate, two secrets."""
    import boto3

    vpc = boto3.client("ec2").describe_vpcs()["Vpcs"][0]
    subnets = [each["SubnetId"] for each in boto3.client("ec2").describe_subnets()["Subnets"][:2]]
    for who in ("readers", "writers"):
        boto3.client("secretsmanager").create_secret(
            Name=f"mlops/oidc/{who}", SecretString=f'{{"secret": "of {who}"}}'
        )
    certificate = boto3.client("acm").request_certificate(DomainName="dagster.example.com")
    return {
        "CertificateArn": certificate["CertificateArn"],
        "ClientCidr": "203.0.113.0/24",
        "HostName": "dagster.example.com",
        "OidcAuthorizationEndpoint": f"{HTTPS}/authorize",
        "OidcIssuer": HTTPS,
        "OidcTokenEndpoint": f"{HTTPS}/token",
        "OidcUserInfoEndpoint": f"{HTTPS}/userinfo",
        "PublicSubnetIds": ",".join(subnets),
        "ReadersClientId": "readers",
        "VpcCidr": vpc["CidrBlock"],
        "VpcId": vpc["VpcId"],
        "WritersClientId": "writers",
    }


@pytest.mark.filterwarnings("ignore:Tried to parse")
def test_references_between_stacks_resolve(account: Any) -> None:
    """A bucket under another key, or a role whose policies are about nothing."""
    import boto3

    outputs = {name: found["value"] for name, found in account.outputs().items()}
    encryption = boto3.client("s3").get_bucket_encryption(Bucket=outputs["Bucket"])
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == outputs["KmsKeyArn"]
    iam = boto3.client("iam")
    everything = ""
    for policy in iam.list_policies(Scope="Local", MaxItems=1000)["Policies"]:
        version = {"PolicyArn": policy["Arn"], "VersionId": policy["DefaultVersionId"]}
        everything += str(iam.get_policy_version(**version)["PolicyVersion"]["Document"])
    for used in ("Bucket", "KmsKeyArn", "RoleArn", "SigningKeyArn", "AlertTopicArn"):
        assert outputs[used] in everything, used
    assert "ecs:RunTask" in everything  # by a policy that is attached from its own side


def test_the_environment_is_ready_to_be_read(account: Any) -> None:
    """Exports that a shell splits, or whose names the settings do not know."""
    from mlops_assets.settings import Settings

    lines = account.environment()
    assert lines[0] == "export MLOPS_ENV=aws"
    names = [re.fullmatch(r"export (MLOPS_\w+)=\S+", line) for line in lines]
    assert all(names)
    known = {f"MLOPS_{name.upper()}" for name in Settings.model_fields}
    assert {match[1] for match in names if match} <= known
    assert any(line.startswith("export MLOPS_BUCKET=") for line in lines)


def test_a_stack_is_brought_up_to_date(account: Any) -> None:
    """A second deployment that fails, or that falls back to the defaults."""
    said = account.deploy(stacks.named("lake"), "mlops-lake", {"CaptureDays": "30"})
    assert said in ("mlops-lake: updated", "mlops-lake: as it should be")
    found = account.cloudformation.describe_stacks(StackName="mlops-lake")["Stacks"][0]
    assert {"CaptureDays": "30"}.items() <= {
        p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]
    }.items()


@pytest.mark.usefixtures("account")
def test_every_page_asks_who_comes() -> None:
    """A listener that leads to a webserver past the identity provider."""
    import boto3

    elb = boto3.client("elbv2")
    balancer = elb.describe_load_balancers(Names=["mlops"])["LoadBalancers"][0]["LoadBalancerArn"]
    found = {
        (listener["Protocol"], *(action["Type"] for action in rule["Actions"]))
        for listener in elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        for rule in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    }
    assert found == {
        ("HTTP", "redirect"),
        ("HTTPS", "authenticate-oidc", "forward"),
        ("HTTPS", "fixed-response"),
    }


@pytest.mark.usefixtures("account")
def test_the_branchs_role_is_attached_to_both_of_its_policies() -> None:
    """A role that believes GitHub, and may nothing: seen when the first pull request is opened."""
    import boto3

    iam = boto3.client("iam")
    (role,) = [r for r in iam.list_roles(MaxItems=1000)["Roles"] if "BranchRole" in r["RoleName"]]
    attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert len(attached) == 2
    condition = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]
    assert "repo:ours/mlops:pull_request" in condition.values()


@pytest.mark.usefixtures("account")
def test_the_endpoints_log_is_there_before_its_first_line() -> None:
    """A group that SageMaker makes: of a name that is not the endpoint's, or kept for ever."""
    import boto3

    prefix = "/aws/sagemaker/Endpoints/"
    groups = boto3.client("logs").describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    assert [(each["logGroupName"], each["retentionInDays"]) for each in groups] == [
        (f"{prefix}{digits.slug}", 365)
    ]


@pytest.mark.usefixtures("account")
def test_the_services_own_roles_are_made_once() -> None:
    """The first cluster of an account, which fails for want of a role that ECS makes too late."""
    import boto3

    iam = boto3.client("iam")
    assert [said.rpartition(" ")[2] for said in stacks.prepare(iam)] == ["created"] * 3
    names = {each["RoleName"] for each in iam.list_roles(MaxItems=1000)["Roles"]}
    assert "AWSServiceRoleForecs" in names  # as moto spells it


def test_roles_that_are_there_already_are_left() -> None:
    """An account that has a cluster: the second deployment of the platform in it."""
    from botocore.exceptions import ClientError

    class Taken:
        """IAM, as it answers in such an account (moto makes a second one)."""

        class exceptions:  # noqa: N801 - as boto3's clients have it
            InvalidInputException = ClientError

        def __init__(self, text: str) -> None:
            self._text = text

        def create_service_linked_role(self, **_: str) -> None:
            error = {"Code": "InvalidInput", "Message": self._text}
            raise ClientError({"Error": error}, "CreateServiceLinkedRole")

    taken = "Service role name AWSServiceRoleForECS has been taken in this account"
    assert {said.rpartition(": ")[2] for said in stacks.prepare(Taken(taken))} == {
        "as it should be"
    }
    with pytest.raises(ClientError, match="not a service"):
        list(stacks.prepare(Taken("ecs is not a service")))
