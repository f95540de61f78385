"""Lake Formation's tag on the columns of a pipeline's tables: personal, or read by who reads rows.

Here: finding columns that do not say yet, and tagging them. Not here: the tag, the databases and
who is granted what by it (deploy/cloudformation/catalog.yaml). A new table, and a new column of an
old one, inherits ``mlops_<pipeline>=unclassified`` from its database, by which nobody but Dagster's
role reads: so nobody reads a personal column before its tag is there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops_assets.resources.sagemaker.errors import patiently

PERSONAL, ROWS = "personal", "rows"


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
        """Tag the columns of a pipeline's tables that are not tagged so yet.

        Args:
            personal: the names of columns that who may read rows does not read.

        Returns:
            What was tagged as personal, as ``table.column``, and tables whose other columns may be
            read by now, as ``table``; nothing where all was.

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
            wanted = {column: PERSONAL if column in personal else ROWS for column in known}
            tagged = self._tagged(pipeline, name[-1], known)
            missing = [column for column in known if tagged.get(column) != wanted[column]]
            for value in (PERSONAL, ROWS):
                if columns := [column for column in missing if wanted[column] == value]:
                    self._tag(pipeline, name[-1], columns, value)
            hidden = [column for column in missing if wanted[column] == PERSONAL]
            marked += [f"{name[-1]}.{column}" for column in hidden]
            marked += [name[-1]] * (len(missing) > len(hidden))
        return marked

    def _tagged(self, pipeline: str, table: str, columns: list[str]) -> dict[str, str]:
        """{column: the value that it has itself}."""
        found = patiently(
            lambda: self._client.get_resource_lf_tags(
                Resource=_resource(pipeline, table, columns), ShowAssignedLFTags=True
            )
        )
        return {
            column["Name"]: tag["TagValues"][0]
            for column in found.get("LFTagsOnColumns", [])
            for tag in column["LFTags"]
            if tag["TagKey"] == _key(pipeline)
        }

    def _tag(self, pipeline: str, table: str, columns: list[str], value: str) -> None:
        answer = patiently(
            lambda: self._client.add_lf_tags_to_resource(
                Resource=_resource(pipeline, table, columns),
                LFTags=[{"TagKey": _key(pipeline), "TagValues": [value]}],
            )
        )
        if failures := answer.get("Failures"):
            reason = failures[0].get("Error", {}).get("ErrorMessage", "no reason was given")
            raise NotTagged(
                f"columns {', '.join(columns)} of {pipeline}.{table} are not tagged as {value}: "
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
