"""Feature Store's offline history, read as of each row's moment: through the API's own files."""

import io
import itertools
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_assets.objects import Objects, open_objects
from mlops_assets.resources.sagemaker.features.offline_features import (
    EVENT_TIME,
    OfflineFeatures,
    OfflineStoreError,
)
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets_tests import aws_server
from mlops_assets_tests.resources.sagemaker.conftest import Lab, eventually

pytestmark = pytest.mark.integration
ROLE = "arn:aws:iam::000000000000:role/features"
numbers = itertools.count()


class Group:
    """A feature group of one's own: ``depot``, ``at``, ``late`` (a share) and ``parcels``."""

    def __init__(
        self, lab: Lab, name: str = "", *, event: str = "String", offline: bool = True
    ) -> None:
        self.name = name or f"history-{next(numbers)}"
        self._lab = lab
        self._written = 0
        types = {"depot": "String", "at": event, "late": "Fractional", "parcels": "Integral"}
        more: dict[str, Any] = {"OnlineStoreConfig": {"EnableOnlineStore": True}}
        if offline:
            storage = {"S3Uri": f"s3://lake/feature-store/{self.name}"}
            more |= {"OfflineStoreConfig": {"S3StorageConfig": storage}, "RoleArn": ROLE}
        lab.sagemaker.client().create_feature_group(
            FeatureGroupName=self.name,
            RecordIdentifierFeatureName="depot",
            EventTimeFeatureName="at",
            FeatureDefinitions=[{"FeatureName": n, "FeatureType": t} for n, t in types.items()],
            **more,
        )

    def put(self, **features: str) -> None:
        record = [{"FeatureName": n, "ValueAsString": text} for n, text in features.items()]
        self._lab.sagemaker.feature_store().put_record(FeatureGroupName=self.name, Record=record)
        self._written += 1

    def delete(self, depot: str, at: str) -> None:
        self._lab.sagemaker.feature_store().delete_record(
            FeatureGroupName=self.name, RecordIdentifierValueAsString=depot, EventTime=at
        )
        self._written += 1

    def reader(self) -> OfflineFeatures:
        """Once everything that was put is there."""
        found = OfflineFeatures(self._lab.sagemaker, self._lab.objects)
        eventually(lambda: len(found.history(self.name)) == self._written, "the offline store")
        return found


def asked(*rows: tuple[str, str]) -> pd.DataFrame:
    moments = pd.to_datetime([each for _, each in rows], utc=True, format="ISO8601")
    return pd.DataFrame({"depot": [depot for depot, _ in rows], "promised_at": moments})


@pytest.fixture(scope="module")
def group(lab: Lab) -> Group:
    made = Group(lab)
    made.put(depot="north", at="2024-01-03T00:00:00Z", late="0.3", parcels="30")
    made.put(depot="north", at="2024-01-01T00:00:00Z", late="0.1")
    made.put(depot="south", at="2024-01-02T12:30:00Z", late="0.7", parcels="9007199254740993")
    made.delete("north", "2024-01-05T00:00:00Z")
    made.put(depot="north", at="2024-01-06T00:00:00Z", late="0.6", parcels="60")
    return made


def test_each_row_gets_what_held_at_its_moment(group: Group):
    """Next week's share of late parcels in this week's row: any model looks good on that."""
    rows = asked(
        ("north", "2024-01-02"),
        ("north", "2024-01-03"),
        ("south", "2024-01-02T12:29:59Z"),
        ("south", "2024-01-09"),
        ("north", "2024-01-05T06:00:00Z"),
        ("north", "2024-01-07"),
        ("west", "2024-01-07"),
    ).sample(frac=1, random_state=1)
    found = group.reader().as_of(group.name, rows, entity="depot", moment="promised_at")
    pd.testing.assert_index_equal(found.index, rows.index)
    found = found.sort_index()
    late = [None if pd.isna(each) else each for each in found["late"]]
    assert late == [0.1, 0.3, None, 0.7, None, 0.6, None]
    assert found["parcels"].tolist()[3] == 9007199254740993, "more than a float can hold"
    assert pd.isna(found["parcels"].iloc[0]), "a feature that the record left out"
    assert found[EVENT_TIME].iloc[1] == pd.Timestamp("2024-01-03", tz="UTC")


def test_what_the_store_had_not_been_told_is_not_known(group: Group):
    """All of it came today: whoever predicted in January had none of it."""
    rows = asked(("north", "2024-01-07"), ("north", "2100-01-01"))
    found = group.reader().as_of(
        group.name, rows, entity="depot", moment="promised_at", columns=["late"], known="invocation"
    )
    assert pd.isna(found["late"].iloc[0])
    assert found["late"].iloc[1] == 0.6


