"""What becomes part of a path, a table or a request is of an allow-list (security demand 15)."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.declaration import DeclarationError
from mlops_assets.objects import open_objects
from mlops_assets.reading import Assets
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.lake.errors import LakeError
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker import names
from mlops_assets.settings import Settings, SettingsError
from mlops_assets_tests.diabetes import declare

HOSTILE = (
    "..",
    "../other",
    "a/../../b",
    "/etc/passwd",
    "a\x00b",
    "a\nb",
    "a\x1b[31m",
    "\u202eabc",
    "a'; drop table t; --",
    "$(id)",
    "`id`",
    "",
)
ROWS = pd.DataFrame({"a": [1.0]})
SAGEMAKER_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(Settings.load(home=tmp_path / "home").lake_catalog)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_partition_leaves_its_table(name: str, lake: Lake, tmp_path: Path) -> None:
    """A partition is a folder of its table; reading has nothing to find under such a name."""
    before = below(tmp_path)
    with pytest.raises(LakeError, match="use letters, digits, spaces"):
        lake.write("a.b", name, ROWS)
    assert below(tmp_path) == before
    lake.write("a.b", "2013-01", ROWS)
    with pytest.raises(LakeError, match="holds no partition"):
        lake.read("a.b", [name])


@pytest.mark.parametrize("name", HOSTILE)
def test_no_table_leaves_the_lake(name: str, lake: Lake) -> None:
    """Names of tables are read by Glue and Athena, too."""
    for table in (f"{name}.b", f"a.{name}", name):
        with pytest.raises(LakeError, match="of a-z, 0-9 and _"):
            lake.write(table, "2013-01", ROWS)
    with pytest.raises(LakeError):
        Assets(lake).read(name)


@pytest.mark.parametrize("name", [each for each in HOSTILE if set(each) & set("/.\x00\n\x1b")])
def test_no_record_leaves_the_bucket(name: str, tmp_path: Path) -> None:
    """Records are named by their partition: what climbs out is refused, and nothing is written."""
    objects = f"dir:{tmp_path / 'buckets'}"
    store = Store(bucket="lake", objects=objects)
    for parts in ((name, "s", "p"), ("pipe", name, "p"), ("pipe", "s", f"{name}/x")):
        with pytest.raises(ValueError, match=r"segment in its key|control character"):
            open_objects(objects).write(store.uri("records", *parts), b"{}")
    assert below(tmp_path) == set()


@pytest.mark.parametrize("name", HOSTILE)
def test_no_pipeline_is_called_so(name: str, tmp_path: Path) -> None:
    """Its name begins every key, table, job and endpoint."""
    pipeline = declare(tmp_path)
    with pytest.raises(DeclarationError, match="name"):
        dataclasses.replace(pipeline, name=name)


@pytest.mark.parametrize("name", [each for each in HOSTILE if each])
def test_no_environment_is_called_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch's name becomes a folder that `mlops env delete` removes."""
    with pytest.raises(SettingsError, match="MLOPS_ENVIRONMENT"):
        Settings.load(environment=name)


@given(st.lists(st.text(max_size=40) | st.sampled_from(HOSTILE), min_size=1, max_size=4))
def test_names_of_jobs_and_endpoints_are_sagemakers_whatever_they_are_made_of(
    parts: list[str],
) -> None:
    """From any text comes a name that SageMaker takes, or a refusal: never an injection."""
    if not re.search("[a-zA-Z0-9]", "".join(parts)):
        with pytest.raises(ValueError, match="no letter or digit"):
            names.slugify(*parts)
        return
    slug = names.slugify(*parts)
    assert SAGEMAKER_NAME.fullmatch(names.name_of(slug, "0123456789abcdef"))


@given(st.dictionaries(st.text(min_size=1, max_size=200), st.text(max_size=400), max_size=4))
def test_tags_hold_what_tags_may_hold(tags: dict[str, str]) -> None:
    """A control character in a tag is a refused request, hours into a run."""
    for tag in names.tag_list(tags):
        assert re.fullmatch(r"[\w\s.:/=+\-@]{1,128}", tag["Key"])
        assert re.fullmatch(r"[\w\s.:/=+\-@]{0,256}", tag["Value"])
