"""A function that does not keep the contract is caught by the job: no wrong rows, silently.

The parts of a job that need no Spark, on a real lake: what a task does with its chunk or slice.
"""

import sys
import uuid
from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_assets.resources.lake.resource import open_lake
from mlops_assets.spark.blobs import PartsDiffer, common_schema, key_hashes
from mlops_assets.spark.clean_part import CleanPart
from mlops_assets.spark.features_part import FeaturesPart
from mlops_assets.spark.parts import ContractBroken
from mlops_assets.spark.task import Task
from mlops_assets_tests.spark import visits_on_spark as visits

DAY = visits.DAYS[1]


@pytest.fixture
def task(tmp_path):
    catalog = {
        "type": "sql",
        "uri": f"sqlite:///{tmp_path}/catalog.db",
        "warehouse": tmp_path.as_uri(),
    }
    lake = open_lake(catalog)
    raw = visits.MadeVisits(rows=200).read(DAY)
    lake.write("visits.raw", DAY, raw)
    typed = raw.astype({"visit": int, "spent": float}).drop(columns="note")
    typed["came_at"] = pd.to_datetime(typed["came_at"]).astype("datetime64[us, UTC]")
    typed["items"] = pd.to_numeric(typed["items"]).astype("Int64")
    lake.write("visits.clean", DAY, visits.clean(typed))
    return Task(
        station="clean",
        module=visits.__name__,
        pipeline="visits",
        code_version="1",
        catalog=catalog,
        inputs=(),
    )


@pytest.fixture
def declared(monkeypatch):
    """The task with another declaration, in a module of its own as a job imports it."""

    def declare(task, **changes):
        module = ModuleType(f"declared_{uuid.uuid4().hex}")
        module.pipeline = replace(visits.pipeline, **changes)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return task.model_copy(update={"module": module.__name__})

    return declare


def cleaned(task):
    layout = open_lake(task.catalog).layout("visits.raw", [DAY])
    return list(CleanPart(task, layout, {}).made(0))


def featured(task):
    layout = open_lake(task.catalog).layout("visits.clean", [DAY])
    part = FeaturesPart(task, layout, None, None, (), 1, (1, 2, 3))
    pages = sorted(part.sliced(0), key=lambda page: (page.major, page.minor))
    return list(part.made(0, iter(pages)))


def test_a_chunk_of_a_function_that_keeps_it_passes(task):
    assert {page.kind for page in cleaned(task)} == {"facts", "clean", "quarantine", "keys"}
    assert {page.kind for page in featured(task)} == {"facts", "made"}


def test_clean_that_looks_at_other_rows_is_caught(task, declared):
    def centred(df):
        made = visits.clean(df)
        return made.assign(spent=made["spent"] - made["spent"].mean())

    with pytest.raises(ContractBroken, match="other values of spent"):
        cleaned(declared(task, clean=centred))


def test_clean_that_sorts_has_to_say_by_what(task, declared):
    def ordered(df):
        return visits.clean(df).sort_values(["spent", "visit"], kind="stable", ignore_index=True)

    with pytest.raises(ContractBroken, match="changes the order"):
        cleaned(declared(task, clean=ordered))
    engine = replace(visits.pipeline.engine, order_by=("spent", "visit"))
    assert cleaned(declared(task, clean=ordered, engine=engine))
    with pytest.raises(ContractBroken, match="does not order its rows by came_at"):
        cleaned(declared(task, clean=ordered, engine=replace(engine, order_by=("came_at",))))


def test_clean_that_drops_rows_is_caught(task, declared):
    with pytest.raises(ContractBroken, match="never dropped"):
        cleaned(declared(task, clean=lambda df: visits.clean(df).iloc[1:]))


def test_features_of_other_groups_are_caught(task, declared):
    def among_all(df, history):
        return visits.features(df, history).assign(mean_spent=df["spent"].mean())

    with pytest.raises(ContractBroken, match="mean_spent depend on values of rows of other shop"):
        featured(declared(task, features=among_all))


def test_features_in_another_order_are_caught(task, declared):
    def turned(df, history):
        return visits.features(df, history).iloc[::-1].reset_index(drop=True)

    with pytest.raises(ContractBroken, match="in another order"):
        featured(declared(task, features=turned))


def test_parts_that_do_not_fit_each_other_are_named():
    number, text = pa.schema([("x", pa.int64())]), pa.schema([("x", pa.large_string())])
    with pytest.raises(PartsDiffer, match="'x' int64 in one part and large_string"):
        common_schema("visits.clean", [number, text])
    with pytest.raises(PartsDiffer, match="same columns"):
        common_schema("visits.clean", [number, pa.schema([("y", pa.int64())])])


def test_keys_hash_alike_whatever_the_dtype_of_their_part():
    """A part without missing values may have another dtype than one with."""
    plain = pd.DataFrame({"a": [1, 2], "b": [0.0, np.nan]})
    nullable = pd.DataFrame({"a": pd.Series([1, 2], dtype="Int64"), "b": [-0.0, np.nan]})
    assert (key_hashes(plain, ["a", "b"]) == key_hashes(nullable, ["a", "b"])).all()
    other = plain.assign(a=[1, 3])
    assert (key_hashes(plain, ["a"]) == key_hashes(other, ["a"])).all(axis=1).tolist() == [
        True,
        False,
    ]
