"""Model packages: versions, approval, lineage, and the deployment of what was approved."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from mlops_assets_tests.sagemaker_local.api import ROLE, LocalApi

pytestmark = pytest.mark.integration


@pytest.fixture
def group(api: LocalApi, request: pytest.FixtureRequest) -> str:
    """A group of the test's own."""
    name = request.node.name.replace("_", "-")[:60].strip("-")
    api.sm.create_model_package_group(ModelPackageGroupName=name)
    return name


def register(api: LocalApi, group: str, **more) -> str:
    uri = api.archive("s3://models/package.tar.gz", {"model.txt": "packaged"})
    specification = {
        "Containers": [
            {"Image": "any/plain:1", "ModelDataUrl": uri, "Environment": {"FROM": "package"}}
        ],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    return api.sm.create_model_package(
        ModelPackageGroupName=group, InferenceSpecification=specification, **more
    )["ModelPackageArn"]


def test_versions_count_up_and_are_not_used_again(api: LocalApi, group):
    """A number given twice makes two models answer to one name in the history."""
    first, second = register(api, group), register(api, group)
    assert first.endswith(f":model-package/{group}/1")
    assert second.endswith(f":model-package/{group}/2")
    api.sm.delete_model_package(ModelPackageName=second)
    assert register(api, group).endswith("/3")


def test_a_package_keeps_its_lineage(api: LocalApi, group):
    """`mlops reproduce` has nothing but this to go by."""
    arn = register(api, group, CustomerMetadataProperties={"snapshot": "42", "commit": "abc"})
    api.sm.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"auc": "0.8"},
        CustomerMetadataPropertiesToRemove=["commit"],
    )
    found = api.sm.describe_model_package(ModelPackageName=arn)
    assert found["CustomerMetadataProperties"] == {"snapshot": "42", "auc": "0.8"}
    assert found["ModelPackageVersion"] == 1
    assert found["ModelPackageStatus"] == "Completed"


def test_only_an_approved_package_is_deployed(api: LocalApi, group):
    """Approval that nothing asks for is no approval."""
    arn = register(api, group)
    found = api.sm.describe_model_package(ModelPackageName=arn)
    assert found["ModelApprovalStatus"] == "PendingManualApproval"
    model = {"ModelName": group, "ExecutionRoleArn": ROLE}
    model |= {"PrimaryContainer": {"ModelPackageName": arn}}
    with pytest.raises(ClientError, match="not Approved"):
        api.sm.create_model(**model)
    api.sm.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="looked at it"
    )
    api.sm.create_model(**model)
    variant = {"VariantName": "v", "ModelName": group, "InstanceType": "ml.m5.large"}
    api.sm.create_endpoint_config(
        EndpointConfigName=group, ProductionVariants=[variant | {"InitialInstanceCount": 1}]
    )
    assert api.deploy(group, group)["EndpointStatus"] == "InService"
    assert api.invoke(group) == "packaged:1"


def test_the_latest_approved_version_is_found(api: LocalApi, group):
    """The champion is the newest approved version, not the newest."""
    arns = [register(api, group, ModelApprovalStatus="Approved") for _ in range(2)]
    register(api, group, ModelApprovalStatus="Rejected")
    found = api.sm.list_model_packages(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
    )
    listed = [summary["ModelPackageArn"] for summary in found["ModelPackageSummaryList"]]
    assert listed == arns[::-1]


def test_a_repeated_client_token_registers_once(api: LocalApi, group):
    """Fault matrix 23: a retry after a lost response must not register a second version."""
    arns = {register(api, group, ClientToken="one-token") for _ in range(2)}
    assert len(arns) == 1


def test_a_group_that_holds_packages_is_not_deleted(api: LocalApi, group):
    arn = register(api, group)
    with pytest.raises(ClientError) as caught:
        api.sm.delete_model_package_group(ModelPackageGroupName=group)
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    api.sm.delete_model_package(ModelPackageName=arn)
    api.sm.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        register(api, group)


def test_a_package_of_a_missing_archive_is_refused(api: LocalApi, group):
    """Fault matrix 21: nothing is registered without its artifact."""
    container = {"Image": "any/plain:1", "ModelDataUrl": "s3://models/none.tar.gz"}
    with pytest.raises(ClientError, match="Could not find model data"):
        api.sm.create_model_package(
            ModelPackageGroupName=group,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )
    found = api.sm.list_model_packages(ModelPackageGroupName=group)
    assert found["ModelPackageSummaryList"] == []


def test_a_package_s_life_cycle_is_kept_listed_and_changed_with_its_approval(api: LocalApi, group):
    """Promotion lives in it: a list without it would need a request for every version."""
    stage = {"Stage": "candidate", "StageStatus": "term-0", "StageDescription": "waits"}
    arn = register(api, group, ModelLifeCycle=stage)
    assert api.sm.describe_model_package(ModelPackageName=arn)["ModelLifeCycle"] == stage
    before = api.sm.describe_model_package(ModelPackageName=arn)["LastModifiedTime"]
    moved = {**stage, "Stage": "champion", "StageStatus": "term-1"}
    api.sm.update_model_package(
        ModelPackageArn=arn,
        ModelLifeCycle=moved,
        ModelApprovalStatus="Approved",
        ApprovalDescription="looked at it",
    )
    found = api.sm.describe_model_package(ModelPackageName=f"{group}/1")
    assert (found["ModelLifeCycle"], found["ModelApprovalStatus"]) == (moved, "Approved")
    assert found["ApprovalDescription"] == "looked at it"
    assert found["LastModifiedTime"] > before
    (listed,) = api.sm.list_model_packages(
        ModelPackageGroupName=group, ModelApprovalStatus="Approved"
    )["ModelPackageSummaryList"]
    assert listed["ModelLifeCycle"] == moved


def test_a_stage_that_sagemaker_would_refuse_is_refused(api: LocalApi, group):
    """``rolled_back`` works nowhere but here, then: a stage is a name without underscores."""
    arn = register(api, group)
    for stage in (
        {"Stage": "rolled_back", "StageStatus": "x"},
        {"Stage": "candidate"},
    ):
        with pytest.raises((ClientError, ParamValidationError)):
            api.sm.update_model_package(ModelPackageArn=arn, ModelLifeCycle=stage)
