"""Assets in the lake, through real Dagster runs: partitions, data versions, metadata."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.lake.errors import LakeError
from mlops_assets.resources.lake.io_manager import LakeIOManager
from mlops_assets.resources.lake.resource import LakeResource

MONTHS = dg.StaticPartitionsDefinition(["2013-01", "2013-02", "2013-03"])


@dg.asset(key=["test", "raw"], partitions_def=MONTHS)
def raw(context: dg.AssetExecutionContext) -> pd.DataFrame:
    return pd.DataFrame({"month": context.partition_key, "n": [1, 2]})


@dg.asset(
    key=["test", "clean"],
    partitions_def=MONTHS,
    ins={"rows": dg.AssetIn(["test", "raw"])},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def clean(context: dg.AssetExecutionContext, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {key: rows[rows["month"] == key] for key in context.partition_keys}


@dg.asset(key=["test", "report"], ins={"rows": dg.AssetIn(["test", "raw"])})
def report(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.groupby("month", as_index=False)["n"].sum()


@dg.asset(key=["test", "last"], ins={"rows": dg.AssetIn(["test", "report"])})
def last(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.tail(1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def run(
    asset: dg.AssetsDefinition,
    instance: dg.DagsterInstance,
    catalog: dict[str, str],
    partition: str | None = None,
    to: str | None = None,
    raise_on_error: bool = True,
) -> dg.ExecuteInProcessResult:
    span = {
        "dagster/asset_partition_range_start": partition,
        "dagster/asset_partition_range_end": to,
    }
    return dg.materialize(
        [raw, clean, report, last] if asset in (raw, clean, report, last) else [asset],
        selection=[asset],
        partition_key=None if to else partition,
        tags={name: value for name, value in span.items() if value} if to else None,
        resources={"io_manager": LakeIOManager(catalog=catalog)},
        instance=instance,
        raise_on_error=raise_on_error,
    )


def events(
    instance: dg.DagsterInstance, asset: dg.AssetsDefinition
) -> list[dg.AssetMaterialization]:
    """The asset's materializations, oldest first."""
    records = instance.fetch_materializations(asset.key, limit=100).records
    return [found for record in reversed(records) if (found := record.asset_materialization)]


def test_the_snapshot_is_the_data_version(
    instance: dg.DagsterInstance, local_catalog: dict[str, str], local_lake: Lake
) -> None:
    run(raw, instance, local_catalog, "2013-01")
    (event,) = events(instance, raw)
    snapshot = local_lake.partition_snapshot("test.raw", "2013-01")
    assert event.tags is not None
    assert event.tags["dagster/data_version"] == str(snapshot)
    assert event.metadata["snapshot_id"].value == str(snapshot)
    assert event.metadata["dagster/row_count"].value == 2
    assert event.metadata["rows"].value == 2
    assert event.metadata["bytes"].value > 0
    assert event.metadata["dagster/relation_identifier"].value == "test.raw"
    columns = event.metadata["dagster/column_schema"].value.columns
    assert [(column.name, column.type) for column in columns] == [("month", "str"), ("n", "int64")]


def test_a_rerun_without_news_keeps_the_data_version(
    instance: dg.DagsterInstance, local_catalog: dict[str, str]
) -> None:
    """Otherwise each retry would make everything downstream stale, and retrain models."""
    for month in ("2013-01", "2013-02", "2013-01"):
        run(raw, instance, local_catalog, month)
    first, _, again = events(instance, raw)
    assert first.tags is not None
    assert again.tags is not None
    assert again.tags["dagster/data_version"] == first.tags["dagster/data_version"]
    assert again.metadata["changed"].value is False


