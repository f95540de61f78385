"""Lake Formation's tag on the personal columns of a pipeline's tables.

Here: finding untagged ones, and tagging them. Not here: the tag, the databases and who is granted
what by it (deploy/cloudformation/catalog.yaml): tables inherit ``mlops_<pipeline>=rows`` from their
database, and a column says ``personal`` for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops_assets.resources.sagemaker.errors import patiently

PERSONAL = "personal"


class NotTagged(RuntimeError):
    """Lake Formation did not take a tag; the message has its reason."""


@dataclass(frozen=True)
class ColumnTags:
    """The tags in one catalog.

    Args:
        catalog: pyiceberg's properties of the lake.
    """

    catalog: Mapping[str, str]
    region: str = "us-east-1"

    def mark(self, pipeline: str, personal: Collection[str]) -> list[str]:
        """Tag the personal columns of a pipeline's tables that are not tagged yet.

        Returns:
            What was tagged, as ``table.column``; nothing where all was.

        Raises:
            NotTagged: the tag does not exist, or may not be given.
        """
        from pyiceberg.exceptions import NoSuchNamespaceError

        from mlops_assets.resources.lake.catalog import open_catalog

        opened = open_catalog(self.catalog)
        try:
            names = opened.list_tables(pipeline)
        except NoSuchNamespaceError:
            return []
        marked = []
        for name in sorted(names):
            known = [field.name for field in opened.load_table(name).schema().fields]
            columns = [column for column in known if column in personal]
            if columns and (missing := self._untagged(pipeline, name[-1], columns)):
                self._tag(pipeline, name[-1], missing)
                marked += [f"{name[-1]}.{column}" for column in missing]
        return marked

    def _untagged(self, pipeline: str, table: str, columns: list[str]) -> list[str]:
        found = patiently(
            lambda: self._client.get_resource_lf_tags(
                Resource=_resource(pipeline, table, columns), ShowAssignedLFTags=True
            )
        )
        tagged = {
            column["Name"]
            for column in found.get("LFTagsOnColumns", [])
            for tag in column["LFTags"]
            if tag["TagKey"] == _key(pipeline) and tag["TagValues"] == [PERSONAL]
        }
        return [column for column in columns if column not in tagged]

    def _tag(self, pipeline: str, table: str, columns: list[str]) -> None:
        answer = patiently(
            lambda: self._client.add_lf_tags_to_resource(
                Resource=_resource(pipeline, table, columns),
                LFTags=[{"TagKey": _key(pipeline), "TagValues": [PERSONAL]}],
            )
        )
        if failures := answer.get("Failures"):
            reason = failures[0].get("Error", {}).get("ErrorMessage", "no reason was given")
            raise NotTagged(
                f"columns {', '.join(columns)} of {pipeline}.{table} are not tagged as personal: "
                f"{reason} Deploy the catalog stack of {pipeline}, or grant its tag to Dagster's "
                "role"
            )

    @cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.client("lakeformation", region_name=self.region)


def _key(pipeline: str) -> str:
    return f"mlops_{pipeline}"


def _resource(pipeline: str, table: str, columns: list[str]) -> dict[str, Any]:
    return {"TableWithColumns": {"DatabaseName": pipeline, "Name": table, "ColumnNames": columns}}