def test_what_was_written_later_can_be_left_out(group: Group):
    """The same question has the same answer next month, whatever is backfilled until then."""
    rows, reader = asked(("north", "2024-01-07")), group.reader()
    before = pd.Timestamp("2024-06-01", tz="UTC")
    found = reader.as_of(
        group.name, rows, entity="depot", moment="promised_at", columns=["late"], written_by=before
    )
    assert found["late"].isna().all()


def test_times_as_seconds(lab: Lab):
    group = Group(lab, event="Fractional")
    group.put(depot="north", at="1704067200.25", late="0.1")
    rows = asked(("north", "2024-01-01T00:00:00.2Z"), ("north", "2024-01-01T00:00:00.25Z"))
    found = group.reader().as_of(
        group.name, rows, entity="depot", moment="promised_at", columns=["late"]
    )
    assert found["late"].isna().tolist() == [True, False]


def test_a_feature_that_came_later_is_null_before(lab: Lab):
    group = Group(lab)
    group.put(depot="north", at="2024-01-01T00:00:00Z", late="0.1")
    group.reader()
    client = lab.sagemaker.client()
    added = [{"FeatureName": "weight", "FeatureType": "Fractional"}]
    client.update_feature_group(FeatureGroupName=group.name, FeatureAdditions=added)
    group.put(depot="north", at="2024-01-02T00:00:00Z", late="0.2", weight="7")
    rows = asked(("north", "2024-01-01T12:00:00Z"), ("north", "2024-01-03"))
    found = group.reader().as_of(group.name, rows, entity="depot", moment="promised_at")
    assert found["weight"].isna().tolist() == [True, False]


def parquet() -> bytes:
    """A file as the service writes it: times in milliseconds, without a zone."""
    stamp = pa.array([1704070800000], pa.timestamp("ms"))
    table = pa.table(
        {
            "depot": ["north"],
            "at": ["2024-01-01T00:30:00Z"],
            "late": [0.5],
            "parcels": pa.array([3], pa.int64()),
            "write_time": stamp,
            "api_invocation_time": stamp,
            "is_deleted": [False],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def put_files(lab: Lab, group: Group) -> None:
    described = lab.sagemaker.client().describe_feature_group(FeatureGroupName=group.name)
    root = described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    hour = f"{root}/year=2024/month=01/day=01/hour=00"
    lab.objects().write(f"{hour}/20240101T003000Z_abcdef.parquet", parquet())
    lab.objects().write(f"{root}/year=2024/month=01/day=02/hour=00/x.parquet", b"no Parquet")


@pytest.mark.parametrize("place", ["here", "s3"])
def test_files_as_the_service_writes_them(
    lab: Lab, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In S3 as in a directory; the files of later hours are not even opened."""
    with ExitStack() as stack:
        if place == "s3":
            url = stack.enter_context(aws_server.aws_server())
            for name, value in aws_server.environment(url).items():
                monkeypatch.setenv(name, value)
            lab = S3Lab(tmp_path, SageMakerResource(region=aws_server.REGION))
            boto3.client("s3").create_bucket(Bucket="lake")
        group = Group(lab)
        put_files(lab, group)
        rows = asked(("north", "2024-01-01T01:00:00Z"), ("north", "2024-01-01T00:29:59Z"))
        reader = OfflineFeatures(lab.sagemaker, lab.objects)
        found = reader.as_of(group.name, rows, entity="depot", moment="promised_at")
    assert found["late"].iloc[0] == 0.5
    assert pd.isna(found["late"].iloc[1])


class S3Lab(Lab):
    """AWS: moto's groups and buckets."""

    def objects(self) -> Objects:
        return open_objects("s3")


def test_a_group_without_history_says_what_to_do(lab: Lab):
    reader = OfflineFeatures(lab.sagemaker, lab.objects)
    with pytest.raises(OfflineStoreError, match="no feature group nowhere"):
        reader.history("nowhere")
    with pytest.raises(OfflineStoreError, match="create it with an OfflineStoreConfig"):
        reader.history(Group(lab, offline=False).name)


def test_the_page_runs_as_it_is_written(lab: Lab):
    """docs/sagemaker.md: an asset whose rows are joined to their features."""
    page = (Path(__file__).parents[4] / "docs" / "sagemaker.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    (block,) = [each for each in blocks if "offline_features.as_of" in each]
    group = Group(lab, "depots")
    group.put(depot="north", at="2024-01-01T00:00:00Z", late="0.1")
    group.put(depot="north", at="2024-01-05T00:00:00Z", late="0.5")
    found: dict[str, Any] = {}
    exec(compile(block, "docs/sagemaker.md", "exec"), found)  # noqa: S102 - our own page
    rows = found["training_rows"](offline_features=group.reader())
    assert rows["late"].tolist() == [0.1, 0.5]


def test_no_rows_have_no_features(group: Group):
    found = group.reader().as_of(group.name, asked(), entity="depot", moment="promised_at")
    assert list(found.columns) == ["late", "parcels", EVENT_TIME]
    assert found.empty
