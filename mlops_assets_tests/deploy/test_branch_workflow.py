"""`mlops env create` and `delete` with the credentials of a pull request's workflow, and no others.

In front of moto and of the local SageMaker API stands the tests' IAM, with the templates' policies.
What the role may, and may not: test_branch_role.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.aws.authority.grant import Place
from mlops_assets_tests.aws.authority.grants import grants
from mlops_assets_tests.aws.authority.operations import Request, operation
from mlops_assets_tests.aws.authority.proxy import Authority, Refused, in_front_of
from mlops_assets_tests.aws.authority.roles import roles
from mlops_assets_tests.aws.world import BUCKET, World, create_bucket, sagemaker_server
from mlops_assets_tests.aws_server import REGION, aws_server

pytestmark = pytest.mark.integration

ROLE = "BranchRole"
ACCOUNT = "000000000000"  # of moto and of the local SageMaker API alike


class _TagReading(Authority):
    """Knows the tags of what a request is about, as IAM does: it asks SageMaker for them."""

    def __init__(self, *given: Any, sagemaker: Any) -> None:
        super().__init__(*given)
        self._sagemaker = sagemaker

    def admit(self, request: Request) -> None:
        role, service = self.credentials.owner(request)
        for grant in grants(operation(request, service), request, self.place):
            context: Mapping[str, Any] = {**grant.context, **self._tags(grant.resource)}
            if not self.roles.allow(role, dataclasses.replace(grant, context=context)):
                self.refused.append(f"{grant.action} {grant.resource}")
                raise Refused("AccessDeniedException", f"{grant.action} on {grant.resource}")
        self.answered += 1

    def _tags(self, resource: str) -> dict[str, str]:
        if ":sagemaker:" not in resource or resource.endswith("*"):
            return {}
        # Versions of a package have their group's tags.
        of = resource.replace(":model-package/", ":model-package-group/")
        of = of.rpartition("/")[0] if of != resource else of
        try:
            found = self._sagemaker.list_tags(ResourceArn=of)["Tags"]
        except ClientError:
            return {}
        return {f"aws:ResourceTag/{tag['Key']}": tag["Value"] for tag in found}


@dataclass(frozen=True)
class Site:
    """``admin`` goes past the authority; ``variables`` are all that the workflow's job has."""

    admin: World
    authority: Authority
    variables: Mapping[str, str]

    def keys(self) -> set[str]:
        return set(self.admin.objects())

    def groups(self) -> set[str]:
        found = self.admin.client("sagemaker").list_model_package_groups()
        return {each["ModelPackageGroupName"] for each in found["ModelPackageGroupSummaryList"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("branch")
    (root / "user").mkdir()
    (root / "sagemaker").mkdir()
    with aws_server(ACCOUNT) as moto:
        admin = World(root, moto)
        key = admin.client("kms").create_key()["KeyMetadata"]["Arn"]
        create_bucket(admin.client("s3"), key)
        with sagemaker_server(admin) as sagemaker:
            admin = dataclasses.replace(admin, sagemaker=sagemaker)
            arns = {ROLE: f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"}
            place = Place(ACCOUNT, REGION, BUCKET, key, "arn:OperationsKey", "vpc-1", arns)
            held = roles(place, {"GitHubRepository": "ours/mlops", "SubnetIds": ["subnet-1"]})
            authority = _TagReading(held, place, sagemaker=admin.client("sagemaker"))
            with in_front_of(moto, authority) as door, in_front_of(sagemaker, authority) as other:
                keys = authority.credentials.issue(ROLE)
                job = World(root, door, sagemaker=other, identity={
                    "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                    "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                    "AWS_SESSION_TOKEN": keys["Token"],
                }, settings={
                    "MLOPS_BUCKET": BUCKET, "MLOPS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/jobs",
                    "MLOPS_IMAGE_URI": "i", "MLOPS_SUBNETS": "subnet-1",
                    "MLOPS_SECURITY_GROUPS": "sg-1", "MLOPS_KMS_KEY_ARN": key,
                })  # fmt: skip
                yield Site(admin, authority, job.environment)


@pytest.fixture
def job(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """This process has what the workflow's job has; boto3 would keep an earlier test's keys."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, value in site.variables.items():
        if name.startswith(("AWS_", "MLOPS_")):
            monkeypatch.setenv(name, value)
    return site


def _things(site: Site, environment: str) -> None:
    """A table, an object, an alarm and a model: of an environment, or (empty) of production."""
    import pandas as pd

    from mlops_assets.resources.lake.core import Lake
    from mlops_assets.settings import Settings

    prefix = f"{environment}_" if environment else ""
    settings = Settings.load(environment=environment)
    with pytest.MonkeyPatch.context() as admin:  # whoever runs Dagster has made them
        for name, value in dataclasses.replace(site.admin).environment.items():
            if name.startswith("AWS_"):
                admin.setenv(name, value)
        admin.delenv("AWS_SESSION_TOKEN")
        Lake.open(settings.lake_catalog).write(
            f"{prefix}flights.clean", "all", pd.DataFrame({"x": [1]})
        )
    slug = prefix.replace("_", "-")
    site.admin.client("s3").put_object(
        Bucket=BUCKET,
        Key=f"{settings.lake_bucket.removeprefix(BUCKET)}/records/x".lstrip("/"),
        Body=b"x",
    )
    tags = [{"Key": "mlops:environment", "Value": environment}] if environment else []
    site.admin.client("sagemaker").create_model_package_group(
        ModelPackageGroupName=f"{slug}flights", Tags=tags
    )


def test_an_environment_is_made_and_removed_by_the_role(job: Site) -> None:
    """A workflow whose role lacks one call, and that leaves environments behind, half removed."""
    from mlops_assets.cli import environments

    _things(job, "")
    environments.create("pr12")
    _things(job, "pr12")
    before = job.keys()
    assert any(key.startswith("environments/pr12/lake/") for key in before)
    environments.delete("pr12", yes=True)
    assert job.authority.refused == []
    assert {key for key in before if key.startswith("environments/pr12/")} == before - job.keys()
    assert job.groups() == {"flights"}
    databases = job.admin.client("glue").get_databases()["DatabaseList"]
    assert [each["Name"] for each in databases] == ["flights"]


def test_production_is_refused_to_the_role(job: Site) -> None:
    """The negative control of the test above: the same credentials, on what is not the branch's."""
    from mlops_assets.cli import environments

    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("s3", "delete_object", {"Bucket": BUCKET, "Key": "records/x"}),
        ("s3", "get_object", {"Bucket": BUCKET, "Key": "records/x"}),
        ("s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "records/"}),
        ("glue", "delete_table", {"DatabaseName": "flights", "Name": "clean"}),
        ("sagemaker", "delete_endpoint", {"EndpointName": "flights"}),
        ("sagemaker", "delete_model_package_group", {"ModelPackageGroupName": "flights"}),
        ("sagemaker", "update_model_package", {
            "ModelPackageArn": job.authority.place.arn("sagemaker", "model-package/pr12-flights/1"),
            "ModelApprovalStatus": "Approved"}),
    ]  # fmt: skip
    for service, method, given in calls:
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(boto3.client(service), method)(**given)
    with pytest.raises(ClientError, match="AccessDenied"):
        environments.create("ada")  # a person's environment is not a branch's
