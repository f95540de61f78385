"""Personal columns carry Lake Formation's tag, whichever station wrote them, and no others do.

Glue, S3 and Lake Formation are moto's over HTTP: it keeps tags, and governs nothing by them.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pandas as pd
import pytest

from mlops_assets.definitions import build_defs
from mlops_assets.resources.governance.column_tags import ColumnTags, NotTagged
from mlops_assets.resources.lake.core import Lake
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.aws_server import aws_server, environment, glue_catalog

BUCKET = "governed"
ROWS = pd.DataFrame({"parcel": ["a"], "name": ["Ada"], "weight": [1.0]})
PIPELINE = dataclasses.replace(deliveries.declare(), personal=("parcel",))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with aws_server() as started:
        yield started


@pytest.fixture
def tags(url: str, monkeypatch: pytest.MonkeyPatch) -> ColumnTags:
    for name, value in environment(url).items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    return ColumnTags(glue_catalog(url, BUCKET))


def make_tag(pipeline: str) -> None:
    """As the catalog stack of a pipeline does it."""
    boto3.client("lakeformation").create_lf_tag(
        TagKey=f"mlops_{pipeline}", TagValues=["rows", "personal"]
    )


def tagged(pipeline: str, table: str) -> dict[str, Any]:
    found = boto3.client("lakeformation").get_resource_lf_tags(
        Resource={"TableWithColumns": {"DatabaseName": pipeline, "Name": table,
                                       "ColumnNames": list(ROWS.columns)}}
    )  # fmt: skip
    return {c["Name"]: c["LFTags"][0]["TagValues"] for c in found.get("LFTagsOnColumns", [])}


@pytest.mark.integration
def test_personal_columns_are_tagged_once_and_no_others(tags: ColumnTags) -> None:
    """An untagged one is read by everybody who may read rows."""
    assert tags.mark("people", ["name"]) == [], "nothing was written yet"
    make_tag("people")
    lake = Lake.open(tags.catalog)
    lake.write("people.clean", "all", ROWS)
    lake.write("others.clean", "all", ROWS)
    assert tagged("people", "clean") == {}, "negative control"
    assert tags.mark("people", ["name", "parcel"]) == ["clean.parcel", "clean.name"]
    assert tagged("people", "clean") == {"name": ["personal"], "parcel": ["personal"]}
    assert tagged("others", "clean") == {}
    assert tags.mark("people", ["name", "parcel"]) == []
    lake.write("people.features", "all", ROWS)
    assert tags.mark("people", ["name"]) == ["features.name"], "a table that came later"


@pytest.mark.integration
def test_a_tag_that_is_not_there_is_one_clear_error(tags: ColumnTags) -> None:
    """Taken for done, the column would stay open."""
    Lake.open(tags.catalog).write("untagged.clean", "all", ROWS)
    with pytest.raises(NotTagged, match=r"columns name of untagged\.clean are not tagged"):
        tags.mark("untagged", ["name"])


@pytest.mark.integration
def test_the_sensor_says_what_it_tagged(tags: ColumnTags, tmp_path: Path) -> None:
    make_tag("deliveries")
    Lake.open(tags.catalog).write("deliveries.clean", "all", ROWS)
    defs = build_defs(Settings.load(home=tmp_path, lake_formation=True), pipelines=[PIPELINE])
    sensor = defs.resolve_sensor_def("deliveries_personal")
    said = []
    for _ in range(2):
        with dg.build_sensor_context(
            dg.DagsterInstance.ephemeral(), definitions=defs, resources={"column_tags": tags}
        ) as context:
            said.append(sensor.evaluate_tick(context).skip_message)
    assert said == ["clean.parcel", "All personal columns are tagged."]


def test_it_is_there_only_where_it_is_wanted(tmp_path: Path) -> None:
    for wanted, pipeline in ((False, PIPELINE), (True, deliveries.declare())):
        defs = build_defs(Settings.load(home=tmp_path, lake_formation=wanted), pipelines=[pipeline])
        assert "deliveries_personal" not in [sensor.name for sensor in defs.sensors or []]
