"""The model registry: groups, numbered packages, approval.

Belongs here: the operations on model package groups and model packages. Does not belong here: what
a package's lineage means (the platform's registry), running a package (models.py, hosting.py).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import ApiError, invalid, unsupported
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store

GROUP, PACKAGE = "model-package-group", "model-package"
_SORTS = {"CreationTime": "CreationTime", "Name": "Name"}
_MAX_METADATA = 50
_PLAIN = ("ModelApprovalStatus", "ApprovalDescription", "ModelLifeCycle", "SourceUri")


def model_data_url(container: Document) -> str | None:
    """The s3:// URI of the container's model.tar.gz, if it has one.

    Raises ValidationException for a model that is not one compressed archive.
    """
    url = container.get("ModelDataUrl")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is not None:
        if source["CompressionType"] != "Gzip" or source["S3DataType"] != "S3Object":
            raise unsupported("uncompressed model data", "use CompressionType Gzip, S3Object")
        url = source["S3Uri"]
    return None if url is None else s3_uri("ModelDataUrl", url)


async def must_exist(objects: Objects, url: str | None) -> None:
    """ValidationException unless the model's archive is there (None: the image needs none)."""
    if url is not None and not await asyncio.to_thread(objects.exists, url):
        raise invalid(f"Could not find model data at {url}.")