def test_a_range_in_one_run_reads_and_writes_each_partition(
    instance: dg.DagsterInstance, local_catalog: dict[str, str], local_lake: Lake
) -> None:
    for month in MONTHS.get_partition_keys():
        run(raw, instance, local_catalog, month)
    run(clean, instance, local_catalog, "2013-02", to="2013-03")
    assert local_lake.partitions("test.clean") == ["2013-02", "2013-03"]
    found = events(instance, clean)
    assert {event.partition for event in found} == {"2013-02", "2013-03"}
    for event in found:
        assert event.partition is not None
        written_by = local_lake.partition_snapshot("test.clean", event.partition)
        assert event.metadata["snapshot_id"].value == str(written_by)
        assert local_lake.read("test.clean", [event.partition])["month"].eq(event.partition).all()
    run(clean, instance, local_catalog, "2013-02", to="2013-03")
    versions = {
        event.tags["dagster/data_version"] for event in events(instance, clean) if event.tags
    }
    assert len(versions) == 1


def test_unpartitioned_assets_read_all_partitions_and_each_other(
    instance: dg.DagsterInstance, local_catalog: dict[str, str], local_lake: Lake
) -> None:
    for month in MONTHS.get_partition_keys():
        run(raw, instance, local_catalog, month)
    run(report, instance, local_catalog)
    run(last, instance, local_catalog)
    expected = pd.DataFrame({"month": ["2013-03"], "n": [3]})
    assert_frame_equal(local_lake.read("test.last"), expected)


def test_a_partition_that_was_never_made_is_named(
    instance: dg.DagsterInstance, local_catalog: dict[str, str]
) -> None:
    run(raw, instance, local_catalog, "2013-01")
    with pytest.raises(LakeError, match=r"test\.raw holds no partition 2013-02, 2013-03"):
        run(report, instance, local_catalog)


def test_what_does_not_cover_the_run_is_refused(
    instance: dg.DagsterInstance, local_catalog: dict[str, str], local_lake: Lake
) -> None:
    """A range run that returned one frame would have written one partition and called it three."""

    @dg.asset(
        key=["test", "wrong"],
        partitions_def=MONTHS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        config_schema={"answer": str},
    )
    def wrong(context: dg.AssetExecutionContext) -> object:
        frame = pd.DataFrame({"n": [1]})
        return {
            "frame": frame,
            "some": {"2013-01": frame},
            "more": dict.fromkeys(("2013-01", "2013-02", "2013-04"), frame),
            "text": "rows",
        }[context.op_execution_context.op_config["answer"]]

    for answer, message in {
        "frame": "ran over 2 partitions and returned one DataFrame",
        "some": "the run covers",
        "more": "the run covers",
        "text": "returned str",
    }.items():
        with pytest.raises(LakeError, match=message):
            dg.materialize(
                [wrong],
                run_config={"ops": {"test__wrong": {"config": {"answer": answer}}}},
                tags={
                    "dagster/asset_partition_range_start": "2013-01",
                    "dagster/asset_partition_range_end": "2013-02",
                },
                resources={"io_manager": LakeIOManager(catalog=local_catalog)},
                instance=instance,
            )
    assert not local_lake.exists("test.wrong")


def test_keys_of_other_depth_are_refused(
    instance: dg.DagsterInstance, local_catalog: dict[str, str]
) -> None:
    @dg.asset
    def shallow() -> pd.DataFrame:
        return pd.DataFrame({"n": [1]})

    with pytest.raises(LakeError, match=r"shallow: the lake needs AssetKey\(\[namespace, name\]\)"):
        run(shallow, instance, local_catalog)


def test_the_resource_opens_the_same_lake(local_catalog: dict[str, str]) -> None:
    resource = LakeResource(catalog=local_catalog)
    assert resource.open() is LakeResource(catalog=dict(local_catalog)).open()
    resource.open().write("test.rows", "all", pd.DataFrame({"n": [1]}))
    assert resource.open().read("test.rows")["n"].tolist() == [1]


@pytest.mark.integration
def test_assets_live_in_aws_as_they_do_locally(
    instance: dg.DagsterInstance, aws_catalog: dict[str, str], table: str
) -> None:
    @dg.asset(key=table.split("."), partitions_def=MONTHS)
    def rows() -> pd.DataFrame:
        return pd.DataFrame({"n": [1, 2]})

    run(rows, instance, aws_catalog, "2013-01")
    assert LakeResource(catalog=aws_catalog).open().read(table)["n"].tolist() == [1, 2]
