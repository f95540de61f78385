"""Columns carry Lake Formation's tag, whichever station wrote them, and are not read before.

Glue, S3 and Lake Formation are moto's over HTTP: it keeps tags, and governs nothing by them.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

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
from mlops_assets_tests.deploy.template import FOLDER, parse

BUCKET = "governed"
ROWS = pd.DataFrame({"parcel": ["a"], "name": ["Ada"], "weight": [1.0]})
CATALOG = parse(FOLDER / "catalog.yaml")["Resources"]
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
        TagKey=f"mlops_{pipeline}", TagValues=CATALOG["Tag"]["Properties"]["TagValues"]
    )


def tagged(pipeline: str, table: str, *columns: str) -> dict[str, str]:
    """{column: the value that it has itself}."""
    found = boto3.client("lakeformation").get_resource_lf_tags(
        Resource={"TableWithColumns": {"DatabaseName": pipeline, "Name": table,
                                       "ColumnNames": [*ROWS.columns, *columns]}}
    )  # fmt: skip
    return {
        c["Name"]: value
        for c in found.get("LFTagsOnColumns", [])
        for value in c["LFTags"][0]["TagValues"]
    }


def read_by(grant: str, pipeline: str, table: str, *columns: str) -> set[str]:
    """The columns that a grant of the catalog stack lets its principal select.

    By Lake Formation's rule (its developer guide, "Lake Formation tag-based access control"), which
    moto does not know: a column has the tag of its own, else what it inherits from its database.
    """
    (given,) = CATALOG["TagOfTheDatabase"]["Properties"]["LFTags"]
    (inherited,) = given["TagValues"]
    policy = CATALOG[grant]["Properties"]["Resource"]["LFTagPolicy"]
    assert policy["ResourceType"] == "TABLE"
    (expression,) = policy["Expression"]
    assert expression["TagKey"] == given["TagKey"]
    own = tagged(pipeline, table, *columns)
    return {
        name
        for name in (*ROWS.columns, *columns)
        if own.get(name, inherited) in expression["TagValues"]
    }


@pytest.mark.integration
def test_columns_are_tagged_once(tags: ColumnTags) -> None:
    """A personal one that is tagged as rows is read by everybody who may read rows."""
    assert tags.mark("people", ["name"]) == [], "nothing was written yet"
    make_tag("people")
    lake = Lake.open(tags.catalog)
    lake.write("people.clean", "all", ROWS)
    lake.write("others.clean", "all", ROWS)
    assert tagged("people", "clean") == {}, "negative control"
    assert tags.mark("people", ["name", "parcel"]) == ["clean.parcel", "clean.name", "clean"]
    assert tagged("people", "clean") == {
        "name": "personal", "parcel": "personal", "weight": "rows"
    }  # fmt: skip
    assert tagged("others", "clean") == {}
    assert tags.mark("people", ["name", "parcel"]) == []
    lake.write("people.features", "all", ROWS)
    assert tags.mark("people", ["name"]) == [
        "clean",  # parcel is personal no more
        "features.name",
        "features",
    ], "a table that came later"
    assert tagged("people", "clean")["parcel"] == "rows"


@pytest.mark.integration
def test_nobody_reads_a_column_before_it_was_looked_at(tags: ColumnTags) -> None:
    """Between a commit and the sensor's next look, a new personal column was open for a minute."""
    make_tag("early")
    lake = Lake.open(tags.catalog)
    lake.write("early.clean", "all", ROWS)
    assert read_by("AnalystsReadRows", "early", "clean") == set(), "a new table"
    assert read_by("DagsterOwnsTheTables", "early", "clean") == {*ROWS.columns}
    tags.mark("early", ["name", "phone"])
    seen = {"parcel", "weight"}
    assert read_by("AnalystsReadRows", "early", "clean") == seen
    lake.write("early.clean", "all", ROWS.assign(phone="1", size=2.0))
    new = "phone", "size"
    assert read_by("AnalystsReadRows", "early", "clean", *new) == seen, "new columns"
    assert tags.mark("early", ["name", "phone"]) == ["clean.phone", "clean"]
    assert read_by("AnalystsReadRows", "early", "clean", *new) == {*seen, "size"}
    assert read_by("DagsterOwnsTheTables", "early", "clean", *new) == {*ROWS.columns, *new}


def test_nobody_but_dagster_is_granted_what_is_not_classified() -> None:
    """One more grant in the catalog stack, and the default is no safe one any more."""
    granted = {
        name: value
        for name, each in CATALOG.items()
        if each["Type"] == "AWS::LakeFormation::PrincipalPermissions"
        for tag in each["Properties"]["Resource"].get("LFTagPolicy", {}).get("Expression", [])
        for value in tag["TagValues"]
        # That a table is there, and what its columns are called, is no row of it.
        if value == "unclassified" and each["Properties"]["Permissions"] != ["DESCRIBE"]
    }
    assert set(granted) == {"DagsterOwnsTheTables"}
    owner = CATALOG["DagsterOwnsTheTables"]["Properties"]["Principal"]
    assert owner == {"DataLakePrincipalIdentifier": {"Ref": "DagsterRoleArn"}}


@pytest.mark.integration
def test_a_tag_that_is_not_there_is_one_clear_error(tags: ColumnTags) -> None:
    """Taken for done, the column would stay open."""
    Lake.open(tags.catalog).write("untagged.clean", "all", ROWS)
    with pytest.raises(NotTagged, match=r"columns name of untagged\.clean are not tagged as p"):
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
    assert said == ["clean.parcel, clean", "All columns are tagged."]


def test_it_is_there_only_where_it_is_wanted(tmp_path: Path) -> None:
    """Where nothing is personal, too: without it nobody would ever read that pipeline's tables."""
    for wanted, pipeline in ((False, PIPELINE), (True, PIPELINE), (True, deliveries.declare())):
        defs = build_defs(Settings.load(home=tmp_path, lake_formation=wanted), pipelines=[pipeline])
        names = [sensor.name for sensor in defs.sensors or []]
        assert ("deliveries_personal" in names) is wanted
