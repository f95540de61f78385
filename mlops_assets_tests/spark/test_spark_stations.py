"""The same content by pandas and by Spark: same digest, so the same snapshot, and the same checks.

Real jobs: Dagster asks the local SageMaker API, which runs pyspark.
"""

from dataclasses import replace

import pytest

from mlops_assets_tests.spark import flights_on_spark, visits_on_spark
from mlops_assets_tests.spark.spark_there import needs_spark
from mlops_assets_tests.worlds import TestWorld, checks, materialized

pytestmark = [pytest.mark.integration, needs_spark]
STATIONS = ("clean", "quarantine", "features")


def tables(world):
    return {station: world.lake.snapshots(world.pipeline.table(station)) for station in STATIONS}


def shown(result):
    """What the materializations say of their content."""
    names = ("dagster/row_count", "dagster/column_schema", "snapshot_id", "rows")
    return {
        (event.asset_key.path[-1], event.partition): {
            name: event.materialization.metadata.get(name) for name in names
        }
        for event in result.all_events
        if event.is_step_materialization
    }


def on_both(home, pipeline, first, last):
    """The two runs of a range, and the lake's versions after each."""
    by_pandas = TestWorld(home, replace(pipeline, engine="pandas"))
    one = by_pandas.run("raw", *STATIONS, span=(first, last))
    before = tables(by_pandas)
    by_spark = TestWorld(home, pipeline, instance=by_pandas.instance)
    try:
        return one, before, by_spark.run(*STATIONS, span=(first, last)), tables(by_spark)
    finally:
        by_spark.stop()


def test_visits_are_the_same_by_shop(tmp_path):
    """Nulls, ties, poison, repeats, conflicts, dtypes that follow from values: nothing differs."""
    one, before, other, after = on_both(tmp_path, visits_on_spark.pipeline, *visits_on_spark.DAYS)
    assert one.success
    assert other.success
    assert after == before
    assert materialized(other) == set(STATIONS)
    wanted = {key: value for key, value in shown(one).items() if key[0] != "raw"}
    assert shown(other) == wanted
    judged = {name: (check.passed, check.description) for name, check in checks(one).items()}
    del judged["raw_schema"]
    assert {name: (c.passed, c.description) for name, c in checks(other).items()} == judged


@pytest.mark.nightly
def test_flights_are_the_same_in_slices_of_time(tmp_path):
    """The reference pipeline, whose features look at all flights of the week before."""
    pipeline = flights_on_spark.pipeline
    one, before, other, after = on_both(tmp_path, pipeline, "2013-01-01", "2013-02-01")
    assert one.success
    assert other.success
    assert after == before