class ModelPackages:
    """Versions count up in a group and are not used again, even after the last was deleted."""

    def __init__(self, config: Config, store: Store, objects: Objects) -> None:
        self._config = config
        self._store = store
        self._objects = objects

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateModelPackageGroup": self.create_group,
            "DescribeModelPackageGroup": lambda request: self._group(
                request["ModelPackageGroupName"]
            ),
            "ListModelPackageGroups": self.list_groups,
            "DeleteModelPackageGroup": self.delete_group,
            "CreateModelPackage": self.create,
            "DescribeModelPackage": lambda request: self._package(request["ModelPackageName"]),
            "ListModelPackages": self.list_packages,
            "UpdateModelPackage": self.update,
            "DeleteModelPackage": self.delete,
        }

    def deployable(self, name: str) -> Document:
        """The container of a package; ValidationException unless it is approved."""
        package = self._package(name)
        status = package.get("ModelApprovalStatus", "Approved")
        if status != "Approved":
            raise invalid(f"Model package {package['Arn']} is {status}, not Approved")
        container: Document = package["InferenceSpecification"]["Containers"][0]
        return container

    def create_group(self, request: Document) -> Document:
        name = request["ModelPackageGroupName"]
        arn, now = self._config.arn(GROUP, name), time.time()
        if self._store.get(GROUP, name) is not None:
            raise invalid(f"Model Package Group already exists: {arn}")
        given_tags = tags.from_request(request)
        document = {
            "Arn": arn,
            "Name": name,
            "ModelPackageGroupName": name,
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupDescription": request.get("ModelPackageGroupDescription"),
            "ModelPackageGroupStatus": "Completed",
            "CreationTime": now,
            "LastModifiedTime": now,
            "CreatedBy": {},
            "LastVersion": 0,
        }
        with self._store.transaction():
            self._store.put(GROUP, name, document)
            self._store.set_tags(arn, given_tags)
        return {"ModelPackageGroupArn": arn}

    def list_groups(self, request: Document) -> Document:
        found = listing.page(request, self._store.all(GROUP), name="Name", sorts=_SORTS)
        return listing.summaries("ModelPackageGroupSummaryList", found)

    def delete_group(self, request: Document) -> Document:
        group = self._group(request["ModelPackageGroupName"])
        if any(self._versions(group["Name"])):
            raise ApiError(
                "ConflictException",
                f"Model Package Group {group['Name']} cannot be deleted because it still contains "
                "Model Packages",
            )
        self._remove(GROUP, group["Name"], group["Arn"])
        return {}

    async def create(self, request: Document) -> Document:
        """ClientToken makes a repeated request return the first one's package."""
        if ("ModelPackageName" in request) == ("ModelPackageGroupName" in request):
            raise invalid("Give either ModelPackageName or ModelPackageGroupName, not both")
        if "InferenceSpecification" not in request:
            raise unsupported("a model package without InferenceSpecification", "give one")
        containers = request["InferenceSpecification"]["Containers"]
        if len(containers) != 1:
            raise unsupported(f"a model package of {len(containers)} containers", "give one")
        await must_exist(self._objects, model_data_url(containers[0]))
        token = request.get("ClientToken")
        if token is not None and (known := self._by_token(token)) is not None:
            return {"ModelPackageArn": known["Arn"]}
        given_tags, now = tags.from_request(request), time.time()
        document = {name: value for name, value in request.items() if name != "Tags"} | {
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        with self._store.transaction():
            name = self._number(request, document)
            arn = self._config.arn(PACKAGE, name)
            document |= {"Arn": arn, "ModelPackageArn": arn}
            self._store.put(PACKAGE, name, document)
            self._store.set_tags(arn, given_tags)
        return {"ModelPackageArn": arn}

    def list_packages(self, request: Document) -> Document:
        if group := request.get("ModelPackageGroupName"):
            documents = self._versions(self._group(group)["Name"])
        else:
            kind = request.get("ModelPackageType", "Unversioned")
            documents = [
                document
                for document in self._store.all(PACKAGE)
                if kind == "Both" or ("ModelPackageVersion" in document) == (kind == "Versioned")
            ]
        found = listing.page(
            request,
            documents,
            name="Name",
            sorts=_SORTS,
            equal={"ModelApprovalStatus": "ModelApprovalStatus"},
        )
        return listing.summaries("ModelPackageSummaryList", found)

    def update(self, request: Document) -> Document:
        package = self._package(request["ModelPackageArn"])
        changes: dict[str, Any] = {name: request[name] for name in _PLAIN if name in request}
        refused = set(request) - {*_PLAIN, "ModelPackageArn", "ClientToken"}
        refused -= {"CustomerMetadataProperties", "CustomerMetadataPropertiesToRemove"}
        if refused:
            raise unsupported(f"updating {', '.join(sorted(refused))}", "create a new version")
        metadata = package.get("CustomerMetadataProperties", {})
        metadata |= request.get("CustomerMetadataProperties", {})
        for key in request.get("CustomerMetadataPropertiesToRemove", []):
            metadata.pop(key, None)
        if len(metadata) > _MAX_METADATA:
            raise invalid(f"a model package can have {_MAX_METADATA} CustomerMetadataProperties")
        with self._store.transaction():
            name = self._store_name(package)
            self._store.update(PACKAGE, name, CustomerMetadataProperties=metadata, **changes)
        return {"ModelPackageArn": package["Arn"]}

    def delete(self, request: Document) -> Document:
        package = self._package(request["ModelPackageName"])
        self._remove(PACKAGE, self._store_name(package), package["Arn"])
        return {}

    def _number(self, request: Document, document: Document) -> str:
        """Give the new package its name, and in a group its version; returns the store's name."""
        if "ModelPackageName" in request:
            name = request["ModelPackageName"]
            if self._store.get(PACKAGE, name) is not None:
                raise invalid(f"Model Package already exists: {self._config.arn(PACKAGE, name)}")
            document |= {"Name": name}
            return str(name)
        group = self._group(request["ModelPackageGroupName"])
        version = group["LastVersion"] + 1
        self._store.update(GROUP, group["Name"], LastVersion=version)
        document |= {
            "Name": group["Name"],
            "ModelPackageName": f"{group['Name']}/{version}",
            "ModelPackageGroupName": group["Name"],
            "ModelPackageVersion": version,
        }
        document.setdefault("ModelApprovalStatus", "PendingManualApproval")
        return f"{group['Name']}/{version}"

    def _group(self, name: str) -> Document:
        """By name or ARN."""
        document = self._store.get(GROUP, name.rpartition(f":{GROUP}/")[2])
        if document is None:
            raise invalid(f"Model Package Group {name} does not exist.")
        return document

    def _package(self, name: str) -> Document:
        """By name (unversioned) or ARN."""
        document = self._store.get(PACKAGE, name.rpartition(f":{PACKAGE}/")[2])
        if document is None:
            raise invalid(f"ModelPackage {name} does not exist.")
        return document

    def _versions(self, group: str) -> list[Document]:
        documents = self._store.all(PACKAGE)
        return [found for found in documents if found.get("ModelPackageGroupName") == group]

    def _by_token(self, token: str) -> Document | None:
        documents = self._store.all(PACKAGE)
        return next((found for found in documents if found.get("ClientToken") == token), None)

    @staticmethod
    def _store_name(package: Document) -> str:
        return str(package["Arn"]).rpartition(f":{PACKAGE}/")[2]

    def _remove(self, kind: str, name: str, arn: str) -> None:
        with self._store.transaction():
            self._store.delete(kind, name)
            self._store.set_tags(arn, {})
